/**
 * What the gateway costs beside bare nginx `proxy_pass` and the engine called directly. `npm run bench:gateway`.
 *
 * One worker on core 0; on core 1 the load generator (wrk) and an engine that answers canned JSON. All servers run at
 * once and are asked in turn, for some rounds; the median is told. On a shared machine believe the CPU time a request
 * and the ratios, not the rates.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { NginxBuild } from '../../src/gateway/nginx.js';
import { table } from '../../src/table.js';
import { type BuildName, build } from '../gateway/builds.js';
import { apiKey, freePort, startGateway, testSettings, until } from '../gateway/harness.js';

const run = promisify(execFile);
const connections = 32;
const seconds = Number(process.env.BENCH_SECONDS ?? 2);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);

const answer = JSON.stringify({
  id: 'chatcmpl-0123456789abcdef',
  object: 'chat.completion',
  created: 1_790_000_000,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(180) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 150, completion_tokens: 45, total_tokens: 195 },
});
const prompt = (bytes: number): string =>
  JSON.stringify({
    model: 'm',
    temperature: 0.6,
    max_tokens: 256,
    messages: [{ role: 'user', content: 'The quick brown fox. '.repeat(bytes / 21) }],
  });

interface Server {
  readonly name: string;
  readonly url: string;
  /** The worker whose CPU time is told; none for the engine called directly. */
  readonly worker: number | undefined;
  stop(): Promise<void>;
}

interface Figure {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of the worker's CPU time a request. */
  readonly cpu: number;
  readonly bad: number;
}

const on = (core: number, nginx: NginxBuild): NginxBuild => ({
  ...nginx,
  command: ['taskset', '-c', String(core), ...nginx.command],
});

const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path tmp/${name};`);

async function firstChild(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(text.trim().split(' ')[0]);
}

/** A bare nginx whose server does `body`. */
async function bare(name: string, nginx: NginxBuild, before: string, body: string): Promise<Server> {
  const directory = await mkdtemp(`${tmpdir()}/bare-`);
  await mkdir(`${directory}/tmp`);
  const port = await freePort();
  await writeFile(
    `${directory}/nginx.conf`,
    `daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit; events { worker_connections 4096; }
     http { access_log off; ${temp.join(' ')} keepalive_requests 1000000; client_body_buffer_size 1m;
     default_type application/json; ${before} server { listen 127.0.0.1:${port} backlog=4096; location / { ${body} } } }`,
  );
  const args = ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'];
  const child: ChildProcess = spawn(nginx.command[0], [...nginx.command.slice(1), ...args], { stdio: 'inherit' });
  const url = `http://127.0.0.1:${port}/v1/chat/completions`;
  await until(name, () => fetch(url, { method: 'POST' }).catch(() => undefined));
  const worker = await firstChild(child.pid!);
  const stop = async () => {
    child.kill('SIGTERM');
    await new Promise((done) => child.once('exit', done));
    await rm(directory, { recursive: true, force: true });
  };
  return { name, url, worker, stop };
}

const proxied = (name: string, nginx: NginxBuild, engine: number) =>
  bare(
    name,
    nginx,
    `upstream engine { server 127.0.0.1:${engine}; keepalive 256; keepalive_requests 1000000; }`,
    'proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection "";',
  );

const templates = fileURLToPath(new URL('../../templates/gateway', import.meta.url));

/** The pipeline with no policy after the named one. */
async function upTo(last: string | undefined): Promise<Record<string, string>> {
  const name = 'core/pipeline.lua';
  const text = await readFile(`${templates}/${name}`, 'utf8');
  if (last === undefined) return { [name]: text };
  const lines = text.split('\n');
  const end = lines.findIndex((line) => line.includes(`"policies.${last}"`));
  if (end < 0) throw new Error(`no policy ${last}`);
  const needed = /policies\.(id|method|key|body|model|version|peer)"/;
  return {
    [name]: lines.filter((line, i) => i <= end || !line.includes('"policies.') || needed.test(line)).join('\n'),
  };
}

async function gateway(name: string, nginx: NginxBuild, engine: number, last?: string): Promise<Server> {
  const settings = testSettings([{ host: '127.0.0.1', port: engine }]);
  const { url, pid, stop } = await startGateway(settings, { nginx, lua: await upTo(last), connections: 4096 });
  return { name, url: `${url}/v1/chat/completions`, worker: await firstChild(pid), stop };
}

const onCpu = async (pid: number): Promise<number> =>
  Number((await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ')[0]) / 1000;

const script = (body: string): string => `
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer ${apiKey}"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[${body}]==]
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("FIGURES %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), bad))
end`;

async function measure(server: Server, file: string): Promise<Figure> {
  const before = server.worker === undefined ? 0 : await onCpu(server.worker);
  const args = ['-c', '1', 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', file, server.url];
  const { stdout } = await run('taskset', args);
  const after = server.worker === undefined ? 0 : await onCpu(server.worker);
  const [requests, duration, p50, p99, bad] = /FIGURES (.*)/.exec(stdout)![1]!.split(' ').map(Number) as number[];
  return { rate: requests! / (duration! / 1e6), p50: p50!, p99: p99!, cpu: (after - before) / requests!, bad: bad! };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

function middle(figures: readonly Figure[]): Figure {
  const of = (pick: (figure: Figure) => number) => median(figures.map(pick));
  return {
    rate: of((one) => one.rate),
    p50: of((one) => one.p50),
    p99: of((one) => one.p99),
    cpu: Math.min(...figures.map((one) => one.cpu)),
    bad: figures.reduce((sum, one) => sum + one.bad, 0),
  };
}

/** Asks the servers in turn, round after round; the first is what the others are compared with. */
async function compare(title: string, servers: readonly Server[], body: string): Promise<void> {
  const directory = await mkdtemp(`${tmpdir()}/wrk-`);
  await writeFile(`${directory}/post.lua`, script(body));
  const all = new Map<Server, Figure[]>(servers.map((server) => [server, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const server of servers) all.get(server)!.push(await measure(server, `${directory}/post.lua`));
  }
  await rm(directory, { recursive: true });
  const figures = servers.map((server) => ({ server, ...middle(all.get(server)!) }));
  const base = figures[0]!;
  const rows = figures.map(({ server, rate, p50, p99, cpu, bad }) => [
    server.name,
    rate.toFixed(0),
    (rate / base.rate).toFixed(2),
    `${(p50 / 1000).toFixed(2)} ms`,
    `${(p99 / 1000).toFixed(2)} ms`,
    server.worker === undefined ? '-' : cpu.toFixed(1),
    server.worker === undefined ? '-' : (base.cpu / cpu).toFixed(2),
    String(bad),
  ]);
  const head = ['', 'requests/s', 'x', 'p50', 'p99', 'CPU us/request', 'x', 'bad'];
  console.log(`\n${title}`);
  const right = { align: 'right' as const };
  for (const line of table([head, ...rows], [{}, right, right, right, right, right, right, right])) console.log(line);
}

async function main(): Promise<void> {
  const steps = (process.env.BENCH_STEPS ?? '').split(',').filter(Boolean);
  const builds = (process.env.BENCH_BUILDS ?? 'debian,current').split(',') as BuildName[];
  const servers: Server[] = [];
  try {
    const engine = await bare('engine', on(1, await build('debian')), '', `return 200 '${answer}';`);
    servers.push(engine);
    const port = Number(new URL(engine.url).port);
    for (const name of builds) {
      const nginx = on(0, await build(name));
      const one = [await proxied('bare proxy_pass', nginx, port)];
      for (const step of steps) one.push(await gateway(`gateway, up to ${step}`, nginx, port, step));
      one.push(await gateway('gateway, all policies', nginx, port));
      servers.push(...one);
      const title = `nginx ${nginx.version.join('.')}`;
      await compare(
        `${title}, 768 B, c=${connections}`,
        [...one, { ...engine, worker: undefined, name: 'engine directly' }],
        prompt(640),
      );
      await compare(`${title}, 32 KiB, c=${connections}`, [one[0]!, one.at(-1)!], prompt(32 * 1024));
    }
  } finally {
    for (const server of servers) await server.stop();
  }
}

await main();
