import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { type Command, isSupply } from '../command.js';
import type { Background, Host, Result, RunOptions } from '../world.js';
import { ending } from './ending.js';
import { placed } from './placed.js';

const defaultTimeoutMs = 30_000;

const fetched = async (value: string | { get(): Promise<string> }): Promise<string> =>
  typeof value === 'string' ? value : value.get();

async function environment(command: Command): Promise<Record<string, string>> {
  const pairs = Object.entries(command.env ?? {}).map(async ([name, value]) => [name, await fetched(value)] as const);
  return Object.fromEntries(await Promise.all(pairs));
}

const throughSudo = (command: Command): boolean => command.sudo === true && process.geteuid?.() !== 0;

/** As root a `sudo` command runs as it is; for others `sudo -n` never asks. */
function argv(command: Command, env: Record<string, string>): [string, ...string[]] {
  if (!throughSudo(command)) return [...command.argv];
  const kept = Object.keys(env);
  return ['sudo', '-n', ...(kept.length > 0 ? [`--preserve-env=${kept.join(',')}`] : []), '--', ...command.argv];
}

/** Behind sudo only root can end the command: coreutils' `timeout` is there to do it, for the whole process group. */
function limited(command: Command, timeoutMs: number): Command {
  const seconds = (timeoutMs / 1000).toFixed(3);
  return throughSudo(command) ? { ...command, argv: ['timeout', '-k', '5', seconds, ...command.argv] } : command;
}

type Input = string | Uint8Array | AsyncIterable<Uint8Array>;

async function standardInput(stdin: Command['stdin'], given: Input | undefined) {
  const input = given ?? (isSupply(stdin) ? await stdin.get() : stdin);
  if (input === undefined) return { stdin: 'ignore' as const };
  return typeof input === 'string' || input instanceof Uint8Array ? { input } : { stdin: input };
}

/** @param given instead of the command's own input */
async function run(command: Command, options: RunOptions = {}, given?: Input): Promise<Result> {
  if (options.signal?.aborted) return { code: 130, stdout: '', stderr: '' };
  const { execa } = await import('execa');
  const { timeoutMs = defaultTimeoutMs } = command;
  const env = await environment(command);
  const [program, ...args] = argv(limited(command, timeoutMs), env);
  const group = !throughSudo(command);
  const child = execa(program, args, {
    env,
    // Leads a process group, so that all of it can be ended. Not so sudo: it remembers a password by the terminal.
    detached: group,
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...(await standardInput(command.stdin, given)),
    maxBuffer: 64 << 20,
    reject: false,
    stripFinalNewline: false,
  });
  const end = ending(child, group, timeoutMs, options.signal);
  const lines = options.onLine && follow(child, options.onLine);
  const result = await child;
  await lines;
  end.over();
  const why = end.why();
  const status = why === 'late' ? 124 : why === 'called-off' ? 130 : code(result);
  return { code: status, stdout: result.stdout ?? '', stderr: result.stderr ?? '' };
}

async function follow(
  child: { iterable(options: { from: 'all' | 'stdout' | 'stderr' }): AsyncIterable<unknown> },
  onLine: (line: string) => void,
): Promise<void> {
  const each = async (from: 'stdout' | 'stderr'): Promise<void> => {
    for await (const line of child.iterable({ from })) onLine(String(line));
  };
  // The iterables reject when the command fails; its exit status says so already.
  await Promise.allSettled([each('stdout'), each('stderr')]);
}

function code(result: {
  exitCode?: number | undefined;
  signal?: string | undefined;
  code?: string | undefined;
}): number {
  if (result.exitCode !== undefined) return result.exitCode;
  if (result.signal !== undefined) return 128 + (signalNumbers[result.signal] ?? 0);
  return result.code === 'EACCES' ? 126 : 127;
}

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

async function start(command: Command, log: string): Promise<Background> {
  const env = await environment(command);
  const [program, ...args] = argv(command, env);
  const descriptor = openSync(log, 'a', 0o600);
  try {
    const child = spawn(program, args, {
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', descriptor, descriptor],
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    return { pid: child.pid! };
  } finally {
    closeSync(descriptor);
  }
}

export const localHost: Host = {
  name: 'localhost',
  run: (command, options) => run(command, options),
  start,
  ...placed('localhost', (command, input) => run(command, {}, input)),
};
