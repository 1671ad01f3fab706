/** @portkey-ai/gateway as a peer: fetched from the registry into a cache folder when it is wanted, by this script alone. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, until } from '../gateway/harness.js';
import type { Server } from './gateway-servers.js';

const version = '1.15.2';
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'deepseek-deploy-test');
const root = join(cache, `portkey-${version}`);
const main = join(root, 'node_modules/@portkey-ai/gateway/build/start-server.js');

async function install(): Promise<void> {
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'npm-'));
  const words = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder];
  try {
    await promisify(execFile)('npm', [...words, `@portkey-ai/gateway@${version}`], { cwd: folder });
    await rename(folder, root).catch((error) => {
      if (!existsSync(main)) throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const portkeyHeaders = (engine: number): Readonly<Record<string, string>> => ({
  'x-portkey-provider': 'openai',
  'x-portkey-custom-host': `http://127.0.0.1:${engine}/v1`,
});

/** On core 0. @throws when the registry does not have it */
export async function portkey(): Promise<Server> {
  if (!existsSync(main)) await install();
  const port = await freePort();
  const command = ['-c', '0', process.execPath, main, '--headless', `--port=${port}`];
  const child = spawn('taskset', command, { stdio: 'ignore', env: { ...process.env, NODE_ENV: 'production' } });
  const gone = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  await until('Portkey', () => fetch(`http://127.0.0.1:${port}/`).catch(() => undefined), 20_000).catch(
    async (error) => {
      await stop();
      throw error;
    },
  );
  const url = `http://127.0.0.1:${port}/v1/chat/completions`;
  return { name: `Portkey ${version}, no policy`, url, workers: [child.pid!], stop };
}
