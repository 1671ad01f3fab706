/** What is to run: `<home>/run/stack.json`, written by `init`, read by the supervisor. */

export type StopSignal = 'SIGTERM' | 'SIGQUIT';

export interface ProcessSpec {
  /** Lower-case words with dashes: 'engine', 'gateway'. */
  readonly id: string;
  readonly argv: readonly [string, ...string[]];
  /** Added to the environment of the supervisor. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the home. */
  readonly cwd?: string;
  /** Absolute path, of this process alone; both streams are appended to it. */
  readonly log: string;
  /**
   * Ready when a GET of the URL answers 2xx. Without it a process counts as ready once it runs. The URL must tell of
   * this process alone: one that fails with another's failure gets this process restarted for it.
   */
  readonly ready?: {
    /** http:// only. */
    readonly url: string;
    readonly everyMs: number;
    /** From the start; longer than that means a restart. */
    readonly withinMs: number;
  };
  readonly stop: {
    readonly signal: StopSignal;
    /** From the signal to SIGKILL of the whole group. */
    readonly graceMs: number;
  };
  /**
   * First started only after these have been ready (or have failed once: the order is a courtesy, not a condition),
   * and stopped before them.
   */
  readonly after?: readonly string[];
}

/** Milliseconds, but for `crashes`. */
export interface Timing {
  /** Wait after the first failure; doubled for each further one. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** Ready for so long: earlier failures are forgotten. */
  readonly resetMs: number;
  /** So many failures in a row, none of them forgotten: 'crashing'. */
  readonly crashes: number;
  /** Wait between attempts while crashing. */
  readonly retryMs: number;
  /** Once ready, failing its probes for so long: restarted. */
  readonly unhealthyMs: number;
  readonly probeMs: number;
  /** Between probes until the first success, where `everyMs` is longer. */
  readonly startProbeMs: number;
  /** Between looks at adopted processes, whose exit the kernel tells only their parent. */
  readonly pollMs: number;
  readonly heartbeatMs: number;
}

export const defaultTiming: Timing = {
  backoffMs: 500,
  backoffMaxMs: 30_000,
  resetMs: 60_000,
  crashes: 5,
  retryMs: 30_000,
  unhealthyMs: 30_000,
  probeMs: 5000,
  startProbeMs: 200,
  pollMs: 500,
  heartbeatMs: 3000,
};

export interface Logs {
  /** A log is rotated once it is larger. */
  readonly maxBytes: number;
  /** How many old ones stay: `.1` is the youngest. */
  readonly keep: number;
  /** Further append-only files to rotate alike, absolute. */
  readonly also?: readonly string[];
}

export interface Stack {
  readonly version: 1;
  readonly processes: readonly ProcessSpec[];
  readonly logs: Logs;
  /** Only what differs from `defaultTiming`. */
  readonly timing?: Partial<Timing>;
}

export const stackFile = (home: string): string => `${home}/run/stack.json`;

export type Parsed = { readonly stack: Stack } | { readonly problems: readonly string[] };

/** All problems at once, in English, each with its path: 'processes[0].argv: …'. */
export function parseStack(text: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problems: [`not JSON: ${(error as Error).message}`] };
  }
  const problems = problemsOf(value);
  return problems.length > 0 ? { problems } : { stack: value as Stack };
}

type Fields = Readonly<Record<string, unknown>>;
type Kind = (value: unknown) => string | undefined;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const that =
  (says: string, holds: (value: unknown) => boolean): Kind =>
  (value) =>
    holds(value) ? undefined : says;

const words = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((word) => typeof word === 'string' && !word.includes('\0'));

const id = that(
  'must be lower-case letters, digits and dashes',
  (v) => typeof v === 'string' && /^[a-z][a-z0-9-]*$/.test(v),
);
const absolute = that(
  'must be an absolute path',
  (v) => typeof v === 'string' && v.startsWith('/') && !v.includes('\0'),
);
const count = that('must be a whole number above 0', (v) => Number.isSafeInteger(v) && (v as number) > 0);
const countOrNone = that('must be a whole number', (v) => Number.isSafeInteger(v) && (v as number) >= 0);
const program = that('must be a list of words, the program first', (v) => words(v) && !!v[0]);
const url = that('must be an http:// URL', (v) => typeof v === 'string' && /^http:\/\/[^/\s]+/.test(v));
const names = that('must be a list of ids', words);
const paths = that('must be a list of absolute paths', (v) => Array.isArray(v) && !v.some((path) => absolute(path)));
const signal = that('must be SIGTERM or SIGQUIT', (v) => v === 'SIGTERM' || v === 'SIGQUIT');
const environment = that('must map names to strings', (v) => isFields(v) && words(Object.values(v)));

const optional =
  (kind: Kind): Kind =>
  (value) =>
    value === undefined ? undefined : kind(value);

/** What is wrong with the fields of a value, unknown ones included. */
function check(path: string, value: unknown, shape: Readonly<Record<string, Kind>>): string[] {
  if (!isFields(value)) return [`${path || 'the file'}: must be an object`];
  const dot = path && `${path}.`;
  const wrong = Object.entries(shape).flatMap(([name, kind]) => {
    const says = kind(value[name]);
    return says === undefined ? [] : [`${dot}${name}: ${says}`];
  });
  const unknown = Object.keys(value).filter((name) => !(name in shape));
  return [...wrong, ...unknown.map((name) => `${dot}${name}: unknown`)];
}

const any: Kind = () => undefined;

function processProblems(value: unknown, index: number): string[] {
  const path = `processes[${index}]`;
  const shape = {
    id,
    argv: program,
    env: optional(environment),
    cwd: optional(absolute),
    log: absolute,
    ready: any,
    stop: any,
    after: optional(names),
  };
  if (!isFields(value)) return check(path, value, shape);
  const ready = { url, everyMs: count, withinMs: count };
  return [
    ...check(path, value, shape),
    ...(value.ready === undefined ? [] : check(`${path}.ready`, value.ready, ready)),
    ...check(`${path}.stop`, value.stop, { signal, graceMs: countOrNone }),
  ];
}

function problemsOf(value: unknown): string[] {
  const list = that('must be a list', Array.isArray);
  const shape = { version: that('must be 1', (v) => v === 1), processes: list, logs: any, timing: any };
  const top = check('', value, shape);
  if (!isFields(value) || !Array.isArray(value.processes)) return top;
  const times = Object.fromEntries(Object.keys(defaultTiming).map((name) => [name, optional(count)]));
  const problems = [
    ...top,
    ...value.processes.flatMap(processProblems),
    ...check('logs', value.logs, { maxBytes: count, keep: countOrNone, also: optional(paths) }),
    ...(value.timing === undefined ? [] : check('timing', value.timing, times)),
  ];
  return problems.length > 0 ? problems : orderProblems(value.processes as ProcessSpec[]);
}

/** Ids are unique, and `after` names others without a circle. */
function orderProblems(processes: readonly ProcessSpec[]): string[] {
  const known = new Map(processes.map((spec) => [spec.id, spec]));
  const repeats = (name: 'id' | 'log'): readonly string[] =>
    processes.flatMap((spec, index) =>
      processes.findIndex((other) => other[name] === spec[name]) < index ? [spec[name]] : [],
    );
  const missing = processes.flatMap((spec) =>
    (spec.after ?? []).filter((other) => !known.has(other)).map((other) => `${spec.id}.after: there is no '${other}'`),
  );
  const circles = processes.filter((spec) => reaches(spec.id, spec, known, new Set()));
  return [
    ...[...repeats('id'), ...repeats('log')].map((name) => `processes: '${name}' is there twice`),
    ...missing,
    ...circles.map((spec) => `${spec.id}.after: goes round in a circle`),
  ];
}

function reaches(goal: string, from: ProcessSpec, known: ReadonlyMap<string, ProcessSpec>, seen: Set<string>): boolean {
  return (from.after ?? []).some((id) => {
    if (id === goal) return true;
    const next = known.get(id);
    if (!next || seen.has(id)) return false;
    seen.add(id);
    return reaches(goal, next, known, seen);
  });
}

/** What makes a process another one when it changes; a probe or a grace that changes does not. */
export const commandText = (spec: ProcessSpec): string =>
  JSON.stringify([spec.argv, Object.entries(spec.env ?? {}).sort(), spec.cwd ?? null, spec.log]);
