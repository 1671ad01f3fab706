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

/** A host that cannot be asked answers like a command that is not there. */
export async function ask(host: Host, command: Command): Promise<Result> {
  try {
    return await host.run(command);
  } catch (error) {
    return { code: 127, stdout: '', stderr: error instanceof Error ? error.message : String(error) };
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
