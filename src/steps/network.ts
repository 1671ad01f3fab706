/** What connects the pods of different hosts. */
import { manifests } from '../install/pins.js';
import { calicoSettings } from '../manifests/calico.js';
import { flannel, flannelName, flannelNamespace } from '../manifests/flannel.js';
import { say } from '../say.js';
import { applyObjects, applyPinned, areApplied, bringsObjects, isPinnedApplied } from './applied.js';
import type { Machine, NodeStep } from './machine.js';
import { isBegun, untilRolledOut, type Workload } from './workloads.js';

const flannelWorkload: Workload = { namespace: flannelNamespace, name: `daemonset/${flannelName}` };
const calicoWorkload: Workload = { namespace: 'kube-system', name: 'daemonset/calico-node' };

const objects = ({ cluster: { settings } }: Machine) =>
  flannel({ podSubnet: settings.podSubnet, nftables: settings.proxyMode === 'nftables' });

export const networkFlannel: NodeStep = {
  id: 'network.flannel',
  title: say('The network of the pods: flannel', 'Pod 网络：flannel'),
  on: 'first',
  after: ['kubeadm.init'],
  needed: ({ cluster }) => cluster.settings.network === 'flannel',
  brings: (machine) => bringsObjects(objects(machine)),
  async done(machine, world) {
    const both = await Promise.all([areApplied(objects(machine), world), isBegun(flannelWorkload, world)]);
    return both.every(Boolean);
  },
  apply: async (machine) => [applyObjects(objects(machine)), untilRolledOut(flannelWorkload)],
};

/** calico takes the range of the pods from kubeadm's own configuration (kube-system/kubeadm-config). */
export const networkCalico: NodeStep = {
  id: 'network.calico',
  title: say('The network of the pods: calico', 'Pod 网络：calico'),
  on: 'first',
  after: ['kubeadm.init'],
  needed: ({ cluster }) => cluster.settings.network === 'calico',
  brings: () => ({ manifests: [manifests.calico] }),
  async done(_, world) {
    const all = await Promise.all([
      areApplied(calicoSettings(), world),
      isPinnedApplied(manifests.calico, world),
      isBegun(calicoWorkload, world),
    ]);
    return all.every(Boolean);
  },
  apply: async (machine) => [
    applyObjects(calicoSettings()),
    ...applyPinned(manifests.calico, machine),
    untilRolledOut(calicoWorkload),
  ],
};
