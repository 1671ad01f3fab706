/** The supervisor's files: the stack it reads, the report and the log it writes. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { parseReport, type Report, reportFile } from './report.js';
import { commandText, defaultTiming, type Logs, parseStack, stackFile, type Timing } from './stack.js';
import type { Wanted } from './unit.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export interface Loaded {
  readonly hash: string;
  readonly wanted: readonly Wanted[];
  readonly timing: Timing;
  readonly logs: Logs;
}

/** Undefined: there is no stack file, so nothing is wanted. */
export type Reading = Loaded | { readonly hash: string; readonly problems: readonly string[] } | undefined;

const ifThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

export const stackIsThere = (home: string): boolean =>
  statSync(stackFile(home), { throwIfNoEntry: false }) !== undefined;

export function readStack(home: string): Reading {
  const text = ifThere(stackFile(home));
  if (text === undefined) return undefined;
  const hash = sha256(text);
  const parsed = parseStack(text);
  if ('problems' in parsed) return { hash, problems: parsed.problems };
  const { processes, timing, logs } = parsed.stack;
  const wanted = processes.map((spec) => ({ spec, command: sha256(commandText(spec)) }));
  return { hash, wanted, timing: { ...defaultTiming, ...timing }, logs };
}

export const readReport = (home: string): Report | undefined => parseReport(ifThere(reportFile(home)));

/** Not synced: it has to outlive us, not the machine; after a power cut no process of it lives. */
export function writeReport(home: string, report: Report): void {
  const own = `${reportFile(home)}.${report.supervisor.pid}.tmp`;
  writeFileSync(own, `${JSON.stringify(report, undefined, 1)}\n`, { mode: 0o600 });
  renameSync(own, reportFile(home));
}

/** What supervisors that were killed in the middle of a write have left. */
export function tidy(home: string): void {
  for (const name of readdirSync(`${home}/run`)) {
    if (/^supervisor\..*\.tmp$/.test(name)) rmSync(`${home}/run/${name}`, { force: true });
  }
}

export const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const tailBytes = 8192;

/** What was appended since the log had this size (it may have been rotated since), at most its last 8 KiB. */
export function tail(path: string, since: number): string {
  const size = sizeOf(path);
  const from = Math.max(size - tailBytes, since <= size ? since : 0);
  if (size <= from) return '';
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(size - from);
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, from));
  } finally {
    closeSync(file);
  }
}

/** One JSON line on standard error, which the starter appended to the supervisor's log. A full disk stops nobody. */
export function log(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
  try {
    writeSync(2, `${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
  } catch {
    // There is no other place to say it.
  }
}
