/** The nodes as the API has them, in one question that several steps ask alike: at the same moment it is asked once. */
import { type Node, nodeOf } from '../probes/node-cluster.js';
import type { World } from '../world.js';
import { kubectl } from './at-node.js';

/** What is looked at of a node; the whole of it would be ten times as long, mostly names of images. */
const fields = [
  'metadata.name',
  'metadata.labels',
  'spec.taints',
  'spec.unschedulable',
  'status.nodeInfo',
  'status.conditions',
  'status.allocatable',
] as const;

const path = `{range .items[*]}${fields.map((field) => `{.${field}}`).join('{"\\t"}')}{"\\n"}{end}`;
export const nodesCommand = kubectl(['get', 'nodes', '-o', `jsonpath=${path}`]);

const parsed = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
};

/** kubectl prints objects and lists as JSON, in which no tab and no line end stands as itself. */
export function readNodes(stdout: string): readonly Node[] {
  return stdout.split('\n').flatMap((line) => {
    const [name, ...rest] = line.split('\t');
    if (!name || rest.length !== fields.length - 1) return [];
    const [labels, taints, unschedulable, nodeInfo, conditions, allocatable] = rest.map(parsed);
    return nodeOf({
      metadata: { name, labels },
      spec: { taints, unschedulable },
      status: { nodeInfo, conditions, allocatable },
    });
  });
}

/** None where the API does not answer. */
export const nodesNow = async ({ host }: Pick<World, 'host'>): Promise<readonly Node[]> =>
  readNodes((await host.run(nodesCommand)).stdout);

export const isReady = ({ conditions }: Node): boolean =>
  conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
