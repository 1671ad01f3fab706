/** What is measured by `npm run bench:gateway`: bare nginx, the gateway with policies up to one or all of them, on core 0. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { breakerOptions } from '../../src/gateway/breaker.js';
import { cacheOptions, redisOptions } from '../../src/gateway/cache.js';
import { limitOptions, validationOptions } from '../../src/gateway/limits.js';
import type { NginxBuild } from '../../src/gateway/nginx.js';
import type { Settings } from '../../src/gateway/settings.js';
import { chunk } from '../gateway/grpc-engine.js';
import { freePort, type StartOptions, startGateway, until } from '../gateway/harness.js';
import { oauthSettings, signingKey, tokenOf, useKeys } from '../gateway/oauth-client.js';

export interface Server {
  readonly name: string;
  /** Of /v1/chat/completions. */
  readonly url: string;
  /** Whose CPU time and memory are told; none where they are not ours to tell. */
  readonly workers: readonly number[];
  /** An access token, where tokens are taken: half of the requests come with it. */
  readonly token?: string;
  stop(): Promise<void>;
}

/** @param undisturbed at a real-time priority, where that is allowed: others get the core only while it is idle */
export function on(core: number, command: readonly string[], undisturbed = false): [string, ...string[]] {
  const first = undisturbed && mayBeFirst ? ['chrt', '-f', '1'] : [];
  return [...first, 'taskset', '-c', String(core), ...command] as [string, ...string[]];
}

const mayBeFirst = spawnSync('chrt', ['-f', '1', 'true']).status === 0;

export const pinned = (core: number, nginx: NginxBuild, undisturbed = false): NginxBuild => ({
  ...nginx,
  command: on(core, nginx.command, undisturbed),
});

const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path tmp/${name};`);

export async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').map(Number);
}

interface BareOptions {
  /** Directives of `http`. */
  readonly before?: string;
  readonly workers?: number;
  /** Paths of a certificate and its key: then over TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** HTTP/2 alone, in the clear. */
  readonly http2?: boolean;
  /** With its Lua module, where that finds its library by itself. */
  readonly lua?: boolean;
}

/** A bare nginx whose server does `body`. */
export async function bare(name: string, nginx: NginxBuild, body: string, options: BareOptions = {}): Promise<Server> {
  const directory = await mkdtemp(`${tmpdir()}/bare-`);
  await mkdir(`${directory}/tmp`);
  const port = await freePort();
  const { before = '', workers = 1, tls, http2 = false, lua = false } = options;
  const secure = tls
    ? `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key}; ssl_protocols TLSv1.2 TLSv1.3;`
    : '';
  await writeFile(
    `${directory}/nginx.conf`,
    `${lua ? nginx.modules.map((path) => `load_module ${path};`).join(' ') : ''}
     daemon off; worker_processes ${workers}; pid nginx.pid; error_log stderr crit; events { worker_connections 19000; }
     http { access_log off; ${temp.join(' ')} keepalive_requests 1000000; client_body_buffer_size 1m;
     default_type application/json; ${before}
     server { listen 127.0.0.1:${port} ${tls ? 'ssl' : ''} ${http2 ? 'http2' : ''} backlog=4096; ${secure} location / { ${body} } } }`,
  );
  const args = ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'];
  const child: ChildProcess = spawn(nginx.command[0], [...nginx.command.slice(1), ...args], { stdio: 'inherit' });
  const found = await until(name, async () => {
    const pids = await childrenOf(child.pid!);
    return pids.length === workers && pids[0] ? pids : undefined;
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await new Promise((done) => child.once('exit', done));
    await rm(directory, { recursive: true, force: true });
  };
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}/v1/chat/completions`;
  return { name, url, workers: found, stop };
}

export const proxied = (name: string, nginx: NginxBuild, engine: number, options: BareOptions = {}, more = '') =>
  bare(name, nginx, `proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; ${more}`, {
    ...options,
    before: `upstream engine { server 127.0.0.1:${engine}; keepalive 256; keepalive_requests 1000000; }`,
  });

/** One that answers any call of SGLang's service with one message. @param nginx before 1.25: `listen … http2` */
export const grpcEngine = (nginx: NginxBuild, json: string): Promise<Server> =>
  bare(
    'engine, gRPC',
    nginx,
    `default_type application/grpc; add_trailer grpc-status 0;
     content_by_lua_block {
       ngx.req.read_body()
       ngx.print(ngx.decode_base64("${chunk(json, true).toString('base64')}"))
     }`,
    { http2: true, lua: true },
  );

export const overGrpc = (settings: Settings): Settings => ({
  ...settings,
  models: settings.models.map((model) => ({
    ...model,
    versions: model.versions.map((version) => ({ ...version, protocol: 'grpc' as const })),
  })),
});

const bounds = { requestsPerMinute: 5e7, tokensPerMinute: 2e9, tokensPerDay: 2e9, concurrent: 1e6 };

/** Nothing is left out, and nothing of it refuses: limits of key and tenant, breakers, clients, cache, validation, CORS. */
export const everything = (engine: number): Settings => ({
  ...oauthSettings([{ host: '127.0.0.1', port: engine }]),
  limits: limitOptions({ key: bounds, tenant: bounds, perEngine: 100_000 }),
  breaker: breakerOptions(),
  degrade: { order: ['version', 'model'], models: { m: ['n'] } },
  cache: cacheOptions(),
  validation: validationOptions(),
  cors: { origins: ['https://app.example'], maxAgeS: 600 },
});

export const withRedis = (settings: Settings, port: number, budgetMs = 100): Settings => ({
  ...settings,
  redis: redisOptions({ nodes: [{ host: '127.0.0.1', port }], budgetMs }),
});

/** @param token for one over TLS, who is not asked for one: any gateway's with the same settings */
export async function gateway(
  name: string,
  settings: Settings,
  options: StartOptions,
  token?: string,
): Promise<Server> {
  const started = await startGateway(settings, { connections: 19_000, ...options });
  const { url, pid, stop } = started;
  const server = { name, url: `${url}/v1/chat/completions`, workers: await childrenOf(pid), stop };
  if (!settings.clients) return server;
  await useKeys(started, { current: signingKey });
  return { ...server, token: token ?? (await tokenOf(started)) };
}

/** The settings that a policy reads, where it has any. */
const settingsOf: Readonly<Record<string, readonly (keyof Settings)[]>> = {
  cors: ['cors'],
  validate: ['validation'],
  limits: ['limits'],
  cache: ['cache'],
  breaker: ['breaker', 'degrade'],
};

/** `settings` without those of the policies that come after the named one. */
export async function settingsUpTo(settings: Settings, last: string): Promise<Settings> {
  const names = await policies();
  const later = names.slice(names.indexOf(last) + 1).flatMap((name) => settingsOf[name] ?? []);
  return Object.fromEntries(
    Object.entries(settings).filter(([name]) => !later.some((one) => one === name)),
  ) as unknown as Settings;
}

const templates = fileURLToPath(new URL('../../templates/gateway', import.meta.url));
const pipeline = 'core/pipeline.lua';
/** Without these no engine can be asked. */
const needed = ['id', 'listed', 'method', 'key', 'body', 'model', 'version', 'peer'];

export async function policies(): Promise<readonly string[]> {
  const text = await readFile(`${templates}/${pipeline}`, 'utf8');
  return [...text.matchAll(/^ {2}"policies\.(\w+)",/gm)].map(([, name]) => name!);
}

/** The audit policy that lists requests and writes nothing. */
async function silent(): Promise<string> {
  const text = await readFile(`${templates}/policies/audit.lua`, 'utf8');
  const cut = text.replace(/function M\.done\([\s\S]*?\nend/, 'function M.done(req) in_hand.leave(req) end');
  if (cut === text) throw new Error('policies/audit.lua has no M.done');
  return cut;
}

/** The pipeline with no policy after the named one, but for those that are needed. */
export async function upTo(last: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(`${templates}/${pipeline}`, 'utf8');
  const names = await policies();
  const left = names.filter((name, at) => at <= names.indexOf(last) || name === 'audit' || needed.includes(name));
  const lines = text.split('\n').filter((line) => {
    const name = /^ {2}"policies\.(\w+)",/.exec(line)?.[1];
    return name === undefined || left.includes(name);
  });
  const quiet = names.indexOf(last) < names.indexOf('audit') ? { 'policies/audit.lua': await silent() } : {};
  return { [pipeline]: lines.join('\n'), ...quiet };
}

/** The policies that are added in turn, after those that are needed. */
export const added = async (): Promise<readonly string[]> =>
  (await policies()).filter((name) => !needed.includes(name));
