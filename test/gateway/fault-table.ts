/** What goes wrong under load, one row each: the gateway it goes wrong for, what is done, and what callers may notice. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { auditOptions } from '../../src/gateway/audit.js';
import { auditFolder } from '../../src/gateway/files.js';
import type { Settings } from '../../src/gateway/settings.js';
import { ownFiles, reloadCommand } from '../../src/gateway/tls.js';
import { type BuildName, build } from './builds.js';
import { sleep } from './engine.js';
import type { EngineProcess } from './engine-process.js';
import { type Gateway, type StartOptions, until } from './harness.js';
import type { RedisServer } from './redis-servers.js';
import type { TlsHome } from './tls-home.js';

export interface Scene {
  readonly nginx: BuildName;
  readonly gateway: Gateway;
  readonly engine: Pick<EngineProcess, 'kill'>;
  readonly redis: RedisServer;
  readonly home: TlsHome;
}

export interface Fault {
  readonly name: string;
  readonly tls?: boolean;
  /** Why it cannot be tried here. */
  readonly not?: (nginx: BuildName) => string | undefined;
  readonly settings?: Partial<Settings>;
  readonly prepare?: (nginx: BuildName) => Promise<StartOptions & { readonly undo?: () => Promise<void> }>;
  readonly happen: (scene: Scene) => Promise<void>;
  /** At the most so many of these; absent: none. */
  readonly cut?: number;
  /** On their way along a kept connection that was being closed: no line, no engine; HTTP's callers send them again. */
  readonly unread?: number | Readonly<Record<BuildName, number>>;
  readonly refused?: number;
  /** Refusals that could not be put on record are no imbalance. */
  readonly unrecorded?: boolean;
}

/** Callers at once. */
export const atOnce = 24;

export const workersOf = async ({ pid }: Gateway): Promise<number[]> => {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
};

async function reload(scene: Scene): Promise<void> {
  const before = await workersOf(scene.gateway);
  scene.gateway.process.kill('SIGHUP');
  await replaced(scene, before);
}

async function replaced({ gateway }: Scene, before: readonly number[]): Promise<void> {
  await until('new workers', async () => (await workersOf(gateway)).some((pid) => !before.includes(pid)) || undefined);
  await until(
    'the old ones leave',
    async () => !(await workersOf(gateway)).some((pid) => before.includes(pid)) || undefined,
  );
}

const faketime = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

/** nginx with a wall clock that a file sets: an offset in seconds. The monotonic clock goes on, as in life. */
async function withClock(nginx: BuildName): Promise<StartOptions & { undo: () => Promise<void> }> {
  const directory = await mkdtemp(`${tmpdir()}/gateway-clock-`);
  await writeFile(`${directory}/clock`, '+0\n', { mode: 0o644 });
  const real = await build(nginx);
  const names = { FAKETIME_NO_CACHE: '1', DONT_FAKE_MONOTONIC: '1', FAKETIME_TIMESTAMP_FILE: `${directory}/clock` };
  const env = ['env', `LD_PRELOAD=${faketime}`, ...Object.entries(names).map(([name, value]) => `${name}=${value}`)];
  return {
    directory,
    nginx: { ...real, command: ['env', ...env.slice(1), ...real.command] },
    undo: () => rm(directory, { recursive: true, force: true }),
  };
}

async function jump({ gateway }: Scene, offset: string): Promise<void> {
  const before = Date.parse((await fetch(`${gateway.url}/health`)).headers.get('date')!);
  await writeFile(`${gateway.directory}/clock`, `${offset}\n`);
  await until('the clock has jumped', async () => {
    const now = Date.parse((await fetch(`${gateway.url}/health`)).headers.get('date')!);
    return Math.abs(now - before) > 3_000_000 || undefined;
  });
}

const root = process.getuid?.() === 0;

/** An audit folder with little room. */
async function withLittleRoom(): Promise<StartOptions & { undo: () => Promise<void> }> {
  const directory = await mkdtemp(`${tmpdir()}/gateway-room-`);
  const folder = auditFolder(directory);
  await mkdir(folder);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=700', 'none', folder]);
  return {
    directory,
    undo: async () => {
      execFileSync('umount', [folder]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function fillAndEmpty({ gateway }: Scene): Promise<void> {
  const ballast = `${auditFolder(gateway.directory)}/ballast`;
  for (let bytes = 8 << 20; bytes >= 1; bytes >>= 1) await appendFile(ballast, 'x'.repeat(bytes)).catch(() => {});
  await until('it is told', () => gateway.log().includes('nothing can be written') || undefined);
  await sleep(500);
  await rm(ballast);
}

/** Before nginx 1.27.4 an old worker closes connections that wait, without a word. */
const onReload = { debian: 2 * atOnce, current: 0 };

export const faults: readonly Fault[] = [
  {
    name: 'kill -9 of a worker',
    happen: async ({ gateway }) => {
      const [victim] = await workersOf(gateway);
      process.kill(victim!, 'SIGKILL');
      await until(
        'another',
        async () => (await workersOf(gateway)).filter((pid) => pid !== victim).length === 2 || undefined,
      );
    },
    cut: atOnce,
    unread: atOnce,
  },
  {
    name: 'kill -9 of the whole gateway, and its return',
    happen: async ({ gateway }) => {
      await gateway.kill();
      await sleep(300);
      await gateway.restart();
    },
    cut: atOnce,
    // While it is away there is nobody who could read or refuse.
    unread: Number.POSITIVE_INFINITY,
  },
  { name: 'kill -9 of an engine', happen: ({ engine }) => engine.kill(), cut: atOnce, unread: atOnce },
  {
    name: 'kill -9 of Redis, and its return',
    happen: async ({ redis }) => {
      await redis.kill();
      await sleep(1000);
      await redis.restart();
    },
  },
  { name: 'a reload', happen: reload, unread: onReload },
  {
    name: 'a reload that was said before',
    not: (nginx) => (nginx === 'debian' ? undefined : 'its nginx is named after its loader, and needs none'),
    happen: async (scene) => {
      const before = await workersOf(scene.gateway);
      const { argv } = reloadCommand(scene.gateway.directory, await build(scene.nginx));
      await promisify(execFile)(argv[0], argv.slice(1));
      await replaced(scene, before);
    },
    // Who came back within these two seconds has no connection left to lose; one may have opened one just then.
    unread: 2,
  },
  {
    name: 'a change of the certificate',
    tls: true,
    happen: async (scene) => {
      const before = await scene.home.certificate();
      await scene.home.issue();
      if ((await scene.home.certificate()) === before) throw new Error('the same certificate');
      await reload(scene);
    },
    unread: onReload,
  },
  {
    name: 'a clock that jumps an hour ahead, and two back',
    not: (nginx) =>
      nginx !== 'debian'
        ? 'libfaketime is built for the system’s own C library'
        : faketime
          ? undefined
          : 'no libfaketime',
    prepare: withClock,
    happen: async (scene) => {
      await jump(scene, '+3600');
      await sleep(500);
      await jump(scene, '-3600');
    },
  },
  {
    name: 'a full disk where requests go on',
    not: () => (root ? undefined : 'only root mounts'),
    settings: { audit: auditOptions({ onError: 'continue' }) },
    prepare: withLittleRoom,
    happen: fillAndEmpty,
  },
  {
    name: 'a full disk where requests are refused',
    not: () => (root ? undefined : 'only root mounts'),
    settings: { audit: auditOptions({ onError: 'refuse' }) },
    prepare: withLittleRoom,
    happen: fillAndEmpty,
    refused: Number.POSITIVE_INFINITY,
    unrecorded: true,
  },
];

export const certificateOf = (home: TlsHome) => ownFiles(home.home);
