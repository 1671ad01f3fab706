/** Lua under test, run inside a real nginx: a bare server that evaluates what it is posted. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { told } from '../../src/gateway/nginx.js';
import { type BuildName, build } from './builds.js';
import { freePort, until } from './harness.js';

const templates = fileURLToPath(new URL('../../templates/gateway', import.meta.url));

export interface Lua {
  /** Runs a chunk that returns one value, which must be JSON; `...` in it is the argument, decoded. */
  run(chunk: string, argument?: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

const server = `
content_by_lua_block {
  local cjson = require "cjson"
  ngx.req.read_body()
  local posted = cjson.decode(ngx.req.get_body_data())
  local chunk, err = loadstring(posted.chunk)
  if not chunk then ngx.status = 500 return ngx.print(err) end
  local ok, value = xpcall(function() return chunk(posted.argument) end, debug.traceback)
  if not ok then ngx.status = 500 return ngx.print(value) end
  ngx.print(cjson.encode { value = value })
}`;

/** @param dicts shared dictionaries the modules under test want, by name */
export async function startLua(nginx: BuildName = 'debian', dicts: readonly string[] = []): Promise<Lua> {
  const { command, modules, luaPath = [], luaCPath = [] } = await build(nginx);
  const directory = await mkdtemp(join(tmpdir(), 'lua-'));
  await chmod(directory, 0o755);
  await mkdir(`${directory}/tmp`);
  const port = await freePort();
  const conf = [
    ...modules.map((path) => `load_module ${path};`),
    'daemon off; master_process off; pid nginx.pid; error_log stderr warn; events {}',
    'http {',
    `lua_package_path "${[`${templates}/?.lua`, ...luaPath].join(';')};;";`,
    `lua_package_cpath "${luaCPath.join(';')};;";`,
    ...dicts.map((name) => `lua_shared_dict ${name} 1m;`),
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path tmp/${name};`),
    'access_log off; client_max_body_size 64m; client_body_buffer_size 64m;',
    `server { listen 127.0.0.1:${port}; ${told.join(' ')} location = / { ${server} } }`,
    '}',
  ];
  await writeFile(`${directory}/nginx.conf`, conf.join('\n'));
  const args = ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'];
  const child = spawn(command[0], [...command.slice(1), ...args], { stdio: ['ignore', 'inherit', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data) => {
    log += data;
  });
  const gone = new Promise<void>((done) => child.once('exit', () => done()));
  const run = async (chunk: string, argument?: unknown): Promise<unknown> => {
    const body = JSON.stringify({ chunk, argument });
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${text}\n${log}`);
    return (JSON.parse(text) as { value?: unknown }).value;
  };
  const stop = async () => {
    child.kill('SIGTERM');
    await gone;
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await until('Lua answers', () => fetch(`http://127.0.0.1:${port}/`, { method: 'POST' }).catch(() => undefined));
  } catch (error) {
    await stop();
    throw new Error(log, { cause: error });
  }
  return { run, stop };
}
