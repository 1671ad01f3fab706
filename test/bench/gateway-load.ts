/** Servers asked in turn by wrk, round after round, and what one of them cost beside another. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { table } from '../../src/table.js';
import { apiKey } from '../gateway/harness.js';
import { on, type Server } from './gateway-servers.js';

const run = promisify(execFile);

export interface Figure {
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly mean: number;
  /** Microseconds of the workers' CPU time a request. */
  readonly cpu: number;
  /** Of it outside of the kernel. */
  readonly user: number;
  readonly bad: number;
}

export interface Load {
  readonly bodies: readonly string[];
  readonly connections: number;
  readonly seconds: number;
  readonly rounds: number;
  /** Requests a second that are aimed at, evenly spread at random; absent: as fast as it goes. */
  readonly rate?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where wrk runs. Default 1, the servers being on 0. */
  readonly core?: number;
  /** Nobody else gets wrk's core while it has something to do. */
  readonly undisturbed?: boolean;
}

/** Microseconds that the processes were on a CPU, and how many of them in user mode (counted in ticks of 10 ms). */
export async function onCpu(pids: readonly number[]): Promise<{ readonly all: number; readonly user: number }> {
  let [all, user] = [0, 0];
  for (const pid of pids) {
    user += Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')[11]) * 10_000;
    for (const task of await readdir(`/proc/${pid}/task`)) {
      all += Number((await readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8')).split(' ')[0]) / 1000;
    }
  }
  return { all, user };
}

/** Each request with the next body; where tokens are taken, every other one comes with a token. */
function script(load: Load, server: Server): string {
  const credentials = [apiKey, server.token ?? apiKey];
  const headers = Object.entries({ 'Content-Type': 'application/json', ...load.headers });
  const lines = headers.map(([name, value]) => `wrk.headers["${name}"] = ${JSON.stringify(value)}`);
  const wait = load.rate ? Math.round((2000 * load.connections) / load.rate) : 0;
  return `wrk.method = "POST"
${lines.join('\n')}
local bodies = { ${load.bodies.map((body) => `[==[${body}]==]`).join(', ')} }
local credentials = { ${credentials.map((one) => `"${one}"`).join(', ')} }
local requests, at = {}, 0
function init()
  for i = 1, 2 * #bodies do
    local headers = { Authorization = "Bearer " .. credentials[i % 2 + 1] }
    for name, value in pairs(wrk.headers) do headers[name] = value end
    requests[i] = wrk.format("POST", wrk.path, headers, bodies[math.ceil(i / 2)])
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
${load.rate ? `function delay() return math.random(0, ${wait}) end` : ''}
function done(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("FIGURES %d %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), latency.mean, bad))
end`;
}

async function measure(server: Server, load: Load, file: string): Promise<Figure> {
  const before = await onCpu(server.workers);
  const args = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '-s', file, server.url];
  const [program, ...words] = on(load.core ?? 1, ['wrk', ...args], load.undisturbed);
  const { stdout } = await run(program!, words);
  const after = await onCpu(server.workers);
  const [requests, duration, p50, p99, mean, bad] = /FIGURES (.*)/.exec(stdout)![1]!.split(' ').map(Number) as number[];
  const cpu = (after.all - before.all) / requests!;
  const user = (after.user - before.user) / requests!;
  const ms = (us: number) => us / 1000;
  return { rate: requests! / (duration! / 1e6), p50: ms(p50!), p99: ms(p99!), mean: ms(mean!), cpu, user, bad: bad! };
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
};

/** The median of each figure; all that went wrong. */
export function middle(figures: readonly Figure[]): Figure {
  const of = (pick: (figure: Figure) => number) => median(figures.map(pick));
  return {
    rate: of((one) => one.rate),
    p50: of((one) => one.p50),
    p99: of((one) => one.p99),
    mean: of((one) => one.mean),
    cpu: of((one) => one.cpu),
    user: of((one) => one.user),
    bad: figures.reduce((sum, one) => sum + one.bad, 0),
  };
}

/** Figures by round of each server: what changes on the machine meanwhile changes for all of them. */
export async function inTurn(servers: readonly Server[], load: Load): Promise<ReadonlyMap<Server, readonly Figure[]>> {
  const directory = await mkdtemp(`${tmpdir()}/wrk-`);
  const all = new Map<Server, Figure[]>(servers.map((server) => [server, []]));
  try {
    for (const [i, server] of servers.entries()) await writeFile(`${directory}/${i}.lua`, script(load, server));
    for (let round = 0; round < load.rounds; round += 1) {
      for (const [i, server] of servers.entries())
        all.get(server)!.push(await measure(server, load, `${directory}/${i}.lua`));
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  return all;
}

export function print(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(`\n${title}`);
  const right = head.slice(1).map(() => ({ align: 'right' as const }));
  for (const line of table([head, ...rows], [{}, ...right])) console.log(line);
}

/** Asks the servers in turn; the first is what the others are compared with, round by round. */
export async function compare(
  title: string,
  servers: readonly Server[],
  load: Load,
): Promise<ReadonlyMap<Server, Figure>> {
  const all = await inTurn(servers, load);
  const base = all.get(servers[0]!)!;
  const ratio = (server: Server, pick: (figure: Figure, base: Figure) => number) =>
    median(all.get(server)!.map((one, round) => pick(one, base[round]!))).toFixed(2);
  const figures = new Map([...all].map(([server, rounds]) => [server, middle(rounds)]));
  const rows = [...figures].map(([server, { rate, p50, p99, cpu, user, bad }]) => [
    server.name,
    rate.toFixed(0),
    ratio(server, (one, first) => one.rate / first.rate),
    `${p50.toFixed(2)} ms`,
    `${p99.toFixed(2)} ms`,
    server.workers.length === 0 ? '-' : cpu.toFixed(1),
    server.workers.length === 0 ? '-' : ratio(server, (one, first) => first.cpu / one.cpu),
    server.workers.length === 0 ? '-' : user.toFixed(1),
    String(bad),
  ]);
  print(title, ['', 'requests/s', 'x', 'p50', 'p99', 'CPU us/request', 'x', 'user us', 'bad'], rows);
  return figures;
}
