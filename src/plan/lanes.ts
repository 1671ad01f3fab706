/** Many hosts, each through its own list in order, beside one another; a step may wait for others on all hosts. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import type { LaneEnd, LaneSink, World } from '../world.js';
import { type Planned, plan } from './apply.js';
import { type Barriers, barriers } from './barriers.js';
import { bring, type Listener } from './bring.js';
import type { Journal } from './journal.js';
import { allDone, gate, many, together } from './many.js';
import type { Step } from './step.js';

export interface LaneStep<C> extends Step<C> {
  /** Ids of steps that must be done on every host that has them before this one begins. */
  readonly after?: readonly string[];
  /** Hosts for which this holds take the step one after the other. */
  oneAtATime?(context: C): boolean;
}

export interface Lane<C> {
  readonly name: string;
  readonly steps: readonly LaneStep<C>[];
  readonly context: C;
  /** The host's. Its `stop` ends the lane at the next action. */
  readonly world: World;
  /** The same host for probes: their questions travel together. */
  readonly asking?: World;
  readonly journal: Journal;
}

export interface LanePlan<C> {
  readonly name: string;
  readonly planned: readonly Planned<C>[];
}

/**
 * What would be done on each host, as far as it can be told before anything is.
 * @throws UserError of the host that cannot be asked; of several, all at once
 */
export async function planLanes<C>(lanes: readonly Lane<C>[], parallel: number): Promise<LanePlan<C>[]> {
  const outcomes = await many(lanes, parallel, async ({ name, steps, context, world }) => ({
    name,
    planned: await plan(steps, context, world),
  }));
  return allDone(outcomes);
}

export interface LaneOutcome {
  readonly name: string;
  readonly state: LaneEnd;
  /** Ids of the steps that had something to do. */
  readonly changed: readonly string[];
  /** Where it ended, unless it is done. */
  readonly step?: string;
  /** The lane it waited for in vain. */
  readonly blockedBy?: string;
  readonly error?: unknown;
}

interface Shared {
  readonly barriers: Barriers;
  readonly turn: Gate;
  /** By step, for those that hosts take one after the other. */
  readonly alone: Map<string, Gate>;
  readonly sink: LaneSink;
}

type Gate = ReturnType<typeof gate>;

/**
 * Brings each step about. When a host fails, the others go on as far as they do not wait for it. Never rejects: see
 * `allLanesDone`.
 * @param parallel how many hosts are worked on at once; one that waits for others is not counted
 */
export async function applyLanes<C>(
  lanes: readonly Lane<C>[],
  parallel: number,
  sink: LaneSink,
): Promise<LaneOutcome[]> {
  for (const lane of lanes) refuseEndlessWait(lane);
  const ids = lanes.map(({ name, steps }) => ({ name, ids: steps.map(({ id }) => id) }));
  const shared: Shared = { barriers: barriers(ids), turn: gate(parallel), alone: new Map(), sink };
  try {
    return await Promise.all(lanes.map((lane) => run(lane, shared)));
  } finally {
    await sink.close();
  }
}

function refuseEndlessWait<C>({ name, steps }: Lane<C>): void {
  for (const [at, { id, after = [] }] of steps.entries()) {
    const later = steps.slice(at).find((step) => after.includes(step.id));
    if (later) throw new Error(`${name}: ${id} waits for ${later.id}, which comes after it`);
  }
}

async function run<C>(lane: Lane<C>, shared: Shared): Promise<LaneOutcome> {
  const { name, steps, journal } = lane;
  const changed: string[] = [];
  const end = async (outcome: Omit<LaneOutcome, 'name' | 'changed'>, why?: Text): Promise<LaneOutcome> => {
    shared.barriers.gone(name);
    await journal.flush();
    shared.sink.end(name, outcome.state, why);
    return { name, changed, ...outcome };
  };
  for (const [at, step] of steps.entries()) {
    const blockedBy = await waitFor(step, lane, shared);
    if (blockedBy !== undefined)
      return end({ state: 'blocked', step: step.id, blockedBy }, say(`waits for ${blockedBy}`, `等待 ${blockedBy}`));
    try {
      const listener = heard(step, at + 1, lane, shared.sink);
      if (await inTurn(step, lane, shared, () => bring(step, lane.context, lane.world, listener, lane.asking)))
        changed.push(step.id);
    } catch (error) {
      const stopped = lane.world.stop.aborted;
      return end({ state: stopped ? 'stopped' : 'failed', step: step.id, error }, step.title);
    }
    shared.barriers.done(name, step.id);
  }
  return end({ state: 'done' });
}

/** Who waits for another's turn at a step holds no place among those at work. */
function inTurn<C, T>(
  step: LaneStep<C>,
  { context }: Lane<C>,
  { turn, alone }: Shared,
  work: () => Promise<T>,
): Promise<T> {
  if (!step.oneAtATime?.(context)) return turn(work);
  const own = alone.get(step.id) ?? gate(1);
  alone.set(step.id, own);
  return own(() => turn(work));
}

async function waitFor<C>(step: LaneStep<C>, { name }: Lane<C>, shared: Shared): Promise<string | undefined> {
  const { after = [] } = step;
  const missing = shared.barriers.missing(after);
  if (missing.length === 0) return undefined;
  const others = missing.length === 1 ? missing[0]! : `${missing.length}`;
  const what =
    missing.length === 1
      ? say(`waits for ${others}`, `等待 ${others}`)
      : say(`waits for ${others} hosts`, `等待 ${others} 台主机`);
  shared.sink.wait(name, what);
  return shared.barriers.wait(after);
}

function heard<C>({ title }: LaneStep<C>, at: number, { name, journal }: Lane<C>, sink: LaneSink): Listener {
  return {
    start: () => sink.begin(name, title, at),
    note: (text) => sink.note(name, text),
    skip: () => {},
    done: (ms) => sink.finish(name, title, ms),
    fail: () => {},
    journal: (entry) => journal.add(entry),
  };
}

/**
 * The ids of what was changed, by host, when every host is done.
 * @throws the bug when there was one; else a UserError with all failures and what waited for them
 */
export function allLanesDone(outcomes: readonly LaneOutcome[]): ReadonlyMap<string, readonly string[]> {
  const failed = outcomes.filter(({ state }) => state === 'failed' || state === 'stopped');
  const bug = failed.find(({ error }) => !(error instanceof UserError));
  if (bug) throw bug.error;
  const blocked = outcomes.filter(({ state }) => state === 'blocked');
  if (failed.length > 0) throw failure(failed, blocked);
  return new Map(outcomes.map(({ name, changed }) => [name, changed]));
}

function failure(failed: readonly LaneOutcome[], blocked: readonly LaneOutcome[]): UserError {
  const stopped = failed.find(({ state }) => state === 'stopped');
  if (stopped && failed.every(({ state }) => state === 'stopped')) return stopped.error as UserError;
  const errors = failed.filter(({ state }) => state === 'failed');
  return together(
    errors.map(({ name, error, step }) => ({ host: { name }, error, step })),
    blocked.map(({ name, step, blockedBy }) =>
      say(`${name} waits for ${blockedBy}, before ${step}`, `${name} 在 ${step} 之前等待 ${blockedBy}`),
    ),
  );
}
