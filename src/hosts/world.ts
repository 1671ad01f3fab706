import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import { type Manner, terminal } from '../ui/terminal.js';
import type { Places, World } from '../world.js';
import { systemClock } from './clock.js';
import { localFiles } from './files.js';
import { systemHttp } from './http.js';
import { localHost } from './local.js';
import { systemProcesses } from './processes.js';

type Env = Readonly<Record<string, string | undefined>>;

/** XDG Base Directory Specification 0.8: a relative path in these variables is to be ignored. */
const xdg = (value: string | undefined, fallback: string): string => (value && isAbsolute(value) ? value : fallback);

export function placesOf(env: Env, root: string, user = homedir()): Places {
  const state = xdg(env.XDG_STATE_HOME, `${user}/.local/state`);
  const cache = xdg(env.XDG_CACHE_HOME, `${user}/.cache`);
  return {
    home: env.DEEPSEEK_DEPLOY_HOME ? resolve(env.DEEPSEEK_DEPLOY_HOME) : `${state}/deepseek-deploy`,
    cache: `${cache}/deepseek-deploy`,
    package: root,
    node: process.execPath,
  };
}

async function allOf(stream: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of stream) {
    parts.push(part);
    size += part.length;
    if (size >= limit) break;
  }
  return Buffer.concat(parts).subarray(0, limit);
}

/** @param root the package's own folder */
export function realWorld(manner: Manner, root: string, stop: AbortController): World {
  const interrupt = (): never => {
    stop.abort(new Error('interrupted'));
    throw new UserError('interrupted', say('Stopped; nothing was changed.', '已停止，未做任何更改。'), {
      exit: 'interrupted',
    });
  };
  return {
    env: process.env,
    cwd: process.cwd(),
    places: placesOf(process.env, root),
    host: localHost,
    files: localFiles,
    http: systemHttp,
    clock: systemClock,
    processes: systemProcesses,
    ui: terminal(process, manner, process.env, systemClock, interrupt),
    ssh: async (settings) => (await import('./ssh.js')).openSsh(settings, process.env),
    stdin: (limit) => allOf(process.stdin, limit),
    random: (n) => randomBytes(n),
    stop: stop.signal,
  };
}
