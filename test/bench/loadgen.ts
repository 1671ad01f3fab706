/**
 * The load generator's own ceiling: what it costs beside undici with nobody reading (the bare limit) and beside wrk.
 * `npm run bench:loadgen`. The server is a bare socket that answers canned bytes, in a process of its own; each client
 * runs in a process of its own, in turn, the median of three counts. CPU per event says more than rates on a shared
 * machine.
 */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { unlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Pool } from 'undici';
import { Fold } from '../../src/bench/fold.js';
import { load } from '../../src/bench/load.js';
import { closed } from '../../src/bench/pace.js';
import { bodiesOf } from '../../src/bench/prompt.js';
import { ndjson } from '../../src/bench/record.js';
import { systemClock } from '../../src/hosts/clock.js';
import { systemHttp } from '../../src/hosts/http.js';
import { table } from '../../src/table.js';

const tokens = 64;
const pacedMs = 20;
const seconds = 2.5;

interface Figure {
  readonly requests: number;
  readonly seconds: number;
  /** Of the client's process, in µs, per event. */
  readonly cpuPerEvent: number;
}

const event = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-6f2d1c3b9a8e4f7d',
    object: 'chat.completion.chunk',
    created: 1790000000,
    model: 'deepseek-r1-distill-qwen-1.5b',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  })}\n\n`;

const first = event({ role: 'assistant', content: '' });
const last = `${event({}, 'length')}data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 64, completion_tokens: tokens, total_tokens: 64 + tokens } })}\n\ndata: [DONE]\n\n`;
const text = Array.from({ length: tokens }, (_, at) => event({ content: at % 7 === 3 ? ' "naïve"\n' : ' token' }));

const framed = (part: string): string => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`;
const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n';

/** Requests are small and come whole. `/burst` answers in one write, anything else one event at a time. */
function server(): void {
  const burst = Buffer.from(head + [first, ...text, last].map(framed).join('') + framed(''));
  const parts = [head + framed(first), ...text.map(framed), `${framed(last)}${framed('')}`].map((part) =>
    Buffer.from(part),
  );
  const paced = (socket: Socket): void => {
    let at = 0;
    const timer = setInterval(() => {
      socket.write(parts[at]!);
      at += 1;
      if (at === parts.length) clearInterval(timer);
    }, pacedMs);
    socket.once('close', () => clearInterval(timer));
  };
  const listener = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (bytes.subarray(0, 11).toString().startsWith('POST /burst')) socket.write(burst);
      else paced(socket);
    });
  });
  listener.listen(0, '127.0.0.1', () => process.send!((listener.address() as AddressInfo).port));
  process.once('disconnect', () => process.exit(0));
}

const bodyOf = bodiesOf({ model: 'm', maxTokens: tokens, ignoreEos: false, tokens: 64, seed: 1, nonce: 'a1b2c3d4' });
const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-0123456789' };

let pool: Pool | undefined;

/** undici's dispatch with a closed loop around it, and nobody who looks at what comes. */
async function bare(url: string, streams: number, ms: number): Promise<number> {
  const { origin, pathname } = new URL(url);
  pool ??= new (await import('undici')).Pool(origin, { pipelining: 1 });
  const until = performance.now() + ms;
  let requests = 0;
  const loop = async (): Promise<void> => {
    while (performance.now() < until) {
      await new Promise<void>((resolve, reject) => {
        pool!.dispatch(
          { path: pathname, method: 'POST', headers, body: bodyOf(requests), headersTimeout: 0, bodyTimeout: 0 },
          {
            onRequestStart() {},
            onResponseStart() {},
            onResponseData() {},
            onResponseEnd: () => resolve(),
            onResponseError: (_, error) => reject(error),
          },
        );
      });
      requests += 1;
    }
  };
  await Promise.all(Array.from({ length: streams }, loop));
  return requests;
}

/** The whole path of `bench`: pacer, records, fold. */
async function ours(url: string, streams: number, ms: number): Promise<number> {
  const fold = new Fold();
  let written = 0;
  await load(
    { http: systemHttp, clock: systemClock },
    { pacer: closed({ concurrency: streams, durationMs: ms }), url, headers, body: bodyOf, timeoutMs: 60_000 },
    (sample) => {
      fold.add(sample);
      written += ndjson(sample).length;
    },
    new AbortController().signal,
  );
  const { totals } = fold.summary();
  if (totals.failed > 0 || totals.outputTokens !== totals.good * tokens || totals.chunks !== totals.outputTokens) {
    throw new Error(`miscounted: ${JSON.stringify(totals)}`);
  }
  return written > 0 ? totals.good : 0;
}

async function client(which: 'bare' | 'ours', url: string, streams: number): Promise<void> {
  const run = which === 'bare' ? bare : ours;
  await run(url, streams, 500);
  const begun = performance.now();
  const before = process.cpuUsage();
  const requests = await run(url, streams, seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  const figure: Figure = {
    requests,
    seconds: (performance.now() - begun) / 1000,
    cpuPerEvent: (user + system) / (requests * (tokens + 2)),
  };
  process.send!(figure, () => process.exit(0));
}

const self = fileURLToPath(import.meta.url);

async function clientOf(which: string, url: string, streams: number): Promise<Figure> {
  const [figure] = await once(fork(self, [which, url, String(streams)]), 'message');
  return figure as Figure;
}

function wrk(url: string, streams: number): Figure | undefined {
  const script = `${tmpdir()}/loadgen-${process.pid}.lua`;
  writeFileSync(script, `wrk.method = "POST"\nwrk.body = [[${bodyOf(1)}]]\n`);
  try {
    const said = execFileSync('wrk', ['-t1', `-c${streams}`, `-d${Math.ceil(seconds)}`, '-s', script, url], {
      encoding: 'utf8',
    });
    return { requests: Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1]), seconds: 1, cpuPerEvent: Number.NaN };
  } catch {
    return undefined;
  } finally {
    unlinkSync(script);
  }
}

const median = (figures: readonly Figure[], of: (figure: Figure) => number): number =>
  figures.map(of).sort((a, b) => a - b)[Math.floor(figures.length / 2)]!;

async function compare(title: string, url: string, streams: number, withWrk: boolean): Promise<void> {
  const runs: Record<'bare' | 'ours', Figure[]> = { bare: [], ours: [] };
  for (let round = 0; round < 3; round += 1) {
    for (const which of ['bare', 'ours'] as const) runs[which].push(await clientOf(which, url, streams));
  }
  const row = (name: string, figures: readonly Figure[]): string[] => {
    const perSecond = median(figures, (figure) => figure.requests / figure.seconds);
    const limit = median(runs.bare, (figure) => figure.requests / figure.seconds);
    const cpu = median(figures, (figure) => figure.cpuPerEvent);
    return [
      name,
      perSecond.toFixed(0),
      (perSecond * (tokens + 2)).toFixed(0),
      `${(perSecond / limit).toFixed(2)}x`,
      Number.isNaN(cpu) ? '' : cpu.toFixed(2),
      Number.isNaN(cpu) ? '' : `${(cpu / median(runs.bare, (figure) => figure.cpuPerEvent)).toFixed(2)}x`,
    ];
  };
  const other = withWrk ? wrk(url, streams) : undefined;
  console.log(`\n${title}`);
  const shape = [{}, ...Array.from({ length: 5 }, () => ({ align: 'right' as const }))];
  const rows = [
    ['', 'requests/s', 'events/s', '', 'CPU µs/event', ''],
    row('undici alone', runs.bare),
    row('bench', runs.ours),
    ...(other ? [row('wrk', [other])] : []),
  ];
  for (const line of table(rows, shape, '  ')) console.log(line);
}

async function main(): Promise<void> {
  const listener = fork(self, ['server']);
  const [port] = await once(listener, 'message');
  try {
    console.log(`${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}, Node ${process.version}`);
    const base = `http://127.0.0.1:${port}`;
    await compare(`Answers of ${tokens} tokens at once, 16 streams: the parser's cost`, `${base}/burst`, 16, true);
    await compare(`A token each ${pacedMs} ms, 400 streams: the socket's cost`, `${base}/paced`, 400, false);
  } finally {
    listener.kill();
  }
}

const [role, url = '', streams = '1'] = process.argv.slice(2);
if (role === 'server') server();
else if (role === 'bare' || role === 'ours') await client(role, url, Number(streams));
else await main();
