/** A bare Debian in memory: nginx comes by apt-get, the engine by npm, and a supervisor that is started keeps its stack. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/cli.js';
import { type Report, reportFile } from '../../src/supervisor/report.js';
import { type Stack, stackFile } from '../../src/supervisor/stack.js';
import type { Http } from '../../src/world.js';
import { type Answer, type FakeOptions, type FakeWorld, fakeWorld } from './fake.js';

const root = join(import.meta.dirname, '../..');

export interface Machine extends FakeOptions {
  readonly nginx?: boolean;
  readonly sudo?: boolean;
  readonly apt?: boolean;
  /** What nginx says of its configuration. */
  readonly nginxTest?: Answer;
  /** What npm does instead of installing. */
  readonly npm?: Answer;
  /** What the gateway says of the Redis that its settings name. */
  readonly redis?: { readonly answers: boolean; readonly why?: string };
}

const nginxThere = [
  'nginx=/usr/sbin/nginx',
  'version=1.22.1',
  'arguments=',
  'module=/usr/lib/nginx/modules/ndk_http_module.so',
  'module=/usr/lib/nginx/modules/ngx_http_lua_module.so',
  'cjson=/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so',
  'group=nogroup',
].join('\n');

/** The templates that the package ships, at their place in this world. */
function shipped(world: FakeWorld): void {
  for (const name of readdirSync(join(root, 'templates'), { recursive: true, encoding: 'utf8' })) {
    const path = join(root, 'templates', name);
    const at = `/package/templates/${name}`;
    try {
      world.disk.set(at, { content: readFileSync(path), mode: 0o644, mtimeMs: 0 });
    } catch {
      world.folders.set(at, 0o755);
    }
  }
}

async function supervise(world: FakeWorld, pid: number, loads: number): Promise<void> {
  const { home } = world.places;
  const text = await world.files.read(stackFile(home));
  const stack = JSON.parse(text) as Stack;
  const now = world.clock.now();
  const processes = stack.processes.map((spec, index) => {
    const own = pid + 100 + index;
    world.alive.set(own, `boot:${own}`);
    const { id, log, stop, after = [] } = spec;
    const times = { startedAt: now, readySince: now, restarts: 0 };
    return { id, state: 'ready' as const, pid: own, identity: `boot:${own}`, command: 'x', log, stop, after, ...times };
  });
  const report: Report = {
    version: 1,
    supervisor: { pid, identity: `boot:${pid}`, startedAt: now },
    state: 'running',
    updatedAt: now,
    stack: createHash('sha256').update(text).digest('hex'),
    loads,
    processes,
  };
  await world.files.write(reportFile(home), JSON.stringify(report));
}

/** The gateway that the supervisor started: what it read when it was started or told to read again. */
interface FakeGateway {
  made: string | undefined;
  readonly redis: Machine['redis'];
}

const gatewayFile = async (world: FakeWorld, name: string): Promise<string | undefined> =>
  world.files.readIfAny(`${world.places.home}/gateway/${name}`);

/** Health is well everywhere; the admin port tells what a gateway tells that polls its settings. */
function answering(world: () => FakeWorld, gateway: FakeGateway): Http {
  return {
    request: async ({ url }) => {
      let text = '{}';
      if (url.endsWith('/state')) {
        if (gateway.made === undefined) throw new Error('ECONNREFUSED');
        const { revision, redis } = JSON.parse((await gatewayFile(world(), 'settings.json'))!);
        const there = redis === undefined ? {} : { redis: gateway.redis ?? { answers: true } };
        text = JSON.stringify({ revision, made: gateway.made, ...there, models: [] });
      }
      return { status: 200, headers: {}, body: (async function* () {})(), text: async () => text };
    },
    stream: () => {
      throw new Error('nobody measures here');
    },
  };
}

export function machine(options: Machine = {}): FakeWorld {
  let nginx = options.nginx ?? false;
  const { apt = true, sudo = true } = options;
  const loads = new Map<number, number>();
  const install: Answer = () => {
    nginx = true;
    return {};
  };
  const npm: Answer = options.npm ?? {};
  const gateway: FakeGateway = { made: undefined, redis: options.redis };
  const world: FakeWorld = fakeWorld({
    http: answering(() => world, gateway),
    ...options,
    commands: [
      [/^sh -c .*openresty/s, () => ({ stdout: nginx ? nginxThere : 'group=nogroup' })],
      ["sh -c 'command -v apt-get'", { code: apt ? 0 : 127 }],
      [/^sudo sh -euc .*apt-get install.*libnginx-mod-http-lua/s, install],
      ['sudo -n true', { code: sudo ? 0 : 1 }],
      ["sh -c 'uname -sm", { stdout: 'Linux x86_64\nglibc 2.36\n' }],
      ['npm --version', { stdout: '11.0.0' }],
      [/^cd \S+ && npm ci /, npm],
      [/^cd \S+\/gateway && \S*nginx -p .* -t$/, options.nginxTest ?? {}],
      [/engine\.js --probe/, { stdout: 'AVX2' }],
      [
        /^sh -euc .*kill -HUP.* reload /s,
        async (_, self) => {
          if (gateway.made !== undefined) gateway.made = await gatewayFile(self, 'made');
          return {};
        },
      ],
      ...(options.commands ?? []),
      // What `probe` asks besides; this machine has no answers, and that is no fault.
      [/^(LC_ALL=C )?(sh -c|nvidia-smi) /, { code: 127 }],
    ],
    onStart: async (line, pid, self) => {
      if (!line.includes('/dist/supervisor.js')) throw new Error(`nobody expected ${line}`);
      loads.set(pid, 1);
      gateway.made = await gatewayFile(self, 'made');
      await supervise(self, pid, 1);
    },
    onSignal: (pid, signal, self) => {
      const count = loads.get(pid);
      if (signal !== 'SIGHUP' || count === undefined) return void self.alive.delete(pid);
      loads.set(pid, count + 1);
      void supervise(self, pid, count + 1);
    },
  });
  shipped(world);
  return world;
}

/** Types a command; the exit status is the answer. */
export const type = (world: FakeWorld, line: string): Promise<number> =>
  run(line.split(' '), world.env, () => world, '0.0.0');
