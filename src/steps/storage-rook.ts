/** Volumes kept three times on the storage hosts: Rook and Ceph. */
import { manifests, rookImages } from '../install/pins.js';
import { rookCluster, rookNamespace } from '../manifests/rook.js';
import type { Action } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { applyObjects, applyPinned, areApplied, isPinnedApplied } from './applied.js';
import { ask, asRoot, kubectl, run } from './at-node.js';
import type { Cluster, NodeStep } from './machine.js';
import { storageOf } from './storage-local-path.js';
import { untilRolledOut } from './workloads.js';

const operator = { namespace: rookNamespace, name: 'deployment/rook-ceph-operator' };
// Definitions first: an object of a kind that is not defined yet is refused.
const parts = [manifests.rookCrds, manifests.rookCommon, manifests.rookCsi, manifests.rookOperator];

const objects = ({ machines, settings }: Cluster) =>
  rookCluster(
    machines
      .filter(({ roles }) => roles.includes('storage'))
      .map(({ name }) => ({ name, devices: settings.storageDevices[name] ?? [] })),
  );

const phase = async (world: World): Promise<string> =>
  (
    await world.host.run(
      kubectl([
        '-n',
        rookNamespace,
        'get',
        'cephcluster',
        'rook-ceph',
        '-o',
        'jsonpath={.status.phase}: {.status.message}',
      ]),
    )
  ).stdout.trim();

const isReady = (words: string): boolean => words.startsWith('Ready:');

const untilCeph: Action = {
  kind: 'wait',
  what: say('Ceph', 'Ceph'),
  timeoutMs: 30 * 60_000,
  until: async (world) => {
    const words = await phase(world);
    return isReady(words) || say(words || 'not begun yet', words || '尚未开始');
  },
};

async function isThere(cluster: Cluster, world: World): Promise<boolean> {
  const [ready, applied, ...pinned] = await Promise.all([
    phase(world).then(isReady),
    areApplied(objects(cluster), world),
    ...parts.map((part) => isPinnedApplied(part, world)),
  ]);
  return ready && applied && !pinned.includes(false);
}

export const storageRook: NodeStep = {
  id: 'storage.rook',
  title: say('Volumes: Rook and Ceph', '存储卷：Rook 与 Ceph'),
  on: 'first',
  after: ['node.labels', 'storage.host'],
  needed: ({ cluster }) => storageOf(cluster) === 'rook',
  brings: () => ({ manifests: parts, images: rookImages }),
  done: ({ cluster }, world) => isThere(cluster, world),
  apply: async (machine) => [
    ...parts.flatMap((part) => applyPinned(part, machine)),
    untilRolledOut(operator),
    applyObjects(objects(machine.cluster)),
    untilCeph,
  ],
  leaves: say(
    'data on the disks that Ceph took: wipe them before they serve another cluster',
    'Ceph 所用磁盘上的数据：用于其他集群前请先清除',
  ),
};

const rbdFile = '/etc/modules-load.d/deepseek-deploy-rbd.conf';
const rbdScript = 'modprobe rbd 2>/dev/null; [ -d /sys/module/rbd ] || [ -d /sys/bus/rbd ]';

/** Block volumes are mapped by the kernel of the host whose pod uses them; Ceph runs on storage hosts. */
export const storageHost: NodeStep = {
  id: 'storage.host',
  title: say('The kernel module of Ceph volumes', 'Ceph 卷的内核模块'),
  on: 'every',
  needed: ({ cluster }) => storageOf(cluster) === 'rook',
  done: async (_, world) =>
    (await world.files.readIfAny(rbdFile)) === 'rbd\n' && (await ask(world, rbdScript)).code === 0,
  apply: async () => [{ kind: 'write', path: rbdFile, mode: 0o644, content: 'rbd\n' }, run(asRoot(rbdScript))],
  undo: async () => [{ kind: 'remove', path: rbdFile }],
};
