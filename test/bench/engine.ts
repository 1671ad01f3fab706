/**
 * `npm run bench:engine`: tokens a second through the engine's HTTP streams against calling llama.cpp directly in one
 * loop: same binding, model, threads and batch widths. The two take turns, and the best round of each counts, since
 * other work on the machine can only make a round slower.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Addon, type AddonContext, type AddonModel, loadAddon } from '../../src/embedded/addon.js';
import { type DemoShape, demoModel, demoShape } from '../../src/models/demo.js';
import { testRuntime } from '../embedded/runtime.js';
import { type RunningEngine, startEngine } from '../embedded/start.js';

/** `bench:engine -- demo 1,16` runs a part. */
const [only, someWidths] = process.argv.slice(2);
const widths = someWidths?.split(',').map(Number) ?? [1, 4, 16];
const rounds = 8;
/** More tokens for each stream, in which the others begin and end. */
const overlap = 12;
/** Each round is about so long. */
const roundMs = 400;
const contextSize = 1024;
/** Tokens of each stream in a round, at most: attention grows with them. */
const longest = 512;
const prompt = 'The stone bridge over the river is old';

const shapes: Readonly<Record<string, DemoShape>> = {
  demo: demoShape,
  larger: { width: 512, heads: 8, layers: 12, hidden: 1536, weights: 'q8_0', context: 8192 },
};

interface Direct {
  readonly addon: Addon;
  readonly model: AddonModel;
  readonly context: AddonContext;
}

async function loadDirect(file: string, threads: number): Promise<Direct> {
  const addon = await loadAddon(await testRuntime(), () => {});
  const model = new addon.AddonModel(file, { addonExports: addon, gpuLayers: 0, useMmap: true });
  await model.init();
  const sequences = Math.max(...widths);
  const size = { contextSize: contextSize * sequences, batchSize: 256 + sequences, sequences };
  const context = new addon.AddonContext(model, { ...size, threads, flashAttention: 'auto' });
  await context.init();
  return { addon, model, context };
}

/** The loop that anyone would write: decode, sample each, again. Milliseconds for `count` tokens of each sequence. */
async function loop({ addon, model, context }: Direct, width: number, count: number): Promise<number> {
  const tokens = model.tokenize(prompt, false);
  const rows = Array.from({ length: width }, (_, sequence) => {
    const sampler = new addon.AddonSampler(model);
    sampler.applyConfig({ temperature: 1, topP: 1, seed: sequence });
    context.disposeSequence(sequence);
    return { sequence, sampler, next: tokens, position: 0 };
  });
  let start = 0;
  for (let i = 0; i <= count; i++) {
    context.initBatch(rows.reduce((sum, { next }) => sum + next.length, 0));
    const logits = rows.map((row) => {
      const last = Uint32Array.of(row.next.length - 1);
      const [place] = context.addToBatch(row.sequence, row.position, row.next, last);
      row.position += row.next.length;
      return place!;
    });
    await context.decodeBatch();
    const sampled = await Promise.all(rows.map((row, at) => context.sampleToken(logits[at]!, row.sampler)));
    for (const [at, row] of rows.entries()) row.next = Uint32Array.of(sampled[at]!);
    if (i === 0) start = performance.now();
  }
  const elapsed = performance.now() - start;
  for (const { sampler } of rows) sampler.dispose();
  return elapsed;
}

/** When the events of one stream came; read as cheaply as can be: events are counted by their blank lines. */
function stream(port: number, seed: number, count: number): Promise<number[]> {
  const body = JSON.stringify({ model: 'bench', prompt, stream: true, max_tokens: count, seed, ignore_eos: true });
  const head = `POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`;
  return new Promise((resolve, reject) => {
    const times: number[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(head + body));
    socket.on('data', (bytes) => {
      const now = performance.now();
      for (let at = bytes.indexOf('\n\n'); at >= 0; at = bytes.indexOf('\n\n', at + 2)) times.push(now);
    });
    socket.on('close', () => resolve(times)).on('error', reject);
  });
}

/** Tokens a second while all streams speak: prompts are not read any more, and nobody has ended yet. */
async function served(engine: RunningEngine, width: number, count: number): Promise<number> {
  const streams = await Promise.all(Array.from({ length: width }, (_, seed) => stream(engine.port, seed, count)));
  const few = streams.find((times) => times.length < count * 0.9);
  if (few !== undefined) throw new Error(`a stream had only ${few.length} events for ${count} tokens`);
  const from = Math.max(...streams.map((times) => times[0]!));
  const to = Math.min(...streams.map((times) => times.at(-1)!));
  const within = streams.flat().filter((at) => at > from && at <= to).length;
  return (within * 1000) / (to - from);
}

/** Seconds of CPU that the process has used. */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).split(') ')[1]?.split(' ');
  return fields === undefined ? Number.NaN : (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Row {
  readonly streams: number;
  readonly direct: number;
  readonly engine: number;
  /** CPU of the process that computes, microseconds a token. */
  readonly directCpu: number;
  readonly engineCpu: number;
}

async function compare(llama: Direct, engine: RunningEngine, width: number): Promise<Row> {
  const trial = 8;
  const perToken = (await loop(llama, width, trial)) / trial;
  const count = Math.min(longest, Math.max(16, Math.round(roundMs / perToken)));
  await served(engine, width, Math.min(count, 50));
  const best = { streams: width, direct: 0, engine: 0, directCpu: 0, engineCpu: 0 };
  for (let round = 0; round < rounds; round++) {
    const speed = (ms: number): number => (count * width * 1000) / ms;
    const cpu = (seconds: number, tokens: number): number => (seconds * 1e6) / (tokens * width);
    const begin = process.cpuUsage();
    const direct = speed(await loop(llama, width, count));
    const { user, system } = process.cpuUsage(begin);
    if (direct > best.direct) Object.assign(best, { direct, directCpu: cpu((user + system) / 1e6, count) });
    const before = await cpuSeconds(engine.process.pid!);
    const through = await served(engine, width, count + overlap);
    const used = (await cpuSeconds(engine.process.pid!)) - before;
    if (through > best.engine) Object.assign(best, { engine: through, engineCpu: cpu(used, count + overlap) });
  }
  return best;
}

/** Tokens a second of a few steps: with too many threads they may take a while. */
async function brief(llama: Direct, width: number): Promise<number> {
  const few = 4;
  const perStep = (await loop(llama, width, few)) / few;
  const more = Math.min(100, Math.max(few, Math.round(100 / perStep)));
  return (more * width * 1000) / (await loop(llama, width, more));
}

const cell = (value: number | string, width: number): string =>
  (typeof value === 'number' ? value.toFixed(0) : value).padStart(width);

async function bench(name: string, shape: DemoShape): Promise<void> {
  const bytes = demoModel(42, shape);
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  const file = join(folder, 'model.gguf');
  await writeFile(file, bytes);
  const sequences = Math.max(...widths);
  const size = { modelId: 'bench', modelBytes: bytes, sequences, contextSize, queue: 0 };
  const engine = await startEngine({ ...size, threads: 'auto' });
  const { threads, why } = engine.log.find((line) => line.event === 'threads') as never as {
    threads: number;
    why: string;
  };
  const llama = await loadDirect(file, threads);
  const megabytes = (bytes.length / 1e6).toFixed(0);
  console.log(`\n${name}: ${(llama.model.getTotalParameters() / 1e6).toFixed(1)} M parameters, ${megabytes} MB`);
  console.log(`threads: ${threads} (${why})`);
  for (let tried = 1; tried <= cpus().length; tried *= 2) {
    llama.context.setThreads(tried);
    const [one, four] = [await brief(llama, 1), await brief(llama, 4)];
    console.log(`  direct with ${tried}: ${cell(one, 6)} tokens/s alone, ${cell(four, 6)} with four sequences`);
  }
  llama.context.setThreads(threads);
  console.log(' streams  direct tokens/s  engine tokens/s   ratio  CPU us/token: direct  engine');
  for (const width of widths) {
    const row = await compare(llama, engine, width);
    const ratio = (row.engine / row.direct).toFixed(2);
    const cpu = cell(row.directCpu, 22) + cell(row.engineCpu, 8);
    console.log(cell(width, 8) + cell(row.direct, 17) + cell(row.engine, 17) + cell(ratio, 8) + cpu);
  }
  await llama.context.dispose();
  await llama.model.dispose();
  await engine.stop();
  await rm(folder, { recursive: true, force: true });
}

const [cpu] = cpus();
console.log(
  `${cpu?.model.trim()}, ${cpus().length} CPUs, Node ${process.version}, load ${(await readFile('/proc/loadavg', 'utf8').catch(() => '?')).split(' ')[0]}`,
);
for (const [name, shape] of Object.entries(shapes)) if (only === undefined || only === name) await bench(name, shape);
