/** An engine that is left alone, and a cache that has the answer: callers who ask what was asked before notice nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { breakerOptions } from '../../src/gateway/breaker.js';
import { ask, cacheRedis, cacheSettings, fresh, metric } from './cache-engine.js';
import { sleep, startEngine, status, type TestEngine } from './engine.js';
import { startGateway, until } from './harness.js';
import type { RedisServer } from './redis-servers.js';

const question = (content: string) => ({ messages: [{ role: 'user', content }] });

describe.each(['debian', 'current'] as const)('a breaker before a cache (%s nginx)', (nginx) => {
  let redis: RedisServer;
  let engine: TestEngine;
  beforeAll(async () => {
    redis = await cacheRedis();
    engine = await startEngine(fresh());
  });
  afterAll(async () => {
    await engine?.stop();
    await redis?.stop();
  });

  it.each([
    ['fresh', { ttlS: 3600, staleS: 60 }, 0, 'hit'],
    ['stale', { ttlS: 1, staleS: 3600 }, 2100, 'stale'],
  ])(
    'a %s answer is given in both forms, and the rest refused',
    async (_, times, afterMs, word) => {
      engine.usual(fresh());
      const settings = {
        ...cacheSettings([engine.peer], redis, times),
        breaker: breakerOptions({ windowS: 60, minimum: 4, openS: 600, longestS: 600 }),
      };
      const gateway = await startGateway(settings, { nginx, workers: 2 });
      try {
        const known = await ask(gateway, question(`known and ${word}`));
        const written = () => metric(gateway, 'gateway_cache_writes_total{result="stored"}');
        await until('it is in Redis', async () => ((await written()) > 0 ? true : undefined));
        await sleep(afterMs);
        engine.usual(status(500));
        for (let i = 0; i < 8; i += 1) await ask(gateway, question(`fails ${i}`));
        engine.forget();
        expect((await ask(gateway, question('new'))).status).toBe(503);
        for (const stream of [false, true]) {
          const seen = await ask(gateway, { ...question(`known and ${word}`), stream });
          expect(seen).toMatchObject({ status: 200, cache: word, text: known.text });
          expect(await gateway.auditOf(seen.id)).toMatchObject({ cache: word, attempts: 0, outcome: 'complete' });
        }
        expect(engine.seen).toHaveLength(0);
      } finally {
        await gateway.stop();
      }
    },
    60_000,
  );
});
