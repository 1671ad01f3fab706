import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../../src/gateway/settings.js';
import { ask, cacheRedis, cacheSettings, fresh, metric } from './cache-engine.js';
import { reset, sleep, startEngine, type TestEngine } from './engine.js';
import { freePort, type Gateway, secrets, startGateway, until } from './harness.js';
import { type RedisCluster, type RedisServer, startCluster } from './redis-servers.js';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine?.stop());
beforeEach(() => {
  engine.usual(fresh());
  engine.forget();
});

let asked = 0;
const question = () => {
  asked += 1;
  return { messages: [{ role: 'user', content: `question ${asked}` }] };
};

async function within<T>(settings: Settings, use: (gateway: Gateway) => Promise<T>): Promise<T> {
  const gateway = await startGateway(settings, { workers: 2 });
  try {
    return await use(gateway);
  } finally {
    await gateway.stop();
  }
}

/** Milliseconds that each of these requests, one after the other, takes. */
async function times(gateway: Gateway, count: number): Promise<number[]> {
  const list = [];
  for (let i = 0; i < count; i += 1) {
    const from = performance.now();
    expect(await ask(gateway, question())).toMatchObject({ status: 200, cache: 'miss' });
    list.push(performance.now() - from);
  }
  return list;
}
const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;

describe('the cache when Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await cacheRedis();
  });
  afterAll(() => redis?.stop());

  it('is stopped: one request waits 25 ms, the others go on as if there were none, and later it is used again', async () => {
    await within(cacheSettings([engine.peer], redis, {}, { budgetMs: 25 }), async (gateway) => {
      const known = question();
      await ask(gateway, known);
      const usual = median(await times(gateway, 100));
      redis.signal('SIGSTOP');
      const all = await times(gateway, 200);
      const timeouts = await metric(gateway, 'gateway_redis_calls_total{result="timeout"}');
      expect(timeouts).toBeGreaterThan(0);
      // One look, and the background's writes; nobody pays twice.
      expect(timeouts).toBeLessThan(4);
      expect(all.filter((ms) => ms > usual + 20).length).toBeLessThan(20);
      expect(median(all)).toBeLessThan(usual + 5);
      // What was in this gateway's own memory is still served.
      expect(await ask(gateway, known)).toMatchObject({ cache: 'hit' });
      redis.signal('SIGCONT');
      await until('answers are written again', async () => {
        const before = await metric(gateway, 'gateway_cache_writes_total{result="stored"}');
        await ask(gateway, question());
        await sleep(600);
        return (await metric(gateway, 'gateway_cache_writes_total{result="stored"}')) > before || undefined;
      });
    });
  });

  it('is not there, or its name is wrong: every request is answered', async () => {
    for (const away of [
      { host: '127.0.0.1', port: await freePort() },
      { host: 'redis.invalid', port: 6379 },
    ]) {
      await within(cacheSettings([engine.peer], away), async (gateway) => {
        const one = question();
        expect(await ask(gateway, one)).toMatchObject({ status: 200, cache: 'miss' });
        expect(await ask(gateway, one)).toMatchObject({ status: 200, cache: 'hit' });
        expect(median(await times(gateway, 20))).toBeLessThan(100);
      });
    }
  });

  it('is killed and comes back in the middle of traffic: no request notices', async () => {
    await within(cacheSettings([engine.peer], redis), async (gateway) => {
      let stop = false;
      const load = async () => {
        let count = 0;
        for (; !stop; count += 1) {
          const one = count % 3 === 0 ? { messages: [{ role: 'user', content: 'often' }] } : question();
          expect((await ask(gateway, one)).status).toBe(200);
        }
        return count;
      };
      const loads = [load(), load(), load(), load()];
      await sleep(300);
      await redis.kill();
      await sleep(500);
      await redis.restart();
      await until('it is used again', async () => Number(await redis.cli('dbsize')) > 0 || undefined);
      stop = true;
      for (const count of await Promise.all(loads)) expect(count).toBeGreaterThan(5);
    });
  });

  it('has no room: the answers are lost, the requests are not', async () => {
    await redis.cli('config', 'set', 'maxmemory', '1');
    try {
      await within(cacheSettings([engine.peer], redis, { localBytes: 0 }), async (gateway) => {
        const one = question();
        for (let i = 0; i < 5; i += 1) expect(await ask(gateway, one)).toMatchObject({ status: 200, cache: 'miss' });
        await until(
          'it was tried',
          async () => (await metric(gateway, 'gateway_cache_writes_total{result="lost"}')) > 0 || undefined,
        );
      });
    } finally {
      await redis.cli('config', 'set', 'maxmemory', '0');
    }
  });

  it('is slow to take writes: what waits is bounded', async () => {
    const settings = cacheSettings([engine.peer], redis, { localBytes: 0, queue: { entries: 2 } }, { writeMs: 2000 });
    await within(settings, async (gateway) => {
      await ask(gateway, question());
      await redis.cli('client', 'pause', '5000', 'write');
      try {
        await Promise.all(Array.from({ length: 30 }, () => ask(gateway, question())));
        const full = () => metric(gateway, 'gateway_cache_writes_total{result="full"}');
        await until('more came than may wait', async () => ((await full()) > 0 ? true : undefined));
      } finally {
        await redis.cli('client', 'unpause');
      }
    });
  });

  it('still has what is no longer fresh: it is given when no engine answers, and says so', async () => {
    // Times are whole seconds: what is fresh for one may be stale after a millisecond.
    await within(cacheSettings([engine.peer], redis, { ttlS: 2, staleS: 60 }), async (gateway) => {
      const one = question();
      const first = await ask(gateway, one);
      const written = () => metric(gateway, 'gateway_cache_writes_total{result="stored"}');
      await until('it is in Redis', async () => ((await written()) > 0 ? true : undefined));
      await sleep(3100);
      engine.usual(reset);
      for (const stream of [false, true]) {
        const body = { ...one, stream, ...(stream && { stream_options: { include_usage: true } }) };
        const seen = await ask(gateway, body);
        expect(seen).toMatchObject({ status: 200, cache: 'stale', text: first.text, usage: first.usage });
        expect(Number(seen.age)).toBeGreaterThanOrEqual(2);
        const line = await gateway.auditOf(seen.id);
        expect(line).toMatchObject({ status: 200, cache: 'stale', outcome: 'complete', code: null });
      }
      expect((await ask(gateway, question())).status).toBe(502);
      engine.usual(fresh());
      expect(await ask(gateway, one)).toMatchObject({ cache: 'miss' });
      expect(await ask(gateway, one)).toMatchObject({ cache: 'hit' });
    });
  });
});

describe('the cache behind a cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster({ password: secrets.redisPassword!, more: ['--masterauth', secrets.redisPassword!] });
  }, 60_000);
  afterAll(() => cluster?.stop());

  it('finds its answers on all nodes, and misses those of a dead one only', async () => {
    const settings = cacheSettings([engine.peer], cluster.seed, { localBytes: 0 }, { cluster: true });
    await within(settings, async (gateway) => {
      const questions = Array.from({ length: 30 }, question);
      for (const one of questions) await ask(gateway, one);
      await until('all are there', async () => {
        const each = await Promise.all(cluster.servers.map((server) => server.cli('dbsize')));
        return each.reduce((sum, one) => sum + Number(one), 0) === 60 || undefined;
      });
      for (const one of questions) expect(await ask(gateway, one)).toMatchObject({ cache: 'hit' });
      const dead = await cluster.masterOf(8000);
      await dead.kill();
      const seen = [];
      for (const one of questions) seen.push(await ask(gateway, one));
      expect(seen.every((one) => one.status === 200)).toBe(true);
      const hits = seen.filter((one) => one.cache === 'hit').length;
      expect(hits).toBeGreaterThan(5);
      expect(hits).toBeLessThan(30);
      await until(
        'the replica has taken over',
        async () => {
          const all = [];
          for (const one of questions) all.push((await ask(gateway, one)).cache);
          return all.every((word) => word === 'hit') || undefined;
        },
        20_000,
      );
    });
  }, 60_000);
});
