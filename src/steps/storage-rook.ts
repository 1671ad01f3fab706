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

const path = '{.metadata.generation} {.status.observedGeneration} {.status.phase}: {.status.message}';
const cephCommand = kubectl(['-n', rookNamespace, 'get', 'cephcluster', 'rook-ceph', '-o', `jsonpath=${path}`]);

/**
 * Whether it is ready in its newest state, else its operator's words. A new state of a cluster that is ready leaves it
 * "Ready" until its operator looks; with "Ready" it notes which state it has seen (rook, ceph/controller/conditions.go).
 */
export function readCeph(stdout: string): true | string {
  const [, generation, seen, words = ''] = /^(\d+) (\d*) ([\s\S]*?)\s*$/.exec(stdout) ?? [];
  const stale = seen !== '' && Number(seen) < Number(generation);
  if (words.startsWith('Ready:')) return stale ? '' : true;
  return words === ':' ? '' : words;
}

const cephNow = async ({ host }: World): Promise<true | string> => readCeph((await host.run(cephCommand)).stdout);

const untilCeph: Action = {
  kind: 'wait',
  what: say('Ceph', 'Ceph'),
  timeoutMs: 30 * 60_000,
  until: async (world) => {
    const now = await cephNow(world);
    return now === true || say(now || 'not begun yet', now || '尚未开始');
  },
};

async function isThere(cluster: Cluster, world: World): Promise<boolean> {
  const [ready, applied, ...pinned] = await Promise.all([
    cephNow(world),
    areApplied(objects(cluster), world),
    ...parts.map((part) => isPinnedApplied(part, world)),
  ]);
  return ready === true && applied && !pinned.includes(false);
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
  leavesOn: 'storage',
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
