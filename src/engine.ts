/** The embedded engine's process: `engine.js --config FILE` serves, `engine.js --probe DIR` loads the runtime and ends. */
import { readFileSync } from 'node:fs';
import { loadAddon } from './embedded/addon.js';
import { readConfig } from './embedded/config.js';
import { stderrLog as log } from './embedded/log.js';
import { type Engine, serve } from './embedded/serve.js';

const [mode, path] = process.argv.slice(2);

const fail = (event: string, error: unknown): never => {
  log(event, { message: (error as Error).message }, 'error');
  process.exit(1);
};

async function probe(runtime: string): Promise<void> {
  const addon = await loadAddon(runtime, () => {});
  process.stdout.write(`${addon.systemInfo()}\n`);
}

async function run(file: string): Promise<void> {
  let engine: Engine | undefined;
  let stopping = false;
  const stop = (): void => {
    // The second signal, or one while the model loads, does not wait.
    if (stopping || engine === undefined) process.exit(stopping ? 1 : 0);
    stopping = true;
    void engine.stop().then(() => {
      log('stopped');
      process.exit(0);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Whoever read our output may go away; the engine serves on.
  process.on('SIGHUP', () => {});
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  engine = await serve(readConfig(readFileSync(file, 'utf8')), log, (error) => fail('broken', error));
}

if (path === undefined || (mode !== '--config' && mode !== '--probe')) {
  process.stderr.write('usage: engine.js --config FILE | --probe RUNTIME\n');
  process.exit(2);
}
try {
  await (mode === '--probe' ? probe(path) : run(path));
} catch (error) {
  fail('failed', error);
}
