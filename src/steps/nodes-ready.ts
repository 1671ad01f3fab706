/** Every node says that it can take pods. */
import { say } from '../say.js';
import type { World } from '../world.js';
import type { Machine, NodeStep } from './machine.js';
import { isReady, nodesNow } from './nodes.js';

/** The names of those that are not ready, or not there. */
async function waitedFor({ cluster }: Machine, world: World): Promise<readonly string[]> {
  const ready = (await nodesNow(world)).filter(isReady).map(({ name }) => name);
  return cluster.machines.map(({ name }) => name).filter((name) => !ready.includes(name));
}

export const nodesReady: NodeStep = {
  id: 'nodes.ready',
  title: say('Every node is ready', '所有节点就绪'),
  on: 'first',
  after: ['kubeadm.join'],
  done: async (machine, world) => (await waitedFor(machine, world)).length === 0,
  apply: async (machine) => [
    {
      kind: 'wait',
      what: say('the nodes', '节点'),
      timeoutMs: 600_000,
      until: async (world) => {
        const names = await waitedFor(machine, world);
        return names.length === 0 || say(`not ready: ${names.join(', ')}`, `未就绪：${names.join('、')}`);
      },
    },
  ],
};
