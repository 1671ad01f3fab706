/** A node leaves its cluster: its pods go elsewhere, what we did there is undone, the cluster forgets it. */
import type { LaneStep } from '../plan/lanes.js';
import { say } from '../say.js';
import { kubectl, run } from '../steps/at-node.js';
import type { Machine } from '../steps/machine.js';
import type { World } from '../world.js';

/** Set when every pod that may go has gone: a node that is only cordoned may be half drained. */
const drained = 'deepseek-deploy/drained';

/** Pods with long last requests take their time; kubectl gives up a little earlier by itself. */
const drainMs = 20 * 60_000;

type NodeNow = { readonly there: false } | { readonly there: true; readonly drained: boolean };

async function nodeNow(name: string, { host }: World): Promise<NodeNow> {
  const wanted = `{.metadata.name} {.spec.unschedulable} {.metadata.annotations.deepseek-deploy/drained}`;
  const { stdout } = await host.run(kubectl(['get', 'node', name, '--ignore-not-found', '-o', `jsonpath=${wanted}`]));
  const [found, unschedulable, mark] = stdout.trim().split(' ');
  return found === name ? { there: true, drained: unschedulable === 'true' && mark === 'true' } : { there: false };
}

/** On the control plane. */
export const drainOf = (name: string): LaneStep<Machine> => ({
  id: 'node.drain',
  title: say(`Drain ${name}`, `排空 ${name}`),
  async done(_, world) {
    const now = await nodeNow(name, world);
    return !now.there || now.drained;
  },
  apply: async () => [
    run(kubectl(['drain', name, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=19m'], undefined, drainMs)),
    run(kubectl(['annotate', 'node', name, '--overwrite', `${drained}=true`])),
  ],
});

/** On the control plane, once nothing of it runs there any more. */
export const deleteOf = (name: string, after: readonly string[]): LaneStep<Machine> => ({
  id: 'node.delete',
  title: say(`Take ${name} out of the cluster`, `将 ${name} 移出集群`),
  after,
  done: async (_, world) => !(await nodeNow(name, world)).there,
  apply: async () => [run(kubectl(['delete', 'node', name, '--ignore-not-found']))],
});
