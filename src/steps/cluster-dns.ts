/** Names of services resolve: what is started on the cluster next asks for them first. */
import { say } from '../say.js';
import type { NodeStep } from './machine.js';
import { isRolledOut, untilRolledOut, type Workload } from './workloads.js';

/** kubeadm brings it; its pods wait for the network and for a node that takes them. */
const coreDns: Workload = { namespace: 'kube-system', name: 'deployment/coredns' };

export const clusterDns: NodeStep = {
  id: 'cluster.dns',
  title: say('Names resolve in the cluster: CoreDNS', '集群内域名解析：CoreDNS'),
  on: 'first',
  after: ['kubeadm.join'],
  done: (_, world) => isRolledOut(coreDns, world),
  apply: async () => [untilRolledOut(coreDns, 600_000)],
};
