import type { Command } from '../command.js';
import type { Host, Result } from '../world.js';

/** A read-only question to a host: the command, and the pure reader of its output. */
export interface Probe<T> {
  readonly id: string;
  readonly command: Command;
  /** Undefined for what the output does not say; never throws. */
  read(result: Result): T;
}

/** What a probe ran and what came back: the stuff of a recording. */
export interface Section {
  /** The probe's id; absent for output that somebody pasted. */
  readonly id?: string;
  readonly line: string;
  readonly result: Result;
}

/** A POSIX shell script as one command; LC_ALL=C keeps its words English. */
export const script = (text: string, ...args: readonly string[]): Command => ({
  argv: ['sh', '-c', text, 'probe', ...args],
  env: { LC_ALL: 'C' },
  timeoutMs: 10_000,
});

/** What SIGTERM and SIGKILL are given after a command ran past its time. */
const graceMs = 8000;

const never = (ms: number): { readonly past: Promise<Result>; readonly clear: () => void } => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const past = new Promise<Result>((resolve) => {
    timer = setTimeout(() => resolve({ code: 124, stdout: '', stderr: '' }), ms);
  });
  return { past, clear: () => clearTimeout(timer) };
};

/**
 * A host that cannot be asked answers like a command that is not there. A process that waits for a dead device (state D)
 * cannot be killed: it is not waited for either.
 */
export async function ask(host: Host, command: Command, grace = graceMs): Promise<Result> {
  const { past, clear } = never((command.timeoutMs ?? 30_000) + grace);
  try {
    return await Promise.race([host.run(command), past]);
  } catch (error) {
    return { code: 127, stdout: '', stderr: error instanceof Error ? error.message : String(error) };
  } finally {
    clear();
  }
}

/** `key: value` lines. */
export function pairs(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, key, value] = /^\s*([\w()./ -]+?)\s*[:=]\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && !(key in found)) found[key] = value!.replace(/^"(.*)"$/, '$1');
  }
  return found;
}
