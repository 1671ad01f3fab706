/** What the supervisor says of itself: `<home>/run/supervisor.json`, written by it alone, read by everybody. */
import type { StopSignal } from './stack.js';

export type State = 'starting' | 'ready' | 'unhealthy' | 'backoff' | 'crashing' | 'stopping' | 'stopped';

/** Both undefined: it was adopted, and the kernel tells the status to the parent only. Times are ms since 1970. */
export interface Exit {
  readonly code?: number;
  readonly signal?: string;
  readonly at: number;
}

/** Why a process is not ready, or was restarted last. */
export interface Reason {
  readonly kind:
    | 'exit'
    /** The program could not be started at all. */
    | 'spawn'
    /** Not ready within its time. */
    | 'unready'
    /** Was ready, then failed its probes for too long. */
    | 'unhealthy'
    /** Waits for the first readiness of another. */
    | 'waits'
    /** Processes of this id that could not be ended. */
    | 'left';
  /** English: what the probe or the kernel said, which process it waits for, which pids are left. */
  readonly detail?: string;
  /** The last lines of its log that tell something, since its start. */
  readonly lines?: readonly string[];
}

export interface ProcessReport {
  readonly id: string;
  readonly state: State;
  /** While it lives, and until what it left behind is gone: a new supervisor finds both by it. */
  readonly pid?: number;
  readonly identity?: string;
  /** SHA-256 of the command it was started with. */
  readonly command: string;
  readonly log: string;
  readonly stop: { readonly signal: StopSignal; readonly graceMs: number };
  readonly after: readonly string[];
  readonly startedAt?: number;
  readonly readySince?: number;
  /** Starts but the first, over all supervisors since the last orderly stop or boot. */
  readonly restarts: number;
  readonly lastExit?: Exit;
  readonly nextStartAt?: number;
  readonly reason?: Reason;
}

export interface Report {
  readonly version: 1;
  readonly supervisor: { readonly pid: number; readonly identity: string; readonly startedAt: number };
  readonly state: 'running' | 'stopping' | 'stopped';
  readonly updatedAt: number;
  /** SHA-256 of the stack file as last read. */
  readonly stack: string;
  /** How often the stack file was read. */
  readonly loads: number;
  /** What is wrong with the stack file; what ran before goes on. */
  readonly problems?: readonly string[];
  readonly processes: readonly ProcessReport[];
}

export const reportFile = (home: string): string => `${home}/run/supervisor.json`;
/** Holds the pid and identity of the one supervisor of this home. */
export const lockFile = (home: string): string => `${home}/run/supervisor.lock`;
export const supervisorLog = (home: string): string => `${home}/logs/supervisor.log`;

/** Undefined for anything that is not a whole report: cut off, of another version, absent. */
export function parseReport(text: string | undefined): Report | undefined {
  const value = parsed(text) as Partial<Report> | undefined;
  return value?.version === 1 && value.supervisor && Array.isArray(value.processes) ? (value as Report) : undefined;
}

export interface Holder {
  readonly pid: number;
  readonly identity: string;
}

export function parseHolder(text: string | undefined): Holder | undefined {
  const value = parsed(text) as Partial<Holder> | undefined;
  return Number.isSafeInteger(value?.pid) && typeof value?.identity === 'string' ? (value as Holder) : undefined;
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) ?? undefined);
  } catch {
    return undefined;
  }
}
