/** Labels and taints of every node by its role: what pods are placed by. */
import { taintsOf } from '../install/kubeadm.js';
import { gpuLabel } from '../manifests/gpu.js';
import type { Node } from '../probes/node-cluster.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { isOpen, kubectl, run } from './at-node.js';
import type { Cluster, NodeStep, Peer } from './machine.js';
import { nodesNow } from './nodes.js';

/** kubelet may not give itself a role: the API server refuses such labels of a node. */
export const labelsOf = ({ roles, gpu }: Pick<Peer, 'roles' | 'gpu'>): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(
    roles.filter((role) => role !== 'control-plane').map((role) => [`node-role.kubernetes.io/${role}`, '']),
  ),
  ...(gpu ? { [gpuLabel]: 'true' } : {}),
});

const roleTaints = /^(node-role\.kubernetes\.io|deepseek-deploy\.io)\//;

/** What kubectl is to say about a node so that it is as wished; nothing where it is. */
type Marked = Pick<Node, 'labels' | 'taints'>;

export function changes(peer: Peer, open: boolean, node: Marked | undefined): readonly (readonly string[])[] {
  const is = node?.labels ?? {};
  const labels = Object.entries(labelsOf(peer)).filter(([key, value]) => is[key] !== value);
  const wanted = taintsOf({ roles: peer.roles, open });
  const there = (node?.taints ?? []).map(({ key }) => key);
  const add = wanted.filter(({ key }) => !there.includes(key)).map(({ key, effect }) => `${key}=:${effect}`);
  const drop = there.filter((key) => roleTaints.test(key) && !wanted.some((one) => one.key === key));
  const taints = [...add, ...drop.map((key) => `${key}-`)];
  const words = (verb: string, what: readonly string[]) => [verb, 'node', peer.name, '--overwrite', ...what];
  return [
    ...(labels.length > 0
      ? [
          words(
            'label',
            labels.map(([key, value]) => `${key}=${value}`),
          ),
        ]
      : []),
    ...(taints.length > 0 ? [words('taint', taints)] : []),
  ];
}

async function pending({ machines }: Cluster, world: World): Promise<readonly (readonly string[])[]> {
  const nodes = await nodesNow(world);
  return machines.flatMap((peer) =>
    changes(
      peer,
      isOpen({ machines }),
      nodes.find(({ name }) => name === peer.name),
    ),
  );
}

export const nodeLabels: NodeStep = {
  id: 'node.labels',
  title: say('Labels and taints of the nodes', '节点标签与污点'),
  on: 'first',
  after: ['kubeadm.join'],
  done: async ({ cluster }, world) => (await pending(cluster, world)).length === 0,
  apply: async ({ cluster }, world) => (await pending(cluster, world)).map((words) => run(kubectl(words))),
};
