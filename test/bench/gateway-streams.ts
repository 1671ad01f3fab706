/**
 * Many slow streams at once through a server: how late each event is against the moment its engine sent it, and what a
 * stream costs in memory. Engine and client are a process each, on core 1, and read one clock.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onCpu } from './gateway-load.js';
import type { Server } from './gateway-servers.js';

export interface StreamFigure {
  readonly opened: number;
  readonly events: number;
  /** Milliseconds between an event's sending and its arrival. */
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  /** Microseconds of the workers' CPU time an event; NaN without workers. */
  readonly cpu: number;
  /** KiB a stream by which the workers grew; NaN without workers. */
  readonly memory: number;
}

/** Events a second of all streams together. */
export const eventRate = 4000;

const peer = fileURLToPath(new URL('gateway-streams-peer.ts', import.meta.url));

function start(...words: string[]): { readonly child: ChildProcess; line(): Promise<string> } {
  const child = spawn('taskset', ['-c', '1', process.execPath, '--import', 'tsx', peer, ...words], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${words[0]} ended`);
    return value as string;
  };
  return { child, line };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

export async function streamEngine(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const { child, line } = start('engine', String(eventRate));
  return { port: Number(await line()), stop: () => end(child) };
}

/** KiB that are resident. */
async function memoryOf(pids: readonly number[]): Promise<number> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, 'utf8')));
  return texts.reduce((sum, text) => sum + Number(/VmRSS:\s+(\d+)/.exec(text)![1]), 0);
}

/** `count` streams, all open before the first second that is measured. */
export async function streams(server: Server, count: number, seconds: number): Promise<StreamFigure> {
  const memory = await memoryOf(server.workers);
  const { child, line } = start('client', server.url, String(count));
  try {
    const opened = Number(await line());
    const grown = (await memoryOf(server.workers)) - memory;
    const before = await onCpu(server.workers);
    child.stdin!.write('measure\n');
    await new Promise((done) => setTimeout(done, seconds * 1000));
    const after = await onCpu(server.workers);
    child.stdin!.write('end\n');
    const [events, p50, p99, most] = (await line()).split(' ').map(Number) as [number, number, number, number];
    const ours = server.workers.length > 0;
    const cpu = ours ? (after.all - before.all) / events : Number.NaN;
    return { opened, events, p50, p99, most, cpu, memory: ours ? grown / opened : Number.NaN };
  } finally {
    await end(child);
  }
}
