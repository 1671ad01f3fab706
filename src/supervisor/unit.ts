/** What the supervisor knows of one process. Times are milliseconds of its own monotonic clock. */
import type { Exit, Reason, State } from './report.js';
import type { ProcessSpec, Timing } from './stack.js';

export interface Wanted {
  readonly spec: ProcessSpec;
  /** Hash of `commandText(spec)`. */
  readonly command: string;
}

/** A process that lives, with what is needed to end it, also when the stack has forgotten it. */
export interface Instance {
  readonly pid: number;
  readonly identity: string;
  readonly command: string;
  readonly log: string;
  readonly stop: ProcessSpec['stop'];
  readonly startedAt: number;
}

/** Where to look for processes of an id, besides its mark. */
export interface Remains {
  readonly leader?: Pick<Instance, 'pid' | 'identity'>;
  readonly log?: string;
}

export interface Probing {
  readonly readySince?: number;
  readonly failingSince?: number;
  /** Failed probes in a row. */
  readonly misses: number;
  readonly asked: boolean;
  readonly nextAt: number;
  readonly detail?: string;
  /** Its time was up when the last probe failed. */
  readonly verdict?: 'unready' | 'unhealthy';
}

export type StopCause = 'unready' | 'unhealthy' | 'replaced' | 'ending';

/**
 * `absent` alone allows a start: it says that a sweep found no process of this id. So no two ever live at once.
 * absent -> spawning -> up -> (stopping ->) sweeping -> absent
 */
export type Life =
  | { readonly is: 'absent' }
  | { readonly is: 'spawning' }
  | { readonly is: 'up'; readonly instance: Instance; readonly probing: Probing }
  | { readonly is: 'stopping'; readonly instance: Instance; readonly cause: StopCause; readonly killAt: number }
  | {
      readonly is: 'sweeping';
      readonly remains: Remains;
      readonly asked: boolean;
      readonly againAt: number;
    };

export interface Unit {
  readonly id: string;
  /** Undefined: it has to go. */
  readonly wanted: Wanted | undefined;
  /** As last known, also of one that has to go. */
  readonly after: readonly string[];
  readonly life: Life;
  /** In a row, until it was ready for `resetMs`. */
  readonly failures: number;
  readonly restarts: number;
  readonly started: boolean;
  readonly beenReady: boolean;
  readonly nextStartAt: number;
  readonly lastExit?: Exit;
  readonly reason?: Reason;
}

export const fresh = (id: string, wanted: Wanted | undefined, life: Life, now: number): Unit => ({
  id,
  wanted,
  after: wanted?.spec.after ?? [],
  life,
  failures: 0,
  restarts: 0,
  started: false,
  beenReady: false,
  nextStartAt: now,
});

export const up = (instance: Instance, now: number, readySince?: number): Life & { is: 'up' } => ({
  is: 'up',
  instance,
  probing: { misses: 0, asked: false, nextAt: now, ...(readySince === undefined ? {} : { readySince }) },
});

export const sweeping = (now: number, remains: Remains): Life => ({
  is: 'sweeping',
  againAt: now,
  asked: false,
  remains,
});

export const remainsOf = ({ pid, identity, log }: Instance): Remains => ({ leader: { pid, identity }, log });

export const alive = (unit: Unit): boolean => unit.life.is !== 'absent';

export const instanceOf = (unit: Unit): Instance | undefined =>
  unit.life.is === 'up' || unit.life.is === 'stopping' ? unit.life.instance : undefined;

/** One failed probe may be a busy moment; two are a state. */
const missesUntilUnhealthy = 2;

/** @param ending the whole supervisor is */
export function stateOf(unit: Unit, timing: Timing, ending: boolean): State {
  const { life, wanted, failures } = unit;
  const leaving = ending || !wanted;
  if (life.is === 'stopping' || (life.is !== 'absent' && leaving)) return 'stopping';
  if (leaving) return 'stopped';
  if (life.is === 'up' && life.probing.readySince !== undefined) {
    return life.probing.misses < missesUntilUnhealthy ? 'ready' : 'unhealthy';
  }
  if (failures >= timing.crashes) return 'crashing';
  return failures > 0 && (life.is === 'absent' || life.is === 'sweeping') ? 'backoff' : 'starting';
}

/** Milliseconds to wait after so many failures in a row. */
export const backoff = (failures: number, timing: Timing): number =>
  failures >= timing.crashes
    ? timing.retryMs
    : Math.min(timing.backoffMs * 2 ** Math.max(0, failures - 1), timing.backoffMaxMs);
