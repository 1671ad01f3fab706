import type { Config } from '../config/config.js';
import { settingsOf } from '../config/settings.js';
import { UserError } from '../errors.js';
import type { Gathered } from '../fleet/gather.js';
import { undoLanesOf } from '../fleet/work.js';
import { say, type Text } from '../say.js';
import { type ClusterRecord, forgetCluster, needCluster } from '../targets/cluster-record.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';
import { absentAs, applyTogether, only, reachOptions, withHosts } from './cluster.js';
import { leavesOf } from './cluster-leaves.js';

/** The name is typed, or given together with --yes. @throws UserError `reset.confirm`, `interrupted` */
async function confirmed(name: string, input: Input, world: World): Promise<void> {
  const { ui } = world;
  const given = input.options.cluster as string | undefined;
  if (given !== undefined && given !== name)
    throw new UserError(
      'reset.name',
      say(`The cluster is called ${name}, not ${given}.`, `集群名为 ${name}，而非 ${given}。`),
      {
        exit: 'usage',
      },
    );
  if (given !== undefined && input.yes) return;
  if (!ui.interactive)
    throw new UserError(
      'reset.confirm',
      say('Resetting a cluster needs its name and a yes.', '重置集群需要提供其名称并确认。'),
      {
        hint: say(
          `Type: deepseek-deploy reset --cluster ${name} --yes`,
          `请输入：deepseek-deploy reset --cluster ${name} --yes`,
        ),
        exit: 'usage',
      },
    );
  const question = say(
    `All of ${name} goes, with its volumes and pods. Type its name`,
    `将撤销整个 ${name}，包括存储卷和 Pod。请输入其名称`,
  );
  if ((await ui.input(question, '')).trim() === name) return;
  throw new UserError('interrupted', say('Nothing was changed.', '未做任何更改。'), { exit: 'interrupted' });
}

/**
 * The machines that are to be reached: all that were made part of it, but those that are lost.
 * @throws UserError `reset.lost`, `reset.unnamed`
 */
function reachedOf(record: ClusterRecord, lost: readonly string[], config: Config): readonly string[] {
  const names = record.machines.map(({ name }) => name);
  const unknown = lost.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UserError('reset.lost', say(`The cluster has no node ${unknown}.`, `集群中没有节点 ${unknown}。`), {
      hint: say(`Its nodes: ${names.join(', ')}`, `现有节点：${names.join('、')}`),
      exit: 'usage',
    });
  const left = names.filter((name) => !lost.includes(name));
  const unnamed = left.find((name) => config.hosts.machines[name] === undefined);
  if (unnamed === undefined) return left;
  throw new UserError(
    'reset.unnamed',
    say(
      `${unnamed} was made part of the cluster, and ${record.wish.file} no longer names it.`,
      `${unnamed} 属于集群，但已不在 ${record.wish.file} 中。`,
    ),
    {
      hint: say(
        `Name it there again; when it is gone for good: ${lostLine(record, [...lost, unnamed])}`,
        `请重新写入该文件；若已永久丢失：${lostLine(record, [...lost, unnamed])}`,
      ),
      exit: 'usage',
    },
  );
}

const lostLine = ({ name }: ClusterRecord, lost: readonly string[]): string =>
  `deepseek-deploy reset --cluster ${name} --yes ${lost.map((one) => `--lost ${one}`).join(' ')}`;

function tell(
  { name }: ClusterRecord,
  changed: ReadonlyMap<string, readonly string[]>,
  lost: readonly string[],
  leaves: readonly Text[],
  input: Input,
  world: World,
): void {
  if (input.json) {
    const said = { changed: Object.fromEntries(changed), lost, leaves: leaves.map(({ en }) => en) };
    world.ui.out(`${JSON.stringify({ name, state: 'down', ...said }, null, 2)}\n`);
    return;
  }
  world.ui.line(say(`${name} is no more.`, `${name} 已撤销。`));
  for (const line of leaves) world.ui.line(line);
  if (lost.length > 0)
    world.ui.line(
      say(
        `Nothing was undone on ${lost.join(', ')}. Should it come back: kubeadm reset there, or install it anew.`,
        `${lost.join('、')} 上未撤销任何内容。若恢复：请在其上执行 kubeadm reset，或重装系统。`,
      ),
    );
}

export const verb: Verb = {
  options: [
    ...reachOptions,
    {
      flags: '--cluster <name>',
      says: say('Name of the cluster; --yes alone is not enough', '集群名称；仅有 --yes 时仍需给出'),
    },
    {
      flags: '--lost <host>',
      says: say(
        'A host that is gone for good: nothing is undone there; may be repeated',
        '已永久丢失的主机：不在其上撤销任何内容；可重复',
      ),
      kind: 'list',
    },
  ],
  async run(input, world) {
    const record = await needCluster(world);
    const lost = (input.options.lost as readonly string[] | undefined) ?? [];
    const { config } = await settingsOf(world, record.wish.file, record.wish.overrides);
    const names = reachedOf(record, lost, config);
    await confirmed(record.name, input, world);
    const work = async (gathered: Gathered): Promise<undefined> => {
      const lanes = (its: World, by: string) => undoLanesOf(kubernetesSteps, gathered, its, by);
      const changed = await applyTogether('reset', gathered, world, lanes);
      await forgetCluster(world);
      tell(record, changed, lost, leavesOf(kubernetesSteps, gathered, names), input, world);
    };
    if (names.length > 0)
      return withHosts(
        only(
          config,
          record.machines.filter(({ name }) => names.includes(name)),
        ),
        input,
        world,
        work,
        {
          absent: absentAs((gone) => lostLine(record, [...lost, ...gone])),
        },
      );
    await forgetCluster(world);
    tell(record, new Map(), lost, [], input, world);
    return undefined;
  },
};
