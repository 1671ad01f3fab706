/** Volumes in folders of the nodes. */
import { localPath, localPathFolder, localPathName, localPathNamespace } from '../manifests/local-path.js';
import { say } from '../say.js';
import { applyObjects, areRunning, bringsObjects } from './applied.js';
import type { Cluster, NodeStep } from './machine.js';
import { untilRolledOut, type Workload } from './workloads.js';

const workload: Workload = { namespace: localPathNamespace, name: `deployment/${localPathName}` };

/** 'auto' decides by the count of storage hosts: Ceph's monitors need a majority of three. */
export function storageOf({
  settings,
  machines,
}: Pick<Cluster, 'settings' | 'machines'>): 'local-path' | 'rook' | 'none' {
  if (settings.storage !== 'auto') return settings.storage;
  return machines.filter(({ roles }) => roles.includes('storage')).length >= 3 ? 'rook' : 'local-path';
}

export const storageLocalPath: NodeStep = {
  id: 'storage.local-path',
  title: say('Volumes: local-path', '存储卷：local-path'),
  on: 'first',
  after: ['kubeadm.join'],
  needed: ({ cluster }) => storageOf(cluster) === 'local-path',
  brings: () => bringsObjects(localPath()),
  done: (_, world) => areRunning(localPath(), workload, world),
  apply: async () => [applyObjects(localPath()), untilRolledOut(workload)],
  leaves: say(`volumes in ${localPathFolder}, where pods wrote any`, `${localPathFolder} 中 Pod 写入的存储卷（若有）`),
  leavesOn: 'every',
};
