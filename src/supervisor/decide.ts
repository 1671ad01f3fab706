/** The supervisor's mind: (state, event, now) -> [state, actions]. `now` is monotonic, in milliseconds. */
import type { Exit, Reason } from './report.js';
import { defaultTiming, type StopSignal, type Timing } from './stack.js';
import {
  alive,
  backoff,
  fresh,
  type Instance,
  type Life,
  type Probing,
  type Remains,
  remainsOf,
  type StopCause,
  sweeping,
  type Unit,
  up,
  type Wanted,
} from './unit.js';

export interface Supervised {
  readonly units: readonly Unit[];
  readonly timing: Timing;
  readonly ending: boolean;
  readonly finished: boolean;
}

export type Event =
  /** A stack was read, at a person's request: what waits for its next start need not wait. */
  | { readonly on: 'stack'; readonly wanted: readonly Wanted[]; readonly timing: Timing }
  /** It exists, is recorded, and waits at its gate. */
  | { readonly on: 'gated'; readonly id: string; readonly instance: Instance }
  | { readonly on: 'unspawned'; readonly id: string; readonly detail: string }
  | {
      readonly on: 'exited';
      readonly id: string;
      readonly pid: number;
      readonly exit: Exit;
      readonly lines: readonly string[];
    }
  /** All processes of the id were looked for and killed; `left` says in English what could not be. */
  | { readonly on: 'swept'; readonly id: string; readonly left?: string }
  /** `failed` says how, undefined is a success. */
  | { readonly on: 'probed'; readonly id: string; readonly pid: number; readonly failed?: string }
  | { readonly on: 'stop' }
  | { readonly on: 'tick' };

export type Action =
  | { readonly do: 'spawn'; readonly id: string; readonly wanted: Wanted }
  | { readonly do: 'release'; readonly id: string; readonly pid: number }
  | { readonly do: 'signal'; readonly id: string; readonly instance: Instance; readonly signal: StopSignal }
  /** SIGKILL to all of its processes. */
  | { readonly do: 'kill'; readonly id: string; readonly instance: Instance }
  | { readonly do: 'sweep'; readonly id: string; readonly remains: Remains }
  | { readonly do: 'probe'; readonly id: string; readonly pid: number; readonly url: string }
  | { readonly do: 'finish' };

/** Between two SIGKILLs, or two sweeps, of what does not go. */
const againMs = 1000;

export const initially: Supervised = { units: [], timing: defaultTiming, ending: false, finished: false };

export function decide(before: Supervised, event: Event, now: number): [Supervised, readonly Action[]] {
  const forgiven = { ...before, units: before.units.map((unit) => forgive(unit, before.timing, now)) };
  const noted = note(forgiven, event, now);
  const actions: Action[] = event.on === 'gated' ? release(noted, event) : [];
  // Starts look at the other units, so each sees what was decided for those before it.
  const units = [...noted.units];
  for (const [index, unit] of units.entries()) {
    const [after, more] = settle(unit, units, noted, now);
    units[index] = after;
    actions.push(...more);
  }
  const kept = units.filter((unit) => unit.wanted || alive(unit) || noted.ending);
  const finished = noted.ending && !kept.some(alive);
  if (finished && !before.finished) actions.push({ do: 'finish' });
  return [{ ...noted, units: kept, finished }, actions];
}

/** The time, after `now`, of the next decision that waits for nothing but time. */
export function nextWake(state: Supervised, now: number): number {
  const times = state.units.map(({ life, wanted, nextStartAt, failures }) => {
    if (life.is === 'stopping') return life.killAt;
    if (life.is === 'sweeping') return life.asked ? Infinity : life.againAt;
    if (life.is === 'absent') return wanted && !state.ending ? nextStartAt : Infinity;
    if (life.is === 'spawning') return Infinity;
    const { readySince, asked, nextAt } = life.probing;
    const forgiven = failures > 0 && readySince !== undefined ? readySince + state.timing.resetMs : Infinity;
    return Math.min(forgiven, asked || !wanted?.spec.ready ? Infinity : nextAt);
  });
  return Math.min(Infinity, ...times.filter((time) => time > now));
}

function forgive(unit: Unit, timing: Timing, now: number): Unit {
  const since = unit.life.is === 'up' ? unit.life.probing.readySince : undefined;
  return unit.failures > 0 && since !== undefined && now - since >= timing.resetMs ? { ...unit, failures: 0 } : unit;
}

function note(state: Supervised, event: Event, now: number): Supervised {
  if (event.on === 'tick') return state;
  if (event.on === 'stop') return { ...state, ending: true };
  if (event.on === 'stack') return state.ending ? state : restack(state, event.wanted, event.timing, now);
  const units = state.units.map((unit) => (unit.id === event.id ? happened(unit, event, state.timing, now) : unit));
  return { ...state, units };
}

function restack(state: Supervised, wanted: readonly Wanted[], timing: Timing, now: number): Supervised {
  const known = new Map(state.units.map((unit) => [unit.id, unit]));
  const stay = wanted.map((item): Unit => {
    const after = item.spec.after ?? [];
    const unit = known.get(item.spec.id);
    return unit
      ? { ...unit, wanted: item, after, failures: 0, nextStartAt: now }
      : fresh(item.spec.id, item, sweeping(now, { log: item.spec.log }), now);
  });
  const ids = new Set(wanted.map(({ spec }) => spec.id));
  const leave = state.units.filter(({ id }) => !ids.has(id)).map((unit) => ({ ...unit, wanted: undefined }));
  return { ...state, timing, units: [...stay, ...leave] };
}

type Happening = Exclude<Event, { on: 'tick' } | { on: 'stop' } | { on: 'stack' }>;

/** Anything that does not fit the life of the unit is late news of an earlier one, and dropped. */
function happened(unit: Unit, event: Happening, timing: Timing, now: number): Unit {
  const { life } = unit;
  switch (event.on) {
    case 'gated':
      return life.is === 'spawning' ? { ...unit, life: up(event.instance, now) } : unit;
    case 'unspawned': {
      if (life.is !== 'spawning') return unit;
      const gone = { ...unit, life: sweeping(now, unit.wanted ? { log: unit.wanted.spec.log } : {}) };
      return failed(gone, { kind: 'spawn', detail: event.detail }, timing, now);
    }
    case 'exited':
      return exited(unit, event, timing, now);
    case 'swept':
      return life.is === 'sweeping' && life.asked ? swept(unit, life, event.left, now) : unit;
    case 'probed':
      return life.is === 'up' && life.instance.pid === event.pid ? probed(unit, life, event.failed, timing, now) : unit;
  }
}

function failed(unit: Unit, reason: Reason, timing: Timing, now: number): Unit {
  const failures = unit.failures + 1;
  return { ...unit, failures, reason, nextStartAt: now + backoff(failures, timing) };
}

function exited(unit: Unit, event: Event & { on: 'exited' }, timing: Timing, now: number): Unit {
  const { life } = unit;
  if ((life.is !== 'up' && life.is !== 'stopping') || life.instance.pid !== event.pid) return unit;
  const gone: Unit = { ...unit, lastExit: event.exit, life: sweeping(now, remainsOf(life.instance)) };
  const cause = life.is === 'stopping' ? life.cause : undefined;
  if (cause === 'ending' || cause === 'replaced') return { ...gone, nextStartAt: now };
  const reason: Reason = cause && unit.reason ? unit.reason : { kind: 'exit' };
  return failed(gone, event.lines.length > 0 ? { ...reason, lines: event.lines } : reason, timing, now);
}

function swept(unit: Unit, life: Life & { is: 'sweeping' }, left: string | undefined, now: number): Unit {
  if (left === undefined) return { ...unit, life: { is: 'absent' } };
  const reason: Reason = { kind: 'left', detail: left };
  return { ...unit, life: { ...life, asked: false, againAt: now + againMs }, reason };
}

/**
 * Time alone never condemns a process, only a probe that failed after its time was up: a supervisor that was itself
 * stopped for a while asks first.
 */
function probed(unit: Unit, life: Life & { is: 'up' }, failure: string | undefined, timing: Timing, now: number): Unit {
  const { ready } = unit.wanted?.spec ?? {};
  const { readySince, failingSince = now, misses } = life.probing;
  if (!ready) return { ...unit, life: { ...life, probing: { ...life.probing, asked: false } } };
  if (failure === undefined) {
    const { reason: _, ...cured } = unit;
    const probing: Probing = { readySince: readySince ?? now, misses: 0, asked: false, nextAt: now + ready.everyMs };
    return { ...cured, beenReady: true, life: { ...life, probing } };
  }
  const wait = readySince === undefined ? Math.min(ready.everyMs, timing.startProbeMs) : ready.everyMs;
  const late = readySince === undefined && now - life.instance.startedAt >= ready.withinMs;
  const ill = readySince !== undefined && now - failingSince >= timing.unhealthyMs;
  const probing: Probing = {
    ...(readySince === undefined ? {} : { readySince }),
    failingSince,
    misses: misses + 1,
    asked: false,
    nextAt: now + wait,
    detail: failure,
    ...(late ? { verdict: 'unready' as const } : ill ? { verdict: 'unhealthy' as const } : {}),
  };
  return { ...unit, life: { ...life, probing } };
}

function release(state: Supervised, event: Event & { on: 'gated' }): Action[] {
  const unit = state.units.find(({ id }) => id === event.id);
  const leaving = state.ending || !unit?.wanted;
  return leaving ? [] : [{ do: 'release', id: event.id, pid: event.instance.pid }];
}

/** What follows for one unit from all that is known. */
function settle(unit: Unit, all: readonly Unit[], state: Supervised, now: number): [Unit, Action[]] {
  const { life, id } = unit;
  switch (life.is) {
    case 'absent':
      return state.ending ? [unit, []] : start(unit, all, now);
    case 'spawning':
      return [unit, []];
    case 'up': {
      const cause = stopCause(unit, life, all, state);
      if (cause) return stop(unit, life, cause, now);
      return state.ending || !unit.wanted ? [unit, []] : attend(unit, life, now);
    }
    case 'stopping':
      if (now < life.killAt) return [unit, []];
      return [{ ...unit, life: { ...life, killAt: now + againMs } }, [{ do: 'kill', id, instance: life.instance }]];
    case 'sweeping': {
      if (life.asked || now < life.againAt) return [unit, []];
      return [{ ...unit, life: { ...life, asked: true } }, [{ do: 'sweep', id, remains: life.remains }]];
    }
  }
}

function start(unit: Unit, all: readonly Unit[], now: number): [Unit, Action[]] {
  if (!unit.wanted || now < unit.nextStartAt) return [unit, []];
  const blocking = unit.started ? undefined : all.find((other) => unit.after.includes(other.id) && !tried(other));
  if (blocking) return [{ ...unit, reason: { kind: 'waits', detail: blocking.id } }, []];
  const restarts = unit.started ? unit.restarts + 1 : unit.restarts;
  const { reason, ...rest } = unit;
  const kept = reason && reason.kind !== 'waits' ? { reason } : {};
  return [
    { ...rest, ...kept, restarts, started: true, life: { is: 'spawning' } },
    [{ do: 'spawn', id: unit.id, wanted: unit.wanted }],
  ];
}

const tried = (unit: Unit): boolean => unit.beenReady || unit.failures > 0 || !unit.wanted;

function stopCause(
  unit: Unit,
  life: Life & { is: 'up' },
  all: readonly Unit[],
  state: Supervised,
): StopCause | undefined {
  const leaves = (one: Unit): boolean => state.ending || !one.wanted;
  if (leaves(unit)) {
    const held = all.some((other) => other.after.includes(unit.id) && leaves(other) && alive(other));
    return held ? undefined : 'ending';
  }
  return unit.wanted?.command === life.instance.command ? life.probing.verdict : 'replaced';
}

function stop(unit: Unit, life: Life & { is: 'up' }, cause: StopCause, now: number): [Unit, Action[]] {
  const { instance, probing } = life;
  const same = unit.wanted?.command === instance.command;
  const { signal, graceMs } = same && unit.wanted ? unit.wanted.spec.stop : instance.stop;
  const ill = cause === 'unready' || cause === 'unhealthy';
  const reason: Reason | undefined = ill ? { kind: cause, detail: probing.detail ?? '' } : undefined;
  return [
    { ...unit, ...(reason ? { reason } : {}), life: { is: 'stopping', instance, cause, killAt: now + graceMs } },
    [{ do: 'signal', id: unit.id, instance, signal }],
  ];
}

/** Of one that may go on: without a probe it is ready as it is, with one it is asked when it is time. */
function attend(unit: Unit, life: Life & { is: 'up' }, now: number): [Unit, Action[]] {
  const ready = unit.wanted?.spec.ready;
  const { probing, instance } = life;
  if (!ready) {
    if (probing.readySince !== undefined) return [unit, []];
    const { reason: _, ...cured } = unit;
    return [{ ...cured, beenReady: true, life: { ...life, probing: { ...probing, readySince: now } } }, []];
  }
  if (probing.asked || now < probing.nextAt) return [unit, []];
  const asked = { ...unit, life: { ...life, probing: { ...probing, asked: true } } };
  return [asked, [{ do: 'probe', id: unit.id, pid: instance.pid, url: ready.url }]];
}
