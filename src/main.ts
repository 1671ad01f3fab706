import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from './cli.js';
import { realWorld } from './hosts/world.js';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string };

const stop = new AbortController();
const interrupted = (): void => {
  // The second Ctrl-C does not wait for anybody.
  if (stop.signal.aborted) process.exit(130);
  stop.abort(new Error('interrupted'));
};
process.on('SIGINT', interrupted);
process.on('SIGTERM', interrupted);
// `deepseek-deploy logs | head`: a reader that went away is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const code = await run(process.argv.slice(2), process.env, (manner) => realWorld(manner, root, stop), version);
process.exitCode = code;
