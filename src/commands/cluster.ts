/** What the verbs of a cluster share: their flags, the way to the hosts, and the work under both locks. */
import type { Bundle } from '../bundle/open.js';
import type { Config } from '../config/config.js';
import type { MachineConfig } from '../config/hosts.js';
import { UserError } from '../errors.js';
import { bundleOf } from '../fleet/bundle.js';
import { type Gathered, gather, withFleet } from '../fleet/gather.js';
import { holderHere, lockedCluster } from '../fleet/lock.js';
import type { Absent } from '../fleet/meet.js';
import { sudoPassword } from '../fleet/password.js';
import { allLanesDone, applyLanes, type Lane } from '../plan/lanes.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import type { Machine } from '../steps/machine.js';
import type { ClusterRecord } from '../targets/cluster-record.js';
import type { Input, Option } from '../verb.js';
import type { World } from '../world.js';

export const configOption: Option = {
  flags: '-c, --config <file>',
  says: say('Configuration, by default ./deepseek.yaml if it is there', '配置文件，默认为 ./deepseek.yaml（若存在）'),
};

export const reachOptions: readonly Option[] = [
  {
    flags: '--ask-sudo-password',
    says: say('Ask for the password of sudo, or read it from standard input', '询问 sudo 密码，或从标准输入读取'),
  },
  {
    flags: '--accept-new-host-keys',
    says: say('Trust the keys of hosts met for the first time', '信任首次连接的主机密钥'),
  },
];

export const bundleOptions: readonly Option[] = [
  {
    flags: '--bundle <file>',
    says: say(
      'Install from this file, made by `bundle create`; no network is asked',
      '从 `bundle create` 生成的文件安装，不访问网络',
    ),
  },
  {
    flags: '--bundle-key <key>',
    says: say(
      'The key it must be signed with, as `bundle create` printed it',
      '签名所用的密钥，由 `bundle create` 打印',
    ),
  },
];

export const hostOptions: readonly Option[] = [
  {
    flags: '--host <host>',
    says: say(
      'A host of the cluster, [name=][user@]address[:port]; may be repeated',
      '集群主机，[名称=][用户@]地址[:端口]；可重复',
    ),
    kind: 'list',
  },
  {
    flags: '--role <roles>',
    says: say(
      'One for each --host, in the same order: control-plane, worker, storage, or several: worker,storage',
      '与 --host 按顺序一一对应：control-plane、worker、storage，可多个：worker,storage',
    ),
    kind: 'list',
  },
];

type Recorded = ClusterRecord['machines'][number];

const bare = ({ address, roles }: Recorded): MachineConfig => ({
  ...{ address, roles, port: undefined, user: undefined, identityFile: undefined, bastion: undefined },
});

/**
 * Only these hosts are spoken to, the first control plane of them for the cluster: others may be gone for good. One that
 * the file names no more is reached where it was.
 */
export const only = (config: Config, machines: readonly Recorded[]): Config => ({
  ...config,
  hosts: {
    ...config.hosts,
    machines: Object.fromEntries(
      machines.map((machine) => [machine.name, config.hosts.machines[machine.name] ?? bare(machine)]),
    ),
  },
});

/**
 * Hosts that do not answer, for a verb that can do without those that are gone for good.
 * @param line what to type then, given their names
 */
export const absentAs =
  (line: (names: readonly string[]) => string): Absent =>
  (error, names) => {
    const { text, hint, details } = error;
    const own = hint ? say(`${text.en}\n→ ${hint.en}`, `${text.zh}\n→ ${hint.zh}`) : text;
    return new UserError(
      error.id,
      say(
        `${names.join(', ')} cannot be reached, so nothing was changed on any host.`,
        `无法连接 ${names.join('、')}，因此未在任何主机上做更改。`,
      ),
      {
        details: details.length > 0 ? details : [own],
        hint: say(
          `Bring it back and run this again. When it is gone for good: ${line(names)}`,
          `请恢复后重新运行。若已永久丢失：${line(names)}`,
        ),
        exit: 'unready',
        cause: error,
      },
    );
  };

/**
 * For verbs that install nothing: a bundle that the configuration names is not opened.
 * @throws UserError as meeting and looking at the hosts does; nothing was touched then
 */
export async function withHosts<T>(
  config: Config,
  input: Input,
  world: World,
  work: (gathered: Gathered) => Promise<T>,
  { bundle, absent }: { readonly bundle?: Bundle | undefined; readonly absent?: Absent } = {},
): Promise<T> {
  if (Object.keys(config.hosts.machines).length === 0) throw noHosts();
  const how = {
    acceptNewHostKeys: input.options.acceptNewHostKeys === true,
    sudoPassword: input.options.askSudoPassword === true ? await sudoPassword(world) : undefined,
    absent,
  };
  return withFleet(config, how, world, async (fleet) => work(await gather(config, fleet, world, bundle)));
}

/** @throws UserError as the bundle, meeting and looking at the hosts do; nothing was touched then */
export const withCluster = async <T>(
  config: Config,
  input: Input,
  world: World,
  work: (gathered: Gathered) => Promise<T>,
): Promise<T> => withHosts(config, input, world, work, { bundle: await bundleOf(config, world) });

const noHosts = (): UserError =>
  new UserError('hosts.none', say('No hosts are named.', '没有指定主机。'), {
    hint: say(
      'Name them under hosts.machines in deepseek.yaml, or: --host user@address --role control-plane,worker',
      '请在 deepseek.yaml 的 hosts.machines 中列出，或使用：--host 用户@地址 --role control-plane,worker',
    ),
    exit: 'usage',
  });

/** The lock lies on the first control plane; where that is lost, a reset has it on the first host that is left. */
export const lockPlace = ({ fleet: { hosts } }: Gathered): World =>
  (hosts.find(({ roles }) => roles.includes('control-plane')) ?? hosts[0]!).world;

/**
 * The lanes under the local lock and the cluster's.
 * @param what the verb, for whoever finds the lock
 * @param lanesOf with the world whose `stop` also ends when the lock is lost, and who we are for the journals
 * @returns the ids of what was changed, by host
 * @throws UserError with all that failed; `lock.held`, `cluster.locked`, exit 'busy'
 */
export async function applyTogether(
  what: string,
  gathered: Gathered,
  world: World,
  lanesOf: (world: World, by: string) => readonly Lane<Machine>[],
  before: () => Promise<unknown> = async () => {},
): Promise<ReadonlyMap<string, readonly string[]>> {
  return locked(world, what, async () => {
    const mine = await holderHere(what, world);
    return lockedCluster(mine, lockPlace(gathered), world, async (stop) => {
      await before();
      const lanes = lanesOf({ ...world, stop }, `${mine.who}@${mine.from}`);
      const sink = await world.ui.lanes(lanes.map(({ name, steps }) => ({ name, steps: steps.length })));
      return allLanesDone(await applyLanes(lanes, gathered.fleet.parallel, sink));
    });
  });
}

/** @throws UserError `interrupted` after a no */
export async function goOn(world: World): Promise<void> {
  if (!world.ui.interactive) return;
  if (await world.ui.confirm(say('Go on?', '继续？'), true)) return;
  throw new UserError('interrupted', say('Nothing was changed.', '未做任何更改。'), { exit: 'interrupted' });
}
