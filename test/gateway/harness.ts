/** A real gateway on loopback ports of the system's choosing, in a folder of its own, gone after `stop`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytesOf, linesOf, names } from '../../src/audit/files.js';
import type { Admin } from '../../src/gateway/admin.js';
import {
  auditFolder,
  type GatewayPlan,
  gatewayCommand,
  gatewayFiles,
  gatewayFolders,
  secretsAsFile,
  settingsAsFile,
} from '../../src/gateway/files.js';
import { hashKey } from '../../src/gateway/keys.js';
import type { NginxBuild, NginxOptions } from '../../src/gateway/nginx.js';
import type { Key, Peer, Secrets, Settings } from '../../src/gateway/settings.js';
import { localFiles } from '../../src/hosts/files.js';
import { type BuildName, build } from './builds.js';

export const secrets: Secrets = {
  pepper: 'pepper-of-the-tests',
  adminKey: 'admin-of-the-tests',
  engineKey: 'engine-key',
  redisPassword: 'redis-of-the-tests',
  cacheSecret: 'cache-of-the-tests',
  cloudKey: 'cloud-key-of-the-tests',
  auditSecret: 'audit-of-the-tests',
};
export const apiKey = 'sk-of-the-tests';

export const testKey = (more: Partial<Key> = {}, secret = apiKey): Key => ({
  id: 'key_000000000001',
  name: 'test',
  hash: hashKey(secrets.pepper, secret),
  tenant: 'tests',
  createdAt: 1_700_000_000,
  ...more,
});

/** One key and one model named 'm' whose version blue is served by the peers. */
export const testSettings = (peers: readonly Peer[], more: Partial<Settings> = {}): Settings => ({
  revision: 1,
  keys: [testKey()],
  models: [{ id: 'm', created: 1_700_000_000, versions: [{ name: 'blue', weight: 100, peers }] }],
  ...more,
});

export interface AuditLine {
  readonly [field: string]: string | number | boolean | null;
}

export interface Gateway {
  readonly url: string;
  readonly admin: Admin;
  readonly directory: string;
  readonly pid: number;
  readonly process: ChildProcess;
  /** What nginx wrote on standard error. */
  log(): string;
  audit(): Promise<readonly AuditLine[]>;
  /** The audit line of a request, once it is there. */
  auditOf(id: string): Promise<AuditLine>;
  /** As an editor or a ConfigMap does it: another file moved over it. */
  replaceSettings(settings: Settings): Promise<void>;
  put(settings: Settings): Promise<Response>;
  post(body: unknown, more?: RequestInit & { path?: string }): Promise<Response>;
  /** Master and workers, all at once, by SIGKILL. */
  kill(): Promise<void>;
  /** Once more in its folder, at its ports. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

const templates = fileURLToPath(new URL('../../templates/gateway', import.meta.url));

async function lua(): Promise<Record<string, string>> {
  const names = (await readdir(templates, { recursive: true })).filter((name) => name.endsWith('.lua'));
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(templates, name), 'utf8')] as const)),
  );
}

export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  ms = 5000,
): Promise<T> {
  for (const end = Date.now() + ms; ; await new Promise((done) => setTimeout(done, 10))) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
  }
}

export interface StartOptions extends Partial<Omit<NginxOptions, 'build'>> {
  readonly nginx?: BuildName | NginxBuild;
  /** There already; else a new one. */
  readonly directory?: string;
  /** Lua that replaces the templates', by name. */
  readonly lua?: Readonly<Record<string, string>>;
}

/** Writes the folder; returns the plan. */
export async function layOut(settings: Settings, options: StartOptions = {}): Promise<GatewayPlan> {
  const { nginx = 'debian', lua: other, directory = await mkdtemp(join(tmpdir(), 'gateway-')), ...more } = options;
  await chmod(directory, 0o755);
  const plan: GatewayPlan = {
    directory,
    build: typeof nginx === 'string' ? await build(nginx) : nginx,
    listen: { host: '127.0.0.1', port: await freePort() },
    admin: { host: '127.0.0.1', port: await freePort() },
    workers: 1,
    connections: 2048,
    ...(process.getuid?.() === 0 ? { workerUser: { user: 'nobody', group: 'nogroup' } } : {}),
    ...more,
  };
  for (const folder of gatewayFolders(plan)) await mkdir(folder.path, { recursive: true, mode: folder.mode });
  const files = [
    ...gatewayFiles(plan, { ...(await lua()), ...other }),
    settingsAsFile(directory, settings),
    secretsAsFile(directory, secrets),
  ];
  for (const file of files) await writeFile(file.path, file.content, { mode: file.mode });
  return plan;
}

/** The lines of requests, one file after another; a file's own lines have a kind. */
export async function readAudit(directory: string): Promise<readonly AuditLine[]> {
  const log = { files: localFiles, folder: auditFolder(directory), secret: secrets.auditSecret };
  const found: AuditLine[] = [];
  for (const name of await names(log)) {
    for await (const { text, torn } of linesOf(bytesOf(log, name))) {
      if (torn === undefined) found.push(JSON.parse(text) as AuditLine);
    }
  }
  return found.filter(({ kind }) => kind === undefined);
}

export async function startGateway(settings: Settings, options: StartOptions = {}): Promise<Gateway> {
  const plan = await layOut(settings, options);
  const { directory } = plan;
  const [file, ...args] = gatewayCommand(plan).argv;
  let log = '';
  const start = () => {
    const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'pipe'] });
    child.stderr.on('data', (data) => {
      log += data;
    });
    return { child, gone: new Promise<void>((done) => child.once('exit', () => done())) };
  };
  let running = start();
  const url = `${plan.tls ? 'https' : 'http'}://127.0.0.1:${plan.listen.port}`;
  const ready = plan.tls ? `http://127.0.0.1:${plan.admin.port}/metrics` : `${url}/health`;
  const admin: Admin = { host: '127.0.0.1', port: plan.admin.port, key: secrets.adminKey };
  const stop = async () => {
    running.child.kill('SIGTERM');
    await running.gone;
    await rm(directory, { recursive: true, force: true });
  };
  const answers = () =>
    until('the gateway answers', async () => {
      if (running.child.exitCode !== null) throw new Error(`nginx ended: ${log}`);
      return (await fetch(ready).catch(() => undefined))?.ok || undefined;
    });
  try {
    await answers();
  } catch (error) {
    await stop();
    throw error;
  }
  const audit = () => readAudit(directory);
  return {
    url,
    admin,
    directory,
    get pid() {
      return running.child.pid!;
    },
    get process() {
      return running.child;
    },
    log: () => log,
    audit,
    auditOf: (id) => until(`audit line of ${id}`, async () => (await audit()).find((line) => line.id === id)),
    async replaceSettings(next) {
      const { path, content } = settingsAsFile(directory, next);
      await writeFile(`${path}.new`, content, { mode: 0o644 });
      await rename(`${path}.new`, path);
    },
    put: (next) =>
      fetch(`http://127.0.0.1:${plan.admin.port}/settings`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${admin.key}` },
        body: JSON.stringify(next),
      }),
    post: (body, { path = '/v1/chat/completions', headers, ...more } = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...more,
      }),
    async kill() {
      const { pid } = running.child;
      const workers = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
      for (const one of [pid!, ...workers.trim().split(' ').filter(Boolean).map(Number)]) process.kill(one, 'SIGKILL');
      await running.gone;
    },
    async restart() {
      running = start();
      await answers();
    },
    stop,
  };
}
