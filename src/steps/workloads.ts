/** What runs on the cluster by itself: DaemonSets and Deployments, and whether their pods run as they shall. */
import type { Action } from '../plan/step.js';
import { say, type Text } from '../say.js';
import type { World } from '../world.js';
import { kubectl } from './at-node.js';

export interface Workload {
  readonly namespace: string;
  /** 'daemonset/kube-flannel' */
  readonly name: string;
}

const path =
  '{range .items[*]}{.kind}/{.metadata.name}{"\\t"}{.metadata.namespace}{"\\t"}{.metadata.generation}{"\\t"}{.spec.replicas}{"\\t"}{.status}{"\\n"}{end}';
/** All of them at once: several steps ask it, and at the same moment it is asked once. */
export const workloadsCommand = kubectl(['get', 'daemonsets,deployments', '-A', '-o', `jsonpath=${path}`]);

/** Pods of it. */
export interface Rollout {
  /** How many there shall be, as the controller saw it last. */
  readonly wanted: number;
  /** That are of the newest state. */
  readonly updated: number;
  /** That take requests, of whichever state. */
  readonly ready: number;
  /** That have done so for long enough. */
  readonly available: number;
  /** More than there shall be: those of the state before, which are still there. */
  readonly old: number;
  /** The controller has not seen the newest state yet: all of the above is about an older one. */
  readonly stale: boolean;
}

type Status = Readonly<Record<string, number | undefined>>;

/** Undefined where there is none. */
export function readRollout(stdout: string, { namespace, name }: Workload): Rollout | undefined {
  const lines = stdout.split('\n').map((line) => line.split('\t'));
  const found = lines.find(([of, where]) => of?.toLowerCase() === name && where === namespace);
  if (found?.length !== 5) return undefined;
  const [, , generation, replicas, text] = found;
  const status = JSON.parse(text || '{}') as Status;
  const of = (key: string): number => status[key] ?? 0;
  const stale = of('observedGeneration') < Number(generation);
  if (replicas === '')
    return {
      wanted: of('desiredNumberScheduled'),
      updated: of('updatedNumberScheduled'),
      ready: of('numberReady'),
      available: of('numberAvailable'),
      old: 0,
      stale,
    };
  const wanted = Number(replicas);
  const updated = of('updatedReplicas');
  return {
    ...{ wanted, updated, stale },
    ready: of('readyReplicas'),
    available: of('availableReplicas'),
    old: Math.max(0, of('replicas') - updated),
  };
}

/** Every pod runs in its newest state, as `kubectl rollout status` judges it. */
export const isComplete = ({ wanted, updated, available, old, stale }: Rollout): boolean =>
  !stale && updated >= wanted && available >= wanted && old === 0;

/** At least one pod of the newest state runs: more are ready than there are of an older one. */
export const hasBegun = ({ wanted, updated, ready, stale }: Rollout): boolean => !stale && ready > wanted - updated;

async function rolloutOf(workload: Workload, { host }: World): Promise<Rollout | undefined> {
  const { code, stdout } = await host.run(workloadsCommand);
  return code === 0 ? readRollout(stdout, workload) : undefined;
}

export async function isRolledOut(workload: Workload, world: World): Promise<boolean> {
  const now = await rolloutOf(workload, world);
  return now !== undefined && isComplete(now);
}

/**
 * Whether a pod of a DaemonSet runs: what a host waits for that makes the cluster. Others join at the same moment, and
 * until its pod runs there too it is "1 of 2"; that is theirs to wait for.
 */
export async function isBegun(workload: Workload, world: World): Promise<boolean> {
  const now = await rolloutOf(workload, world);
  return now !== undefined && hasBegun(now);
}

function progress(now: Rollout | undefined): Text {
  if (!now || now.stale) return say('not begun yet', '尚未开始');
  const { wanted, updated, available } = now;
  const run = Math.min(updated, available);
  return say(`${run} of ${wanted} pods run`, `${wanted} 个 Pod 中有 ${run} 个在运行`);
}

/** Images of GPU software are large. */
const rolloutMs = 20 * 60_000;

export const untilRolledOut = (workload: Workload, timeoutMs = rolloutMs): Action => ({
  kind: 'wait',
  what: say(workload.name, workload.name),
  timeoutMs,
  until: async (world) => {
    const now = await rolloutOf(workload, world);
    return (now !== undefined && isComplete(now)) || progress(now);
  },
});
