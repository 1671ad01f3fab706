/** Limits over workers, instances and nodes of Redis, and what is left of them when one of those goes away. */
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { redisOptions } from '../../src/gateway/cache.js';
import { type LimitOptions, limitOptions } from '../../src/gateway/limits.js';
import type { Settings } from '../../src/gateway/settings.js';
import type { BuildName } from './builds.js';
import { metric } from './cache-engine.js';
import { answer, fallsSilent, startEngine, stream, type TestEngine } from './engine.js';
import { type Gateway, type StartOptions, secrets, startGateway, testSettings, until } from './harness.js';
import { type RedisCluster, type RedisServer, startCluster, startRedis } from './redis-servers.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

const status = async (gateway: Gateway, more: object = {}) => {
  const response = await gateway.post({ ...hello, ...more });
  await response.text();
  return response.status;
};

const workers = async ({ pid }: Gateway): Promise<number[]> =>
  (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean).map(Number);

const alone = (gateway: Gateway) => metric(gateway, 'gateway_limits_alone_total{}').then((count) => count || 0);

/** Leases short enough to be waited for. */
const shortLeases = async (): Promise<Record<string, string>> => {
  const name = 'core/limit_redis.lua';
  const text = await readFile(new URL(`../../templates/gateway/${name}`, import.meta.url), 'utf8');
  const short = text.replace('LEASE = 30000', 'LEASE = 1500').replace('RENEW = 10 ', 'RENEW = 0.4 ');
  expect(short.length).toBeLessThan(text.length + 2);
  expect(short).not.toBe(text);
  return { [name]: short };
};

describe.each<BuildName>(['debian', 'current'])('limits when something goes away (%s nginx)', (nginx) => {
  let engine: TestEngine;
  const gateways: Gateway[] = [];
  beforeAll(async () => {
    engine = await startEngine();
  });
  afterAll(() => engine?.stop());
  afterEach(async () => {
    for (const gateway of gateways.splice(0)) await gateway.stop();
    engine.usual(answer);
    engine.forget();
  });

  const start = async (limits: Partial<LimitOptions>, more: Partial<Settings> = {}, options: StartOptions = {}) => {
    const gateway = await startGateway(testSettings([engine.peer], { limits: limitOptions(limits), ...more }), {
      nginx,
      ...options,
    });
    gateways.push(gateway);
    return gateway;
  };
  /** A stream that its engine never ends. */
  const hold = async (gateway: Gateway) => {
    engine.usual(fallsSilent(1));
    const stop = new AbortController();
    const response = await gateway.post({ ...hello, stream: true }, { signal: stop.signal });
    expect(response.status).toBe(200);
    engine.usual(answer);
    return { response, stop: () => stop.abort() };
  };

  describe('in memory', () => {
    it('are those of all workers together', async () => {
      const gateway = await start({ key: { requestsPerMinute: 20 } }, {}, { workers: 2 });
      const seen = await Promise.all(Array.from({ length: 60 }, () => status(gateway)));
      const let_in = seen.filter((one) => one === 200).length;
      expect(let_in).toBeGreaterThanOrEqual(19);
      // One more every three seconds.
      expect(let_in).toBeLessThanOrEqual(22);
    });

    it('do not count on what a killed worker had open', async () => {
      const gateway = await start({ key: { concurrent: 2 } }, {}, { workers: 2 });
      const [one, other] = [await hold(gateway), await hold(gateway)];
      expect(await status(gateway)).toBe(429);
      const before = await workers(gateway);
      for (const pid of before) process.kill(pid, 'SIGKILL');
      await Promise.allSettled([one.response.text(), other.response.text()]);
      await until('let go', async () => ((await status(gateway).catch(() => 0)) === 200 ? true : undefined));
      const again = await hold(gateway);
      await hold(gateway);
      expect(await status(gateway)).toBe(429);
      again.stop();
      await until('let go', async () => ((await status(gateway)) === 200 ? true : undefined));
    });

    it('go on counting what an old worker has open after a reload', async () => {
      const gateway = await start({ key: { concurrent: 1 } });
      engine.usual(stream(60, 20));
      const long = gateway.post({ ...hello, stream: true });
      expect((await long).status).toBe(200);
      engine.usual(answer);
      const [old] = await workers(gateway);
      gateway.process.kill('SIGHUP');
      await until('a new worker', async () => (await workers(gateway)).some((pid) => pid !== old) || undefined);
      expect(await status(gateway)).toBe(429);
      expect(await (await long).text()).toContain('[DONE]');
      await until('let go', async () => ((await status(gateway)) === 200 ? true : undefined));
    });
  });

  describe('in Redis', () => {
    let redis: RedisServer;
    let server: Pick<Settings, 'redis'>;
    beforeAll(async () => {
      redis = await startRedis({ password: secrets.redisPassword! });
      server = { redis: redisOptions({ nodes: [{ host: redis.host, port: redis.port }], budgetMs: 250 }) };
    }, 60_000);
    afterAll(() => redis?.stop());
    afterEach(() => redis.cli('flushall'));

    it('are those of all instances together', async () => {
      const limits = { key: { requestsPerMinute: 10 }, tenant: { concurrent: 2 }, instances: 2 };
      const [a, b] = [await start(limits, server), await start(limits, server)];
      const held = [await hold(a), await hold(b)];
      expect([await status(a), await status(b)]).toEqual([429, 429]);
      for (const one of held) one.stop();
      const seen: number[] = [];
      await until('let go', async () => ((await status(b)) === 200 ? true : undefined));
      for (let i = 0; i < 10; i += 1) seen.push(await status(i % 2 ? a : b));
      expect(seen.filter((one) => one === 200).length).toBeLessThanOrEqual(8);
      expect(seen.filter((one) => one === 200).length).toBeGreaterThanOrEqual(6);
      expect([await alone(a), await alone(b)]).toEqual([0, 0]);
    });

    it('are each instance’s share while Redis is away, and whole again after', async () => {
      const limits = { key: { requestsPerMinute: 10 }, instances: 2 };
      const gateway = await start(limits, server);
      expect(await status(gateway)).toBe(200);
      redis.signal('SIGSTOP');
      try {
        const seen: number[] = [];
        for (let i = 0; i < 12; i += 1) seen.push(await status(gateway));
        expect(seen.filter((one) => one === 200).length).toBeGreaterThanOrEqual(5);
        expect(seen.filter((one) => one === 200).length).toBeLessThanOrEqual(6);
        const response = await gateway.post(hello);
        expect([response.status, response.headers.get('x-ratelimit-limit-requests')]).toEqual([429, '5']);
        expect(await alone(gateway)).toBe(13);
      } finally {
        redis.signal('SIGCONT');
      }
      const back = await until('Redis counts again', async () => {
        const response = await gateway.post(hello);
        return response.headers.get('x-ratelimit-limit-requests') === '10' ? response : undefined;
      });
      expect(back.status).toBe(200);
    });

    it('survive that Redis forgets our scripts', async () => {
      const gateway = await start({ key: { requestsPerMinute: 2 } }, server);
      expect(await status(gateway)).toBe(200);
      await redis.cli('script', 'flush');
      expect([await status(gateway), await status(gateway)]).toEqual([200, 429]);
      expect(await alone(gateway)).toBe(0);
    });

    it('renew what is open, and let go of what a killed worker had open', async () => {
      const gateway = await start({ key: { concurrent: 1 } }, server, { lua: await shortLeases() });
      const held = await hold(gateway);
      await sleep(2200);
      expect(await status(gateway)).toBe(429);
      const [victim] = await workers(gateway);
      process.kill(victim!, 'SIGKILL');
      await held.response.text().catch(() => undefined);
      await until('let go', async () => ((await status(gateway).catch(() => 0)) === 200 ? true : undefined));
      held.stop();
    });

    it('leave nothing behind that does not end by itself, and no name of a tenant', async () => {
      const limits = { key: { requestsPerMinute: 10, tokensPerDay: 1000, concurrent: 3 } };
      const gateway = await start(limits, server);
      await status(gateway);
      const keys = (await redis.cli('keys', '*')).split('\n');
      expect(keys.length).toBeGreaterThanOrEqual(2);
      for (const key of keys) {
        expect(key).not.toContain('tests');
        expect(Number(await redis.cli('pttl', key))).toBeGreaterThan(0);
      }
    });
  });
});

describe('limits in a cluster of Redis', () => {
  let cluster: RedisCluster;
  let engine: TestEngine;
  let gateway: Gateway;
  beforeAll(async () => {
    [cluster, engine] = await Promise.all([
      startCluster({ password: secrets.redisPassword!, more: ['--masterauth', secrets.redisPassword!] }),
      startEngine(),
    ]);
    const { host, port } = cluster.seed;
    gateway = await startGateway(
      testSettings([engine.peer], {
        redis: redisOptions({ nodes: [{ host, port }], cluster: true, budgetMs: 500 }),
        limits: limitOptions({ key: { requestsPerMinute: 5, concurrent: 3 }, tenant: { tokensPerDay: 100_000 } }),
      }),
    );
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await engine?.stop();
    await cluster?.stop();
  });

  it('hold by one script for all bounds of a request', async () => {
    const seen: number[] = [];
    for (let i = 0; i < 7; i += 1) seen.push(await status(gateway));
    expect(seen).toEqual([200, 200, 200, 200, 200, 429, 429]);
    expect(await alone(gateway)).toBe(0);
  });
});
