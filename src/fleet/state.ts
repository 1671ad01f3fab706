/** What is true of a cluster now: whether its API answers, and how each machine stands in it. */
import type { NodeView, Survey } from '../checks/node-check.js';
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import { kubectl } from '../steps/at-node.js';
import { apiIsReady } from '../steps/kubeadm-init.js';
import { nodesNow } from '../steps/nodes.js';
import type { World } from '../world.js';
import type { Gathered } from './gather.js';
import { asking } from './open.js';

export type MachineState = 'ready' | 'not-ready' | 'drained' | 'absent' | 'unreachable' | 'unknown';

export interface MachineNow {
  readonly name: string;
  readonly roles: readonly string[];
  readonly address?: string;
  readonly state: MachineState;
  /** Why it is not ready. */
  readonly reason?: Text;
  /** Version of its kubelet. */
  readonly kubelet?: string;
  /** `nvidia.com/gpu` that pods can have. */
  readonly gpus?: number;
}

export interface ClusterState {
  readonly state: 'ready' | 'degraded' | 'down';
  readonly reason: Text;
  readonly version?: string;
  readonly machines: readonly MachineNow[];
}

type Node = NonNullable<NodeView['facts']['objects']>['nodes'][number];

function machineNow({ name, roles, address, unreachable }: NodeView, nodes: readonly Node[] | undefined): MachineNow {
  const base = { name, roles, ...(address === undefined ? {} : { address }) };
  const node = nodes?.find((one) => one.name === name);
  const more = {
    ...(node?.kubelet === undefined ? {} : { kubelet: node.kubelet }),
    ...(node?.gpus === undefined ? {} : { gpus: node.gpus }),
  };
  if (unreachable) return { ...base, ...more, state: 'unreachable', reason: unreachable.text };
  if (nodes === undefined) return { ...base, state: 'unknown' };
  if (!node) return { ...base, state: 'absent', reason: say('it is no node of the cluster', '未加入集群') };
  const ready = node.conditions.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') {
    const words = ready?.message ?? ready?.reason ?? '?';
    return { ...base, ...more, state: 'not-ready', reason: say(words, words) };
  }
  return { ...base, ...more, state: node.unschedulable ? 'drained' : 'ready' };
}

/** The first control plane that answers speaks for the cluster. */
export function clusterState({ nodes: views }: Pick<Survey, 'nodes'>): ClusterState {
  const speaker = views.find(({ facts }) => facts.api?.ready) ?? views.find(({ facts }) => facts.api !== undefined);
  const api = speaker?.facts.api;
  const machines = views.map((view) => machineNow(view, speaker?.facts.objects?.nodes));
  const version = api?.version === undefined ? {} : { version: api.version };
  if (!api?.ready) {
    const says = api?.says ?? '';
    const reason = api
      ? say(`The API server is not ready: ${says}`, `API 服务器未就绪：${says}`)
      : say('No control plane answers for the cluster.', '没有控制平面代表集群应答。');
    return { state: 'down', reason, machines };
  }
  const amiss = machines.filter(({ state }) => state !== 'ready' && state !== 'drained');
  if (amiss.length === 0)
    return { state: 'ready', reason: say('Every node is ready.', '所有节点均已就绪。'), ...version, machines };
  const names = amiss.map(({ name }) => name);
  const reason = say(`Not ready: ${names.join(', ')}.`, `未就绪：${names.join('、')}。`);
  return { state: 'degraded', reason, ...version, machines };
}

/**
 * How it stands when it stands well, by three small questions that steps ask too.
 * @returns undefined where something is amiss: what it is takes a survey to tell
 */
export async function readyState({ fleet, machines }: Gathered): Promise<ClusterState | undefined> {
  const first = fleet.hosts.find(({ roles }) => roles.includes('control-plane'));
  if (!first) return undefined;
  const world = asking(first);
  const asked = Promise.all([apiIsReady(world), apiVersion(world), nodesNow(world)]);
  const [ready, version, nodes] = await asked.catch((error: unknown): [boolean, undefined, []] => {
    // A host that is gone is for those to tell who ask it more.
    if (error instanceof UserError) return [false, undefined, []];
    throw error;
  });
  const nothing = { host: { usable: {} } };
  const api = { ready, says: '', ...(version === undefined ? {} : { version }) };
  const objects = { nodes, daemonSets: [], pods: [], storageClasses: [], runtimeClasses: [] };
  const views = machines.map(({ name, roles, address }): NodeView => {
    const facts = name === first.name ? { ...nothing, api, objects } : nothing;
    return { name, roles, address, facts };
  });
  const now = clusterState({ nodes: views });
  return now.state === 'ready' ? now : undefined;
}

async function apiVersion({ host }: Pick<World, 'host'>): Promise<string | undefined> {
  const { stdout } = await host.run(kubectl(['get', '--raw', '/version']));
  return /"gitVersion": *"v(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
}
