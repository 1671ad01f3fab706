/** The tables of `npm run bench:gateway`, by name and in their order. */
import { existsSync } from 'node:fs';
import type { NginxBuild } from '../../src/gateway/nginx.js';
import { ownFiles } from '../../src/gateway/tls.js';
import { startEngine } from '../embedded/start.js';
import { build } from '../gateway/builds.js';
import { cacheRedis } from '../gateway/cache-engine.js';
import { tlsHome } from '../gateway/tls-home.js';
import { answer, prompts } from './gateway-bodies.js';
import { compare, type Figure, inTurn, type Load, median, print } from './gateway-load.js';
import { portkey, portkeyHeaders } from './gateway-portkey.js';
import {
  added,
  bare,
  everything,
  gateway,
  grpcEngine,
  overGrpc,
  pinned,
  proxied,
  type Server,
  settingsUpTo,
  upTo,
  withRedis,
} from './gateway-servers.js';
import { eventRate, streamEngine, streams } from './gateway-streams.js';

export interface Setting {
  readonly nginx: NginxBuild;
  readonly quick: boolean;
  /** The port of the engine that answers at once. */
  readonly engine: number;
  readonly load: Load;
  /** Has the server stopped when the section ends. */
  use(server: Server | Promise<Server>): Promise<Server>;
}

type Section = (setting: Setting) => Promise<void>;

const small = prompts(16, 640);

const both = async ({ nginx, engine, use }: Setting, name = 'gateway, all policies') => ({
  raw: await use(proxied('bare proxy_pass', nginx, engine)),
  all: await use(gateway(name, everything(engine), { nginx })),
});

/** What each policy adds, in the pipeline's order. */
const policies: Section = async ({ nginx, engine, load, use }) => {
  const servers = [await use(proxied('bare proxy_pass', nginx, engine))];
  for (const name of await added()) {
    const settings = await settingsUpTo(everything(engine), name);
    servers.push(await use(gateway(`+ ${name}`, settings, { nginx, lua: await upTo(name) })));
  }
  servers.push(await use(gateway('all of them', everything(engine), { nginx })));
  await compare('Each policy added in turn; the first row of them with routes, keys, tokens and the body', servers, {
    ...load,
    bodies: small,
  });
};

const sizes: Section = async (setting) => {
  const { raw, all } = await both(setting);
  for (const [title, bytes, count] of [
    ['768 B', 640, 16],
    ['32 KiB', 32 * 1024, 16],
    ['256 KiB', 256 * 1024, 4],
  ] as const) {
    await compare(`All policies, ${title} of prompt`, [raw, all], { ...setting.load, bodies: prompts(count, bytes) });
  }
  const old = pinned(0, await build('debian'));
  const servers = [
    await setting.use(proxied('bare proxy_pass', old, setting.engine)),
    await setting.use(gateway('gateway, all policies', everything(setting.engine), { nginx: old })),
  ];
  await compare(`All policies, 768 B, nginx ${old.version.join('.')}`, servers, { ...setting.load, bodies: small });
};

const tls: Section = async (setting) => {
  const { nginx, engine, use, load } = setting;
  const { all } = await both(setting);
  const home = await tlsHome();
  try {
    await home.issue();
    const files = ownFiles(home.home);
    const servers = [
      await use(proxied('bare proxy_pass, TLS', nginx, engine, { tls: files })),
      await use(gateway('gateway, TLS', everything(engine), { nginx, tls: files }, all.token)),
      all,
    ];
    // Few connections: their handshakes are in the figures.
    await compare('TLS, 8 kept connections', servers, { ...load, connections: 8, bodies: small });
  } finally {
    await home.remove();
  }
};

/**
 * All on one core. With two, the faster server keeps the other core busy, while the slower one pays for waking it with
 * each answer (8 us here): what stands here is its own work.
 */
const core: Section = async ({ nginx, use, load }) => {
  const engine = await use(bare('engine', pinned(0, await build('debian')), `return 200 '${answer}';`));
  const port = Number(new URL(engine.url).port);
  const servers = [
    await use(proxied('bare proxy_pass', nginx, port)),
    await use(gateway('gateway, all policies', everything(port), { nginx })),
  ];
  await compare('Engine and load on the same core: CPU a request', servers, { ...load, core: 0, bodies: small });
};

/** How much later the p50 and p99 of one are than the other's, round by round. */
function later(figures: ReadonlyMap<Server, readonly Figure[]>, base: Server): readonly (readonly string[])[] {
  const first = figures.get(base)!;
  const ms = (value: number) => `${value.toFixed(3)} ms`;
  return [...figures].map(([server, list]) => {
    const of = (pick: (figure: Figure) => number) => ms(median(list.map(pick)));
    const more = (pick: (figure: Figure) => number) =>
      ms(median(list.map((one, round) => pick(one) - pick(first[round]!))));
    const rate = median(list.map(({ rate }) => rate)).toFixed(0);
    const bad = list.reduce((sum, one) => sum + one.bad, 0);
    return [
      ...[server.name, rate, of((one) => one.mean), of((one) => one.p50), of((one) => one.p99)],
      ...[more((one) => one.p50), more((one) => one.p99), String(bad)],
    ];
  });
}

const laterHead = ['', 'requests/s', 'mean', 'p50', 'p99', 'p50 added', 'p99 added', 'bad'];

/**
 * Both at the same rate: half of what the gateway reaches. Nobody else gets the cores meanwhile: another program's slice
 * of 4 ms would stand in the p99, and stand there longer for the server that has less to spare.
 */
const half: Section = async ({ use, ...setting }) => {
  const nginx = pinned(0, await build('current'), true);
  const engine = await use(bare('engine', pinned(1, await build('debian'), true), `return 200 '${answer}';`));
  const { raw, all } = await both({ ...setting, use, nginx, engine: Number(new URL(engine.url).port) });
  const load = { ...setting.load, bodies: small, undisturbed: true };
  const most = median((await inTurn([all], { ...load, rounds: 3 })).get(all)!.map(({ rate }) => rate));
  const figures = await inTurn([raw, all], { ...load, connections: 128, rate: most / 2 });
  print(
    `At half of the gateway's ${most.toFixed(0)} requests/s, evenly spread at random`,
    laterHead,
    later(figures, raw),
  );
};

const cache: Section = async (setting) => {
  const { nginx, engine, use, load } = setting;
  if (!existsSync('/usr/bin/redis-server')) return console.log('\nCache: no redis-server here');
  const redis = await cacheRedis();
  try {
    const raw = await use(proxied('bare proxy_pass', nginx, engine));
    const settings = withRedis(everything(engine), redis.port);
    const far = { ...settings, cache: { ...settings.cache!, localBytes: 0 } };
    // Without limits, which would ask Redis too: what is to be seen is the hit.
    const { limits: _, ...hitsOnly } = far;
    const memory = await use(gateway('gateway, limits and hits in memory', everything(engine), { nginx }));
    const hit = await use(gateway('hit in Redis', hitsOnly, { nginx }));
    const all = await use(gateway('limits and hits in Redis', far, { nginx }));
    const hits = prompts(16, 640, 0);
    const cached = [raw, memory, hit, all];
    await inTurn(cached, { ...load, bodies: hits, rounds: 1 });
    await compare('Cache hits, 32 connections', cached, { ...load, bodies: hits });
    const alone = await inTurn(cached, { ...load, bodies: hits, connections: 1 });
    print('Cache hits, one connection', laterHead, later(alone, raw));
    await compare('Limits over all instances: one round trip to Redis', [raw, memory, all], {
      ...load,
      bodies: small,
    });
  } finally {
    await redis.stop();
  }
};

/** The same answer, asked for over HTTP and over gRPC. */
const grpc: Section = async (setting) => {
  const { nginx, use, load } = setting;
  const { raw, all } = await both(setting, 'gateway, engine over HTTP');
  const engine = await use(grpcEngine(pinned(1, await build('debian')), answer));
  const settings = overGrpc(everything(Number(new URL(engine.url).port)));
  const servers = [raw, all, await use(gateway('gateway, engine over gRPC', settings, { nginx }))];
  for (const [title, bytes] of [
    ['768 B', 640],
    ['32 KiB', 32 * 1024],
  ] as const) {
    await compare(`Engines over HTTP and over gRPC, ${title} of prompt`, servers, {
      ...load,
      bodies: prompts(16, bytes),
    });
  }
};

const sse: Section = async ({ nginx, quick, use }) => {
  const engine = await streamEngine();
  try {
    for (const count of quick ? [1000] : [1000, 10_000]) {
      // A process may hold 20,000 descriptors here; a stream takes two.
      const workers = count > 5000 ? 2 : 1;
      const servers = [
        { name: 'engine directly', url: `http://127.0.0.1:${engine.port}/`, workers: [], stop: async () => {} },
        await use(proxied('bare proxy_pass', nginx, engine.port, { workers }, 'proxy_buffering off;')),
        await use(gateway('gateway, all policies', everything(engine.port), { nginx, workers })),
      ];
      const rows: string[][] = [];
      for (const server of servers) {
        const one = await streams(server, count, quick ? 3 : 8);
        const ours = server.workers.length > 0;
        rows.push([
          server.name,
          ...[String(one.opened), String(one.events)],
          ...[one.p50, one.p99, one.most].map((ms) => `${ms.toFixed(2)} ms`),
          ...(ours ? [one.cpu.toFixed(1), `${one.memory.toFixed(1)} KiB`] : ['-', '-']),
        ]);
      }
      const head = ['', 'streams', 'events', 'lag p50', 'p99', 'most', 'CPU us/event', 'memory/stream'];
      const cores = workers > 1 ? `, ${workers} workers on one core` : '';
      print(`${count} streams, ${eventRate} events/s in all${cores}`, head, rows);
    }
  } finally {
    await engine.stop();
  }
};

const embedded: Section = async ({ nginx, use, load }) => {
  const engine = await startEngine({ modelId: 'm', sequences: 8, queue: 64 });
  try {
    const url = `${engine.url}/v1/chat/completions`;
    const servers = [
      { name: 'engine directly', url, workers: [], stop: async () => {} },
      await use(proxied('bare proxy_pass', nginx, engine.port)),
      await use(gateway('gateway, all policies', everything(engine.port), { nginx })),
    ];
    const bodies = prompts(16, 60, 0.6, 16);
    const figures = await inTurn(servers, { ...load, bodies, connections: 4 });
    print('The embedded engine behind: 16 tokens, 4 connections', laterHead, later(figures, servers[0]!));
  } finally {
    await engine.stop();
  }
};

const peers: Section = async (setting) => {
  let other: Server;
  try {
    other = await setting.use(portkey());
  } catch (error) {
    return console.log(`\nPortkey: not from this registry (${(error as Error).message.split('\n')[0]})`);
  }
  const { raw, all } = await both(setting);
  const headers = portkeyHeaders(setting.engine);
  await compare('Beside Portkey', [raw, all, other], { ...setting.load, bodies: small, headers });
};

export const sections: Readonly<Record<string, Section>> = {
  policies,
  sizes,
  core,
  tls,
  half,
  cache,
  grpc,
  streams: sse,
  engine: embedded,
  portkey: peers,
};
