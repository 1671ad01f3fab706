import { UserError } from '../errors.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import { stopSupervision } from '../supervisor/control.js';
import { readCluster } from '../targets/cluster-record.js';
import { auditLogHere, type Left, type Purge, purge, purgeable, sweep } from '../targets/purge.js';
import type { Verb } from '../verb.js';
import type { World } from '../world.js';

async function confirmed(world: World, what: Purge, yes: boolean): Promise<void> {
  const { ui } = world;
  if (yes || what.paths.length === 0) return;
  ui.line(say('This will be removed:', '将删除：'));
  for (const path of what.paths) ui.line(`  ${path}`);
  if (!ui.interactive) {
    throw new UserError('down.confirm', say('Removing needs a yes.', '删除需要确认。'), {
      hint: say('Add --yes', '请添加 --yes'),
      exit: 'usage',
    });
  }
  if (!(await ui.confirm(say('Remove it?', '确认删除？'), false))) throw unchanged();
}

const unchanged = (): UserError =>
  new UserError('interrupted', say('Nothing was changed.', '未做任何更改。'), { exit: 'interrupted' });

/** Whoever wants the record gone says so once more. */
async function auditConfirmed(world: World, yes: boolean): Promise<void> {
  const folder = await auditLogHere(world);
  if (yes || folder === undefined) return;
  const question = say(
    `The audit log in ${folder} is among it: who asked what, which is kept for at least 180 days. Remove that too?`,
    `其中包括 ${folder} 中的审计日志（记录何人请求了什么，至少保存 180 天）。是否一并删除？`,
  );
  if (!(await world.ui.confirm(question, false))) throw unchanged();
}

const alone = (): UserError =>
  new UserError('down.audit-log', say('--audit-log goes with --purge.', '--audit-log 须与 --purge 一起使用。'), {
    hint: say('Type: deepseek-deploy down --purge --audit-log', '请输入：deepseek-deploy down --purge --audit-log'),
    exit: 'usage',
  });

/** Its hosts would be forgotten, not freed. */
const isCluster = (name: string): UserError =>
  new UserError('down.cluster', say(`A cluster, ${name}, was made from here.`, `此处建立了集群 ${name}。`), {
    hint: say(
      `Undo what we did on its hosts first: deepseek-deploy reset --cluster ${name}`,
      `请先撤销其主机上的安装：deepseek-deploy reset --cluster ${name}`,
    ),
    exit: 'usage',
  });

export const verb: Verb = {
  options: [
    {
      flags: '--purge',
      says: say(
        'Remove what we made: state, keys, logs, downloads; the audit log stays',
        '删除我们创建的内容：状态、密钥、日志、下载；保留审计日志',
      ),
    },
    {
      flags: '--audit-log',
      says: say('With --purge: remove the audit log too', '与 --purge 一起使用：连同审计日志一并删除'),
    },
  ],
  async run(input, world) {
    const { ui } = world;
    const purging = input.options.purge === true;
    const audit = input.options.auditLog === true;
    if (audit && !purging) throw alone();
    const cluster = await readCluster(world);
    if (cluster) throw isCluster(cluster.name);
    if (purging) {
      await confirmed(world, await purgeable(world, { audit }), input.yes);
      if (audit) await auditConfirmed(world, input.yes);
    }
    const { stopped, removed } = await locked(world, 'down', async () => {
      const stopped = await ui.wait(say('Stopping', '正在停止'), () => stopSupervision(world));
      const what = purging ? await purgeable(world, { audit }) : { paths: [], keptFor: [] };
      await purge(world, what);
      return { stopped, removed: what };
    });
    const left = purging ? await sweep(world, removed) : [];
    if (input.json) {
      ui.out(
        `${JSON.stringify({ state: 'down', stopped, removed: removed.paths, left: left.map(({ folder }) => folder), auditLog: removed.audit }, null, 2)}\n`,
      );
      return undefined;
    }
    ui.line(stopped ? say('Stopped.', '已停止。') : say('Nothing was running.', '没有正在运行的进程。'));
    tellRemoved(world, removed, left, purging);
    return undefined;
  },
};

function tellRemoved(world: World, { paths, keptFor, audit }: Purge, left: readonly Left[], purging: boolean): void {
  const { ui } = world;
  if (!purging) return;
  ui.line(
    paths.length > 0
      ? say('Removed what we had made.', '已删除我们创建的内容。')
      : say('There was nothing to remove.', '没有可删除的内容。'),
  );
  if (keptFor.length > 0) {
    const homes = keptFor.join(', ');
    ui.line(say(`Downloads stay: ${homes} uses them too.`, `下载内容保留：${homes} 也在使用。`));
  }
  if (audit !== undefined) {
    ui.line(
      say(
        `The audit log stays: ${audit}, and its secret beside it. deepseek-deploy audit reads it; down --purge --audit-log removes it.`,
        `审计日志保留在 ${audit}，其密钥在同级目录中。可用 deepseek-deploy audit 读取；down --purge --audit-log 将其删除。`,
      ),
    );
  }
  for (const { folder, names } of left) {
    ui.line(
      say(
        `${folder} stays: what lies in it is yours to remove: ${names.join(', ')}`,
        `保留 ${folder}：其中的文件请自行处理：${names.join('、')}`,
      ),
    );
  }
}
