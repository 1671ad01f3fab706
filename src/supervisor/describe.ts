/** The state as the report that others read. */
import type { Supervised } from './decide.js';
import type { Holder, ProcessReport, Report } from './report.js';
import { alive, instanceOf, stateOf, type Unit } from './unit.js';

export interface About {
  readonly me: Holder & { readonly startedAt: number };
  readonly stack: string;
  readonly loads: number;
  readonly problems: readonly string[];
}

/** @param wall turns the monotonic clock into ms since 1970 */
export function describe(state: Supervised, about: About, wall: (monotonic: number) => number, now: number): Report {
  const { me, stack, loads, problems } = about;
  return {
    version: 1,
    supervisor: { pid: me.pid, identity: me.identity, startedAt: me.startedAt },
    state: state.finished ? 'stopped' : state.ending ? 'stopping' : 'running',
    updatedAt: wall(now),
    stack,
    loads,
    ...(problems.length > 0 ? { problems } : {}),
    processes: state.units.flatMap((unit) => described(unit, state, wall, now) ?? []),
  };
}

/** A unit that is only swept has no command, thus nothing to tell. */
function described(
  unit: Unit,
  { timing, ending }: Supervised,
  wall: (monotonic: number) => number,
  now: number,
): ProcessReport | undefined {
  const { id, life, wanted, after, restarts, lastExit, reason, nextStartAt } = unit;
  const instance = instanceOf(unit);
  const source = instance ?? (wanted && { command: wanted.command, log: wanted.spec.log, stop: wanted.spec.stop });
  if (!source) return undefined;
  const { command, log, stop } = source;
  const leader = instance ?? (life.is === 'sweeping' ? life.remains.leader : undefined);
  const readySince = life.is === 'up' ? life.probing.readySince : undefined;
  const waits = wanted && !ending && !alive(unit) && nextStartAt > now;
  const detail = life.is === 'up' && life.probing.misses > 0 ? life.probing.detail : undefined;
  const why = reason ?? (detail === undefined ? undefined : { kind: 'unhealthy' as const, detail });
  return {
    id,
    state: stateOf(unit, timing, ending),
    ...(leader ? { pid: leader.pid, identity: leader.identity } : {}),
    command,
    log,
    stop,
    after,
    ...(instance ? { startedAt: wall(instance.startedAt) } : {}),
    ...(readySince === undefined ? {} : { readySince: wall(readySince) }),
    restarts,
    ...(lastExit ? { lastExit } : {}),
    ...(waits ? { nextStartAt: wall(nextStartAt) } : {}),
    ...(why ? { reason: why } : {}),
  };
}
