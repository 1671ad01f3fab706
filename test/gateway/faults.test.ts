/** What is killed, reloaded or filled up under load, and that the books balance: what callers saw is what is on record. */
import { appendFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getState, stateOf } from '../../src/gateway/admin.js';
import { redisOptions } from '../../src/gateway/cache.js';
import { limitOptions } from '../../src/gateway/limits.js';
import { withKey } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import { count, imbalances, startLoad } from './books.js';
import { type Both, onBoth } from './both.js';
import type { BuildName } from './builds.js';
import { sleep, startEngine, stream } from './engine.js';
import { busy, startEngineProcess } from './engine-process.js';
import { atOnce, certificateOf, type Fault, faults, workersOf } from './fault-table.js';
import { type AuditLine, type Gateway, secrets, startGateway, testKey, testSettings, until } from './harness.js';
import { type RedisServer, startRedis } from './redis-servers.js';
import { type TlsHome, tlsHome } from './tls-home.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

const workers = ({ gateway }: Both): Promise<number[]> => workersOf(gateway);

const load = async ({ gateway }: Both): Promise<number> => {
  const state = await stateOf(await systemHttp.request(getState(gateway.admin)));
  return state.models[0]!.versions[0]!.peers[0]!.load;
};

/** 'complete', 'cut' or the error: what a caller sees of one stream. */
const streamed = async ({ gateway }: Both): Promise<string> => {
  try {
    const text = await (await gateway.post({ ...hello, stream: true })).text();
    return text.includes('data: [DONE]') ? 'complete' : 'cut';
  } catch {
    return 'broken';
  }
};

onBoth('a gateway of two workers', { workers: 2 }, (both) => {
  it('keeps its connections to the engine', async () => {
    const before = both.engine.connections();
    for (let i = 0; i < 50; i += 1) await (await both.gateway.post(hello)).text();
    expect(both.engine.connections() - before).toBeLessThanOrEqual(2);
  });

  it('goes on when a worker is killed: its streams break, its load is gone, nobody else notices', async () => {
    both.engine.usual(stream(60, 20));
    const streams = Array.from({ length: 12 }, () => streamed(both));
    await until('all are in hand', async () => (await load(both)) === 12 || undefined);
    const [victim, other] = await workers(both);
    process.kill(victim!, 'SIGKILL');
    await until(
      'another worker',
      async () => (await workers(both)).some((pid) => pid !== victim && pid !== other) || undefined,
    );
    both.engine.usual(stream(1));
    for (let i = 0; i < 10; i += 1) expect(await streamed(both)).toBe('complete');
    const ends = await Promise.all(streams);
    const complete = ends.filter((end) => end === 'complete').length;
    expect(complete + ends.filter((end) => end === 'broken').length).toBe(12);
    await until('no load is left', async () => (await load(both)) === 0 || undefined);
    // Killed or not: what was answered whole is on record.
    const told = (await both.gateway.audit()).filter((line) => line.stream && line.outcome === 'complete');
    expect(told).toHaveLength(complete + 10);
  });

  it('has every answered request on record, however it is killed', async () => {
    const ids = Array.from({ length: 200 }, (_, i) => `kill-${i}`);
    await Promise.all(
      ids.map(async (id) => (await both.gateway.post(hello, { headers: { 'x-request-id': id } })).text()),
    );
    for (const pid of await workers(both)) process.kill(pid, 'SIGKILL');
    const told = new Set((await both.gateway.audit()).map(({ id }) => id));
    expect(ids.filter((id) => !told.has(id))).toEqual([]);
    await until(
      'it answers again',
      async () => (await both.gateway.post(hello).catch(() => undefined))?.ok || undefined,
    );
  });

  it('reloads under streams: all events arrive, and settings that were put stay in force', async () => {
    const put = await both.gateway.put(
      withKey({ ...testSettings([both.engine.peer]), revision: 50 }, testKey({ id: 'key_2' }, 'sk-two')),
    );
    expect(put.status).toBe(200);
    both.engine.usual(stream(60, 20));
    const streams = Array.from({ length: 8 }, () => streamed(both));
    await sleep(200);
    const before = await workers(both);
    both.gateway.process.kill('SIGHUP');
    await until('new workers', async () => (await workers(both)).some((pid) => !before.includes(pid)) || undefined);
    await sleep(300);
    both.engine.usual(stream(1));
    const response = await both.gateway.post(hello, { headers: { authorization: 'Bearer sk-two' } });
    expect(response.status).toBe(200);
    await response.text();
    expect(await Promise.all(streams)).toEqual(Array(8).fill('complete'));
    await until(
      'the old workers leave',
      async () => !(await workers(both)).some((pid) => before.includes(pid)) || undefined,
    );
  });
});

describe.each<BuildName>(['debian', 'current'])('under load (%s nginx)', (nginx) => {
  let redis: RedisServer;
  let home: TlsHome;
  beforeAll(async () => {
    redis = await startRedis({ password: secrets.redisPassword! });
    home = await tlsHome();
    await home.issue();
  }, 120_000);
  afterAll(async () => {
    await redis?.stop();
    await home?.remove();
  });

  /** Two engines, one to be killed; limits in Redis that nobody reaches. */
  async function scene(
    fault: Fault,
    use: (gateway: Gateway, kill: () => Promise<void>, seen: () => Set<string>) => Promise<void>,
  ) {
    const { undo, ...options } = (await fault.prepare?.(nginx)) ?? {};
    const victim = await startEngineProcess();
    const engine = await startEngine(busy);
    const settings = testSettings([engine.peer, victim.peer], {
      redis: redisOptions({ nodes: [{ host: redis.host, port: redis.port }] }),
      limits: limitOptions({ key: { requestsPerMinute: 1e9, concurrent: 1e6 } }),
      ...fault.settings,
    });
    const tls = fault.tls ? { tls: certificateOf(home) } : {};
    const gateway = await startGateway(settings, { nginx, workers: 2, ...tls, ...options });
    const seen = () => new Set([...victim.seen, ...engine.seen.map(({ headers }) => String(headers['x-request-id']))]);
    try {
      await use(gateway, victim.kill, seen);
    } finally {
      await gateway.stop().catch(() => {});
      await undo?.();
      await victim.kill();
      await engine.stop();
    }
  }

  const problems = async (
    gateway: Gateway,
    books: ReturnType<typeof startLoad>['books'],
    seen: Set<string>,
    fault: Fault,
  ) => {
    const lines: readonly AuditLine[] = await gateway.audit();
    const all = imbalances(books, lines, seen);
    return fault.unrecorded ? all.filter((text) => !/"end":"refused".*not on record$/.test(text)) : all;
  };

  for (const fault of faults) {
    const why = fault.not?.(nginx);
    it.skipIf(why !== undefined)(
      `${fault.name}: sent is answered, refused and cut, each on record${why ? ` (${why})` : ''}`,
      async () => {
        await scene(fault, async (gateway, kill, seen) => {
          if (fault.name.includes('clock')) await takeClock(gateway);
          const load = startLoad(gateway, { atOnce, ...(fault.tls ? { ca: await home.ca() } : {}) });
          await sleep(700);
          await fault.happen({ nginx, gateway, engine: { kill }, redis, home });
          await sleep(1200);
          const books = await load.stop();
          if (process.env.SHOW) {
            console.log(JSON.stringify([...books].filter(([, b]) => b.end !== 'answered')), gateway.log().slice(-3000));
            console.log(JSON.stringify((await gateway.audit()).filter((l) => l.outcome !== 'complete').slice(0, 4)));
          }
          let left: string[] = [];
          await until('the books balance', async () => {
            left = await problems(gateway, books, seen(), fault);
            return left.length === 0 || undefined;
          }).catch(() => {});
          expect(left.slice(0, 5)).toEqual([]);
          const told = new Set((await gateway.audit()).map(({ id }) => id));
          const unheard = [...books].filter(([, { end }]) => end === 'unheard');
          const unread = unheard.filter(([id]) => !told.has(id)).length;
          const [answered, refused] = [count(books, 'answered'), count(books, 'refused')];
          const cut = count(books, 'cut') + unheard.length - unread;
          const sum = `${answered} answered + ${refused} refused + ${cut} cut + ${unread} that nobody read`;
          console.log(`${nginx}, ${fault.name}: ${books.size} sent = ${sum}`);
          expect(cut).toBeLessThanOrEqual(fault.cut ?? 0);
          const { unread: may = 0 } = fault;
          expect(unread).toBeLessThanOrEqual(typeof may === 'number' ? may : may[nginx]);
          expect(refused).toBeLessThanOrEqual(fault.refused ?? 0);
          // It goes on: the last callers are answered.
          expect([...books.values()].slice(-atOnce).map(({ end }) => end)).toEqual(Array(atOnce).fill('answered'));
        });
      },
      60_000,
    );
  }
});

/** Workers get the names that the library reads from a file: nginx takes no others along. */
async function takeClock(gateway: Gateway): Promise<void> {
  await appendFile(
    `${gateway.directory}/nginx.conf`,
    ['FAKETIME_TIMESTAMP_FILE', 'FAKETIME_NO_CACHE', 'DONT_FAKE_MONOTONIC'].map((name) => `env ${name};\n`).join(''),
  );
  const before = await workersOf(gateway);
  gateway.process.kill('SIGHUP');
  await until('new workers', async () => !(await workersOf(gateway)).some((pid) => before.includes(pid)) || undefined);
}
