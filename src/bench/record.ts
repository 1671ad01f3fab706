/** What a run leaves behind: NDJSON, a `run` line, one line a request in the order they ended, an `end` line. */
import { UserError } from '../errors.js';
import { say } from '../say.js';

/** Why a request is no good answer. `http.NNN` is the status when it was not 200. */
export type Cause =
  | `http.${number}`
  /** No connection: refused, unknown host, TLS. */
  | 'connect'
  /** The connection broke before the answer was whole. */
  | 'reset'
  /** Not whole within --timeout. */
  | 'timeout'
  /** An `error` event inside a stream that began with 200. */
  | 'error_event'
  /** The stream ended in good order without a finish_reason. */
  | 'truncated'
  /** 200, but no event stream, or an event that is no JSON. */
  | 'not_sse';

export interface Failure {
  readonly cause: Cause;
  /** The server's or the network's own words, at most 200 characters. */
  readonly detail: string;
}

/** One request. `at` is ms since the run began; every other time is ms since `at`, unless it says µs. */
export interface Sample {
  readonly kind: 'request';
  readonly n: number;
  /** Sent before the measurement began: opened connections, filled caches; in no figure. */
  readonly warm?: true;
  readonly at: number;
  /** When a connection was there and the request was being written. */
  readonly sent?: number;
  readonly head?: number;
  /** When all was over, trailing usage and `[DONE]` included. */
  readonly end: number;
  readonly status?: number;
  /**
   * Whole µs: the first event that carried content or reasoning, counted from `at`, then the gap to each further one.
   * An event with a role only or with an empty text is none.
   */
  readonly chunks: readonly number[];
  /** From the server's `usage`, never guessed from events. Reasoning is part of `tokens`. */
  readonly prompt?: number;
  readonly tokens?: number;
  readonly reasoning?: number;
  readonly cached?: number;
  readonly finish?: string;
  readonly failure?: Failure;
  /** We ended it ourselves (Ctrl-C): neither good nor failed. */
  readonly cut?: true;
}

/** A service level: a request is good when it is answered and each of these holds. */
export interface Slo {
  readonly metric: 'ttft' | 'tpot' | 'e2e';
  /** At most so many ms. */
  readonly ms: number;
}

export interface Settings {
  /** The base URL an OpenAI client takes. */
  readonly url: string;
  readonly model: string;
  /** The arrival of requests; closed loop: the next is sent when one is over. */
  readonly load: { readonly kind: 'closed'; readonly concurrency: number };
  readonly requests?: number;
  readonly durationMs?: number;
  readonly warmup: number;
  readonly maxTokens: number;
  /** What was aimed at; `usage` says what it was. Undefined for a prompt from a file. */
  readonly promptTokens?: number;
  readonly timeoutMs: number;
  readonly seed: number;
  /** Prompts repeat, so that caches may answer. */
  readonly cacheable: boolean;
  readonly ignoreEos: boolean;
  readonly slo: readonly Slo[];
}

export interface RunLine {
  readonly kind: 'run';
  readonly version: 1;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly settings: Settings;
}

export interface EndLine {
  readonly kind: 'end';
  readonly why: 'done' | 'interrupted' | 'gave_up';
  /** ms by which the client's own timers were late: what its figures may be wrong by. */
  readonly lag: { readonly p50: number; readonly p99: number; readonly max: number };
}

export type Line = RunLine | Sample | EndLine;

export const ndjson = (line: Line): string => `${JSON.stringify(line)}\n`;

/** The time to the last event with text, in ms since `at`; undefined when there was none. */
export function lastChunk(sample: Sample): number | undefined {
  if (sample.chunks.length === 0) return undefined;
  let sum = 0;
  for (const gap of sample.chunks) sum += gap;
  return sum / 1000;
}

/**
 * Reads what `ndjson` wrote. A last line that was cut (the disk was full, the power went) is passed over.
 * @throws UserError `bench.records` naming the line that is not one of ours.
 */
export function* readLines(text: string): Generator<Line> {
  const lines = text.split('\n');
  const last = lines.length - 1;
  for (const [at, line] of lines.entries()) {
    if (line === '') continue;
    const value = parsed(line);
    if (isLine(value)) yield value;
    else if (at !== last) {
      throw new UserError(
        'bench.records',
        say(`Line ${at + 1} is no record of a bench run.`, `第 ${at + 1} 行不是压测记录。`),
        {
          hint: say(
            'Records are written by: deepseek-deploy bench --out FILE',
            '记录由 deepseek-deploy bench --out FILE 写出',
          ),
          exit: 'usage',
        },
      );
    }
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isLine(value: unknown): value is Line {
  const line = value as Line | null | undefined;
  if (typeof line !== 'object' || line === null) return false;
  if (line.kind === 'run') return line.version === 1 && typeof line.settings === 'object';
  if (line.kind === 'request') return typeof line.at === 'number' && Array.isArray(line.chunks);
  return line.kind === 'end' && typeof line.lag === 'object';
}
