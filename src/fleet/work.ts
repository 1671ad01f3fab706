/** The lists of steps of a cluster as lanes: bringing it about, and taking it away again. */
import { hostJournal } from '../plan/journal.js';
import type { Lane, LaneStep } from '../plan/lanes.js';
import type { Action } from '../plan/step.js';
import { say } from '../say.js';
import { type Cluster, isOn, type Machine, type NodeStep } from '../steps/machine.js';
import type { World } from '../world.js';
import type { Gathered } from './gather.js';
import { asking, type OpenHost, worldOf } from './open.js';

const isOf = (step: NodeStep, machine: Machine): boolean => isOn(step, machine) && (step.needed?.(machine) ?? true);

/** @param by who works on them, from where, for the journals of the hosts */
export function lanesOf(steps: readonly NodeStep[], gathered: Gathered, here: World, by: string): Lane<Machine>[] {
  return lanes(gathered, here, by, (machine) => steps.filter((step) => isOf(step, machine)));
}

/** The same for a plan: nothing is changed, so that questions of the same moment may travel together. */
export function planningLanesOf(steps: readonly NodeStep[], gathered: Gathered, here: World): Lane<Machine>[] {
  const { fleet, cluster, machines } = gathered;
  const open = (name: string): OpenHost => fleet.hosts.find((host) => host.name === name)!;
  const first = fleet.hosts.find(({ roles }) => roles.includes('control-plane'));
  const controlPlane = first ? () => asking(first) : cluster.controlPlane;
  const quick: Cluster = { ...cluster, controlPlane };
  const all = { ...gathered, machines: machines.map((machine) => ({ ...machine, cluster: quick })) };
  return lanesOf(steps, all, here, '').map((lane) => ({ ...lane, world: asking(open(lane.name)) }));
}

/**
 * The other way round: last first, and nothing is taken from a host before what was built on it is gone everywhere.
 * @param names of the hosts; without it all
 */
export function undoLanesOf(
  steps: readonly NodeStep[],
  gathered: Gathered,
  here: World,
  by: string,
  names: readonly string[] = gathered.machines.map(({ name }) => name),
): Lane<Machine>[] {
  const undoing = [...steps].reverse().flatMap((step) => (step.undo ? [undoOf(step, steps)] : []));
  const all = lanes(gathered, here, by, (machine) =>
    undoing.filter(({ of }) => isOf(of, machine)).map(({ step }) => step),
  );
  return all.filter(({ name }) => names.includes(name));
}

export const undoId = (id: string): string => `${id}.undo`;

function undoOf(of: NodeStep, steps: readonly NodeStep[]): { of: NodeStep; step: LaneStep<Machine> } {
  const built = steps.filter(({ after, undo }) => undo && after?.includes(of.id)).map(({ id }) => undoId(id));
  // What cannot be told from the host (a command that is run either way) is done once it was run.
  const finished = new Set<string>();
  const todo = async (machine: Machine, world: World): Promise<readonly Action[]> =>
    finished.has(machine.name) ? [] : leftOf(await of.undo!(machine, world), world);
  const step: LaneStep<Machine> = {
    id: undoId(of.id),
    title: say(`Take away: ${of.title.en}`, `撤销：${of.title.zh}`),
    after: built,
    ...(of.oneAtATime ? { oneAtATime: of.oneAtATime } : {}),
    done: async (machine, world) => (await todo(machine, world)).length === 0,
    async apply(machine, world) {
      const actions = await todo(machine, world);
      finished.add(machine.name);
      return actions;
    },
  };
  return { of, step };
}

/** Without the removal of what is not there. */
async function leftOf(actions: readonly Action[], { files }: World): Promise<Action[]> {
  const there = await Promise.all(
    actions.map(async (action) => action.kind !== 'remove' || (await files.stat(action.path)) !== undefined),
  );
  return actions.filter((_, at) => there[at]);
}

function lanes(
  { fleet, machines }: Gathered,
  here: World,
  by: string,
  stepsOf: (machine: Machine) => readonly LaneStep<Machine>[],
): Lane<Machine>[] {
  return machines.map((machine) => {
    const { host } = fleet.hosts.find(({ name }) => name === machine.name)!;
    const world = worldOf(host, here);
    return {
      asking: { ...world, ...host.questions },
      name: machine.name,
      steps: stepsOf(machine),
      context: machine,
      world,
      journal: hostJournal(machine.name, world, here, by),
    };
  });
}
