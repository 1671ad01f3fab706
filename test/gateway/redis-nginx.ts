/** nginx with the gateway's Lua on its path and nothing else: runs pieces of Lua in a request, and tells what they return. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildName, build } from './builds.js';
import { freePort, until } from './harness.js';

const templates = fileURLToPath(new URL('../../templates/gateway', import.meta.url));

export interface LuaNginx {
  /** Runs Lua in one of the workers; `args` are its `...`, JSON both ways (nil comes back as null). */
  run<T = unknown>(code: string, ...args: unknown[]): Promise<T>;
  /** What nginx wrote on standard error. */
  log(): string;
  stop(): Promise<void>;
}

const handler = `
local cjson = require "cjson"
ngx.req.read_body()
local input = cjson.decode(ngx.req.get_body_data())
for i = 1, input.count do
  if input.args[i] == cjson.null then input.args[i] = nil end
end
local code, err = loadstring(input.code)
if not code then ngx.status = 500 ngx.print(err) return end
local out = { pcall(code, unpack(input.args, 1, input.count)) }
if not out[1] then ngx.status = 500 ngx.print(tostring(out[2])) return end
local value = out[2]
if value == nil then value = cjson.null end
ngx.print(cjson.encode({ value, out[3] == nil and cjson.null or out[3] }))
`;

export interface LuaOptions {
  readonly nginx?: BuildName;
  readonly workers?: number;
  /** More lines for nginx.conf's http block. */
  readonly http?: string;
}

export async function startLua({ nginx = 'debian', workers = 1, http = '' }: LuaOptions = {}): Promise<LuaNginx> {
  const found = await build(nginx);
  const folder = await mkdtemp(join(tmpdir(), 'lua-nginx-'));
  await chmod(folder, 0o755);
  const port = await freePort();
  const path = [`${templates}/?.lua`, ...(found.luaPath ?? [])].join(';');
  const cpath = (found.luaCPath ?? []).map((one) => `lua_package_cpath "${one};;";`).join('');
  await writeFile(join(folder, 'handler.lua'), handler);
  await writeFile(
    join(folder, 'nginx.conf'),
    `${found.modules.map((one) => `load_module ${one};`).join('\n')}
    daemon off; pid nginx.pid; worker_processes ${workers}; error_log stderr info;
    events { worker_connections 4096; }
    http {
      access_log off; keepalive_timeout 0; client_body_buffer_size 4m; client_max_body_size 4m; ${http}
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((one) => `${one}_temp_path ${one};`).join(' ')}
      lua_package_path "${path};;"; ${cpath}
      lua_shared_dict gateway_metrics 4m; lua_shared_dict gateway_redis 1m;
      lua_shared_dict gateway_cache 8m; lua_shared_dict gateway_flights 1m;
      init_by_lua_block { require "resty.core" }
      server { listen 127.0.0.1:${port}; location /run { content_by_lua_file handler.lua; } location /up { return 200; } }
    }`,
  );
  const [file, ...words] = [...found.command, '-p', folder, '-c', 'nginx.conf', '-e', 'stderr'];
  const child = spawn(file!, words, { stdio: ['ignore', 'inherit', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data) => {
    log += data;
  });
  const gone = new Promise<void>((done) => child.once('exit', () => done()));
  const stop = async () => {
    child.kill('SIGTERM');
    await gone;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until('nginx answers', async () => {
      if (child.exitCode !== null) throw new Error(`nginx ended: ${log}`);
      return (await fetch(`http://127.0.0.1:${port}/up`).catch(() => undefined))?.ok || undefined;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async run<T>(code: string, ...args: unknown[]): Promise<T> {
      const body = JSON.stringify({ code, args, count: args.length });
      const response = await fetch(`http://127.0.0.1:${port}/run`, { method: 'POST', body });
      const text = await response.text();
      if (response.status !== 200) throw new Error(text);
      return JSON.parse(text) as T;
    },
    log: () => log,
    stop,
  };
}
