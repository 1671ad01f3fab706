/** kubeadm, kubelet and kubectl, held: they are upgraded together, never by the system's own upgrades. */
import type { Kubernetes } from '../config/kubernetes.js';
import type { Package } from '../install/packages.js';
import { say } from '../say.js';
import { ask, asRoot, run, systemOf } from './at-node.js';
import { installAll, lacking, removeAll } from './installed.js';
import type { NodeStep } from './machine.js';
import { repositoryFor } from './repositories.js';

/** kubeadm no longer brings crictl, kubelet brings the CNI plugins of others (kubernetes-cni). */
const packages = ({ version }: Kubernetes): readonly Package[] => [
  ...['kubelet', 'kubeadm', 'kubectl'].map((name) => ({ name, version })),
  { name: 'kubernetes-cni' },
  { name: 'cri-tools' },
];

const held = ['kubelet', 'kubeadm', 'kubectl'];
// dnf keeps them back by the `exclude` of the repository's file.
export const heldScript = `[ "$1" = apt ] || exit 0
shift
[ "$(apt-mark showhold "$@" | wc -l)" -eq $# ]`;
export const enabledScript = '[ "$(systemctl is-enabled kubelet 2>/dev/null)" = enabled ]';

export const kubernetesPackages: NodeStep = {
  id: 'kubernetes.packages',
  title: say('kubeadm, kubelet, kubectl', 'kubeadm、kubelet、kubectl'),
  on: 'every',
  brings: ({ cluster }) => ({ packages: packages(cluster.settings) }),
  async done(machine, world) {
    const [absent, hold, enabled] = await Promise.all([
      lacking(packages(machine.cluster.settings), machine, world),
      ask(world, heldScript, systemOf(machine).family, ...held),
      ask(world, enabledScript),
    ]);
    return absent.length === 0 && hold.code === 0 && enabled.code === 0;
  },
  apply: async (machine) => [
    installAll(
      'kubernetes.packages',
      packages(machine.cluster.settings),
      machine,
      repositoryFor('kubernetes', machine),
    ),
    // Until kubeadm has spoken to it, it starts and fails over and over; that is how it waits.
    run(asRoot('systemctl enable -q kubelet')),
  ],
  undo: async (machine) => [removeAll('kubernetes.packages', packages(machine.cluster.settings), machine)],
};
