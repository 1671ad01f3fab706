/**
 * Questions that are asked of a host at the same moment travel together: one session for all of them instead of one
 * each, and the same question of several once. What cannot share (input, lines as they come, secrets, no time limit)
 * goes alone. For questions only: the answers come when the slowest has one.
 */
import { type Command, isSupply, quote } from '../command.js';
import type { Host, Result, RunOptions } from '../world.js';
import { placed } from './placed.js';

const defaultTimeoutMs = 30_000;
/** SIGTERM and SIGKILL of the slowest, and the way there and back, ms. */
const graceMs = 10_000;

interface Asked {
  readonly command: Command;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** One question, and all who asked it. */
type Group = readonly Asked[];

const sameness = ({ argv, sudo = false, env = {}, timeoutMs }: Command): string =>
  JSON.stringify([argv, sudo, env, timeoutMs]);

/** A GPU driver that hangs holds its reader for good; it shall hold nobody else. */
const alone = /nvidia/;

function mayShare({ argv, stdin, env, cwd, timeoutMs }: Command, options: RunOptions | undefined): boolean {
  const bare = (stdin === undefined || stdin === '') && cwd === undefined && timeoutMs !== 0;
  const secret = Object.values(env ?? {}).some(isSupply);
  return bare && !secret && options === undefined && !argv.some((word) => alone.test(word));
}

// Each answer in a file of its own; builtins where they do, for each program is a process more.
const head = `d=$(mktemp -d) || exit 70
trap 'rm -rf "$d"' EXIT; trap 'exit 130' HUP INT TERM
ask() { i=$1 t=$2; shift 2; timeout -k 5 "$t" "$@" >"$d/o$i" 2>"$d/e$i" </dev/null; echo $? >"$d/c$i"; }
all() { [ ! -s "$1" ] || base64 -w0 <"$1"; }`;

const tail = (count: number): string => `wait
i=0; while [ $i -lt ${count} ]; do
  read -r c <"$d/c$i"; printf '%s .' "$c"; all "$d/o$i"; printf ' .'; all "$d/e$i"; echo; i=$((i+1))
done`;

const secondsOf = ({ timeoutMs = defaultTimeoutMs }: Command): number => timeoutMs / 1000;

/** A POSIX shell script that asks all of them at once, and answers a line each: status, output, errors. */
export function batchScript(commands: readonly Command[]): string {
  const asks = commands.map((command, at) => {
    const env = Object.entries(command.env ?? {}).map(([name, value]) => `export ${name}=${quote(value as string)}; `);
    return `{ ${env.join('')}ask ${at} ${secondsOf(command).toFixed(3)} ${command.argv.map(quote).join(' ')}; } &`;
  });
  return [head, ...asks, tail(commands.length)].join('\n');
}

/** Undefined for what is not the whole answer. */
export function readBatch(stdout: string, count: number): Result[] | undefined {
  const lines = stdout.split('\n').filter((line) => line !== '');
  const results = lines.map((line) => /^(\d+) \.([A-Za-z0-9+/=]*) \.([A-Za-z0-9+/=]*)$/.exec(line));
  if (results.length !== count || results.some((found) => found === null)) return undefined;
  const text = (word: string): string => Buffer.from(word, 'base64').toString('utf8');
  return results.map((found) => ({ code: Number(found![1]), stdout: text(found![2]!), stderr: text(found![3]!) }));
}

export function batched(host: Host): Host {
  let waiting = new Map<string, Asked[]>();
  const run: Host['run'] = (command, options) => {
    if (!mayShare(command, options)) return host.run(command, options);
    return new Promise((resolve, reject) => {
      // Whoever asks in this turn of the event loop comes along.
      if (waiting.size === 0) setImmediate(flush);
      const same = sameness(command);
      waiting.set(same, [...(waiting.get(same) ?? []), { command, resolve, reject }]);
    });
  };
  const flush = (): void => {
    const groups = [...waiting.values()];
    waiting = new Map();
    for (const sudo of [true, false])
      void askAll(
        host,
        groups.filter(([one]) => (one!.command.sudo ?? false) === sudo),
        sudo,
      );
  };
  return {
    name: host.name,
    start: (command, log) => host.start(command, log),
    put: (path, content, options) => host.put(path, content, options),
    read: placed(host.name, (command) => run(command)).read,
    run,
  };
}

async function askAll(host: Host, groups: readonly Group[], sudo: boolean): Promise<void> {
  const alone = async (group: Group): Promise<void> => {
    try {
      const result = await host.run(group[0]!.command);
      for (const { resolve } of group) resolve(result);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  };
  if (groups.length < 2) return void groups.map(alone);
  const commands = groups.map(([one]) => one!.command);
  const timeoutMs = Math.max(...commands.map(secondsOf)) * 1000 + graceMs;
  try {
    const stdin = batchScript(commands);
    const { stdout } = await host.run({ argv: ['sh', '-s'], stdin, sudo, timeoutMs });
    const results = readBatch(stdout, groups.length);
    // A process that cannot even be killed has held all of them up: alone it holds itself alone.
    if (!results) return void groups.map(alone);
    for (const [at, group] of groups.entries()) for (const { resolve } of group) resolve(results[at]!);
  } catch (error) {
    for (const { reject } of groups.flat()) reject(error);
  }
}
