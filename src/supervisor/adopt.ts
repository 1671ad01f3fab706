/** Where a new supervisor starts from: what is wanted, what is on record, and what merely carries our mark. */
import type { Supervised } from './decide.js';
import type { ProcessReport } from './report.js';
import type { Timing } from './stack.js';
import { fresh, type Instance, sweeping, type Unit, up, type Wanted } from './unit.js';

export interface Finding {
  readonly record: ProcessReport;
  /** The very process on record lives, not one that was given its number since. */
  readonly alive: boolean;
}

export interface Found {
  readonly findings: readonly Finding[];
  /** Ids that living processes carry, with their log where only that tells. */
  readonly strays: ReadonlyMap<string, string | undefined>;
  /** Turns ms since 1970 into the monotonic clock. */
  readonly monotonic: (wall: number) => number;
}

/**
 * The living are adopted as they are; of all others the remains are swept before anything is started. What is not
 * wanted any more, or with another command, is for `decide` to end in good order.
 */
export function adopt(wanted: readonly Wanted[], timing: Timing, found: Found, now: number): Supervised {
  const records = new Map(found.findings.map((finding) => [finding.record.id, finding]));
  const items = new Map(wanted.map((item) => [item.spec.id, item]));
  const ids = new Set([...items.keys(), ...records.keys(), ...found.strays.keys()]);
  const units = [...ids].map((id) => {
    const log = items.get(id)?.spec.log ?? found.strays.get(id);
    const unit = fresh(id, items.get(id), sweeping(now, log === undefined ? {} : { log }), now);
    const finding = records.get(id);
    return finding ? onRecord(unit, finding, found.monotonic, now) : unit;
  });
  return { units, timing, ending: false, finished: false };
}

function onRecord(unit: Unit, { record, alive }: Finding, monotonic: Found['monotonic'], now: number): Unit {
  const { pid, identity, state, startedAt, lastExit } = record;
  const after = unit.wanted ? unit.after : record.after;
  const stopped = state === 'stopped';
  const begun = { ...unit, after, ...(lastExit && !stopped ? { lastExit } : {}) };
  const leader = pid === undefined || identity === undefined ? undefined : { pid, identity };
  if (!alive || !leader) {
    const begunBefore = startedAt !== undefined || lastExit !== undefined || record.restarts > 0;
    const restarts = stopped || !begunBefore ? 0 : record.restarts + 1;
    return { ...begun, restarts, life: sweeping(now, { ...(leader ? { leader } : {}), log: record.log }) };
  }
  const instance: Instance = {
    ...leader,
    // One that was on its way out is not to be kept: no command equals this one.
    command: state === 'stopping' ? '' : record.command,
    log: record.log,
    stop: record.stop,
    startedAt: Math.min(now, monotonic(startedAt ?? 0)),
  };
  const readySince = record.readySince === undefined ? undefined : Math.min(now, monotonic(record.readySince));
  const beenReady = readySince !== undefined;
  return { ...begun, restarts: record.restarts, started: true, beenReady, life: up(instance, now, readySince) };
}
