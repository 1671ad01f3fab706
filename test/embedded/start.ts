/** A real engine for tests: a process of its own, the demo model, a port from the system. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EngineConfig, engineCommand, engineConfig } from '../../src/engines/embedded.js';
import { demoModel } from '../../src/models/demo.js';
import { builtEngine } from './built.js';
import { testRuntime } from './runtime.js';

export interface EngineOptions extends Partial<Omit<EngineConfig, 'model' | 'runtime'>> {
  /** Default 'demo'. */
  readonly modelId?: string;
  /** A GGUF file's bytes; default the demo model. */
  readonly modelBytes?: Uint8Array;
  /** Then every request but /health and /metrics needs it. */
  readonly key?: string;
  /** Do not wait for the model. */
  readonly early?: boolean;
}

export interface LogLine {
  readonly event: string;
  readonly [detail: string]: unknown;
}

export interface RunningEngine {
  /** 'http://127.0.0.1:12345', without a path. */
  readonly url: string;
  readonly port: number;
  /** Where gRPC listens, when `grpcPort` was given. */
  readonly grpcPort: number | undefined;
  readonly process: ChildProcess;
  readonly log: readonly LogLine[];
  /** Resolves with the log line of this event, now or when it comes. */
  event(name: string): Promise<LogLine>;
  /** SIGTERM; resolves with the exit status. */
  stop(): Promise<number | null>;
}

export async function startEngine(options: EngineOptions = {}): Promise<RunningEngine> {
  const { modelId = 'demo', modelBytes, key, early, ...settings } = options;
  const [dist, runtime] = await Promise.all([builtEngine(), testRuntime()]);
  const folder = await mkdtemp(join(tmpdir(), 'engine-'));
  const model = { id: modelId, file: join(folder, 'model.gguf') };
  await writeFile(model.file, modelBytes ?? demoModel());
  if (key !== undefined) await writeFile(join(folder, 'key'), key, { mode: 0o600 });
  const config: EngineConfig = {
    ...{ host: '127.0.0.1', port: 0, threads: 1, sequences: 4, contextSize: 1024, queue: 16, drainSeconds: 10 },
    ...{ demo: modelBytes === undefined, runtime, model },
    ...(key === undefined ? {} : { keyFile: join(folder, 'key') }),
    ...settings,
  };
  await writeFile(join(folder, 'engine.json'), engineConfig(config));
  const places = { home: folder, cache: folder, package: dist, node: process.execPath };
  const { argv } = engineCommand(places, join(folder, 'engine.json'));
  const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'inherit', 'pipe'] });
  const ended = once(child, 'exit').then(async ([code]) => {
    await rm(folder, { recursive: true, force: true });
    return code as number | null;
  });
  const lines = follow(child, ended);
  const listening = await lines.event('listening');
  if (early !== true) await lines.event('ready');
  return {
    url: `http://127.0.0.1:${listening.port}`,
    port: listening.port as number,
    grpcPort: listening.grpcPort as number | undefined,
    process: child,
    ...lines,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

function follow(child: ChildProcess, ended: Promise<number | null>): Pick<RunningEngine, 'log' | 'event'> {
  const log: LogLine[] = [];
  const waiting = new Set<() => void>();
  let rest = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) log.push(line.startsWith('{') ? JSON.parse(line) : { event: 'text', line });
    for (const look of waiting) look();
  });
  const event = (name: string): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = log.find((line) => line.event === name);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void ended.then((code) =>
        reject(new Error(`the engine ended with ${code} before '${name}': ${JSON.stringify(log)}`)),
      );
    });
  return { log, event };
}
