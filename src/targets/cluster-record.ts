/** What `init --target kubernetes` made of which hosts: the facts that later commands start from. No secrets in here. */
import type { Role } from '../config/hosts.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { clusterFile, type RememberedWish } from './deployment.js';

export interface ClusterRecord {
  readonly version: 1;
  readonly target: 'kubernetes';
  readonly name: string;
  readonly machines: readonly { readonly name: string; readonly address: string; readonly roles: readonly Role[] }[];
  readonly wish: RememberedWish;
  /** Absolute path: of a cluster that others made, which is only looked at. */
  readonly kubeconfig?: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

export async function readCluster(world: World): Promise<ClusterRecord | undefined> {
  const text = await world.files.readIfAny(clusterFile(world.places.home));
  return text === undefined ? undefined : (JSON.parse(text) as ClusterRecord);
}

/** @throws UserError `cluster.none` when no cluster was made from this home, `cluster.not-ours` when others made it. */
export async function needCluster(world: World): Promise<ClusterRecord> {
  const record = await readCluster(world);
  if (record?.kubeconfig !== undefined)
    throw new UserError(
      'cluster.not-ours',
      say('This cluster was made by others: its hosts are theirs.', '此集群由他人建立，其主机不归本工具管理。'),
      { hint: say('See it: deepseek-deploy status', '查看集群：deepseek-deploy status'), exit: 'usage' },
    );
  if (record) return record;
  throw new UserError(
    'cluster.none',
    say(`No cluster was made from ${world.places.home}.`, `${world.places.home} 中没有集群的记录。`),
    {
      hint: say(
        'Make one: deepseek-deploy init --target kubernetes --host user@address',
        '先创建：deepseek-deploy init --target kubernetes --host 用户@地址',
      ),
      exit: 'unready',
    },
  );
}

/** Written when it says something new. @returns whether it was */
export async function recordCluster(
  record: Omit<ClusterRecord, 'version' | 'target' | 'createdAt'>,
  world: World,
): Promise<boolean> {
  const before = await readCluster(world);
  const createdAt = before?.createdAt ?? new Date(world.clock.now()).toISOString();
  const { name, machines, wish, kubeconfig } = record;
  const text = `${JSON.stringify({ version: 1, target: 'kubernetes', name, machines, wish, kubeconfig, createdAt }, null, 2)}\n`;
  const path = clusterFile(world.places.home);
  if ((await world.files.readIfAny(path)) === text) return false;
  await world.files.makeDir(world.places.home);
  await world.files.write(path, text);
  return true;
}

/** The same without one machine. */
export async function forgetMachine(gone: string, record: ClusterRecord, world: World): Promise<void> {
  const overrides = record.wish.overrides.map((one) =>
    one.path === 'hosts.machines' && typeof one.value === 'object'
      ? { ...one, value: Object.fromEntries(Object.entries(one.value).filter(([name]) => name !== gone)) }
      : one,
  );
  const machines = record.machines.filter(({ name }) => name !== gone);
  await recordCluster({ name: record.name, machines, wish: { ...record.wish, overrides } }, world);
}

export const forgetCluster = (world: World): Promise<void> => world.files.remove(clusterFile(world.places.home));
