import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { type Command, isSupply } from '../command.js';
import type { Background, Host, Result, RunOptions } from '../world.js';
import { placed } from './placed.js';

const defaultTimeoutMs = 30_000;

const fetched = async (value: string | { get(): Promise<string> }): Promise<string> =>
  typeof value === 'string' ? value : value.get();

async function environment(command: Command): Promise<Record<string, string>> {
  const pairs = Object.entries(command.env ?? {}).map(async ([name, value]) => [name, await fetched(value)] as const);
  return Object.fromEntries(await Promise.all(pairs));
}

/** As root a `sudo` command runs as it is; for others `sudo -n` never asks. */
function argv(command: Command, env: Record<string, string>): [string, ...string[]] {
  if (!command.sudo || process.geteuid?.() === 0) return [...command.argv];
  const kept = Object.keys(env);
  return ['sudo', '-n', ...(kept.length > 0 ? [`--preserve-env=${kept.join(',')}`] : []), '--', ...command.argv];
}

type Input = string | Uint8Array | AsyncIterable<Uint8Array>;

async function standardInput(stdin: Command['stdin'], given: Input | undefined) {
  const input = given ?? (isSupply(stdin) ? await stdin.get() : stdin);
  if (input === undefined) return { stdin: 'ignore' as const };
  return typeof input === 'string' || input instanceof Uint8Array ? { input } : { stdin: input };
}

/** @param given instead of the command's own input */
async function run(command: Command, options: RunOptions = {}, given?: Input): Promise<Result> {
  const { execa } = await import('execa');
  const env = await environment(command);
  const [program, ...args] = argv(command, env);
  const child = execa(program, args, {
    env,
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...(await standardInput(command.stdin, given)),
    timeout: command.timeoutMs ?? defaultTimeoutMs,
    forceKillAfterDelay: 5000,
    maxBuffer: 64 << 20,
    reject: false,
    stripFinalNewline: false,
    ...(options.signal ? { cancelSignal: options.signal } : {}),
  });
  const lines = options.onLine && follow(child, options.onLine);
  const result = await child;
  await lines;
  return { code: code(result), stdout: result.stdout ?? '', stderr: result.stderr ?? '' };
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
  timedOut: boolean;
  signal?: string | undefined;
  isCanceled: boolean;
  code?: string | undefined;
}): number {
  if (result.timedOut) return 124;
  if (result.isCanceled) return 130;
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
