/** Brings the engine up and takes it down. */
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { EngineConfig } from '../engines/embedded.js';
import { loadAddon } from './addon.js';
import type { Served } from './answering.js';
import { calibrate } from './calibrate.js';
import { cpuLimits } from './cpu.js';
import type { Door } from './door.js';
import { grpcServer } from './grpc.js';
import { httpServer } from './http.js';
import type { Log } from './log.js';
import { Metrics } from './metrics.js';
import { Model } from './model.js';
import { writeLate } from './pacer.js';
import { Scheduler } from './scheduler.js';
import { State } from './state.js';
import { usableThreads } from './threads.js';
import type { Sink } from './work.js';

/** For the last error events to reach their clients. */
const cutAfterMs = 200;

function keyOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const key = readFileSync(file, 'utf8').trim();
  if (key === '') throw new Error(`${file} holds no key`);
  if ((statSync(file).mode & 0o077) !== 0) throw new Error(`${file} can be read by others; chmod 600 it`);
  return key;
}

async function listen({ server }: Door, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The model has said a word: only that makes it ready. */
async function firstWord(scheduler: Scheduler, model: Model): Promise<void> {
  const ending = await new Promise<string>((resolve) => {
    const sink: Sink = { start: () => {}, token: () => true, end: resolve };
    const sampling = { temperature: 0, topP: 1 };
    const prompt = model.tokenize('1', false);
    const sampler = () => model.sampler(sampling, 1);
    scheduler.submit([{ prompt, maxTokens: 1, ignoreEos: true, reuse: false, sampler, sink }]);
  });
  if (ending !== 'length') throw new Error(`the model does not answer: ${ending}`);
}

async function load(config: EngineConfig, log: Log, onBroken: (error: Error) => void): Promise<Served> {
  const begin = performance.now();
  const addon = await loadAddon(config.runtime, (level, message) => {
    const text = message.trim();
    if (text !== '') log('llama.cpp', { text }, level <= 2 ? 'error' : 'warn');
  });
  const { sequences, contextSize, queue } = config;
  const limits = cpuLimits();
  const size = { sequences, contextSize };
  const model = await Model.load(addon, config.model.file, size, usableThreads(limits));
  log('model.loaded', {
    model: config.model.id,
    description: model.description,
    ms: Math.round(performance.now() - begin),
    ...(config.demo ? { demo: 'random weights: what it says is gibberish' } : {}),
  });
  if (contextSize > model.trainedContext) {
    log('context.long', { contextSize, trained: model.trainedContext }, 'warn');
  }
  const token = model.tokenize('1', false)[0] ?? 0;
  const chosen = await calibrate(model.context, token, sequences, limits, config.threads);
  log('threads', { ...chosen, cpus: limits.allowed.length, cores: limits.cores, quota: limits.quota });
  const all = { ...size, chunk: model.chunk, queue };
  const scheduler = new Scheduler(model.context, all, (end) => model.isEnd(end), onBroken, writeLate);
  await firstWord(scheduler, model);
  return { model, scheduler, metrics: new Metrics(config.model.id), modelId: config.model.id, contextSize };
}

export interface Engine {
  /** Takes no more requests, waits for running ones (`drainSeconds`), and closes. */
  stop(): Promise<void>;
}

/**
 * Listens, then loads. @param onBroken the model fails for good: the process should end.
 * @throws Error when the address is taken, or the model cannot be loaded
 */
export async function serve(config: EngineConfig, log: Log, onBroken: (error: Error) => void): Promise<Engine> {
  const state = new State();
  const options = { state, key: keyOf(config.keyFile), log };
  const http = httpServer(options);
  const doors = [http];
  const port = await listen(http, config.host, config.port);
  let grpcPort: number | undefined;
  if (config.grpcPort !== undefined) {
    const grpc = grpcServer(options);
    doors.push(grpc);
    grpcPort = await listen(grpc, config.host, config.grpcPort);
  }
  log('listening', { host: config.host, port, grpcPort, pid: process.pid });
  try {
    state.ready(await load(config, log, onBroken));
  } catch (error) {
    for (const door of doors) door.cut();
    throw error;
  }
  log('ready', { model: config.model.id });
  return { stop: () => drain(doors, state, config.drainSeconds, log) };
}

async function drain(doors: readonly Door[], state: State, seconds: number, log: Log): Promise<void> {
  state.refuse('the engine is shutting down');
  const scheduler = state.any()?.scheduler;
  const load = scheduler?.load();
  log('draining', { running: load?.running ?? 0, waiting: load?.waiting ?? 0, seconds });
  const closed = Promise.all(doors.map((door) => door.close()));
  const deadline = setTimeout(() => {
    log('drain.cut', { running: scheduler?.load().running }, 'warn');
    scheduler?.abortAll();
    setTimeout(() => {
      for (const door of doors) door.cut();
    }, cutAfterMs);
  }, seconds * 1000);
  await closed;
  clearTimeout(deadline);
}
