/** What of an answer is kept, where, for how long, and what Redis gets to see of it. */
import { describe, expect, it } from 'vitest';
import type { Settings } from '../../src/gateway/settings.js';
import { ask, cacheSettings, fresh, metric } from './cache-engine.js';
import { type Cached, onCache } from './cache-suite.js';
import { startEngine } from './engine.js';
import { startGateway, until } from './harness.js';

/** Asks, and tells under which key Redis has the answer. */
async function keyOf({ redis, gateway }: Cached, words: string): Promise<string> {
  const before = new Set((await redis.cli('keys', '*')).split('\n'));
  await ask(gateway, { messages: [{ role: 'user', content: words }] });
  return until('a new key', async () => (await redis.cli('keys', '*')).split('\n').find((one) => !before.has(one)));
}

onCache('what the cache keeps', (cached) => {
  it('seals what it gives to Redis, and has it there for other gateways', async () => {
    const words = `a secret prompt ${cached.nginx}`;
    const key = await keyOf(cached, words);
    const first = await ask(cached.gateway, { messages: [{ role: 'user', content: words }] });
    expect(first.cache).toBe('hit');
    expect(key).toMatch(/^answer:[\w+/]{43}$/);
    const value = await cached.redis.cli('get', key);
    for (const part of ['answer', 'choices', 'secret', 'prompt', first.text.trim()]) expect(value).not.toContain(part);
    expect(Number(await cached.redis.cli('ttl', key))).toBeGreaterThan(3600);
    await cached.elsewhere(async (other) => {
      const found = await ask(other, { messages: [{ role: 'user', content: words }] });
      expect(found).toMatchObject({ cache: 'hit', text: first.text });
      expect(await metric(other, 'gateway_cache_total{model="m",result="redis"}')).toBe(1);
      // From now on it has it in its own memory.
      await ask(other, { messages: [{ role: 'user', content: words }] });
      expect(await metric(other, 'gateway_cache_total{model="m",result="local"}')).toBe(1);
    });
  });

  it('takes for a miss what was changed, or moved under another name', async () => {
    const [one, two] = [await keyOf(cached, `one ${cached.nginx}`), await keyOf(cached, `two ${cached.nginx}`)];
    await cached.redis.cli('copy', one, two, 'replace');
    await cached.redis.cli('setrange', one, '40', 'X');
    await cached.elsewhere(async (other) => {
      for (const words of ['one', 'two']) {
        const seen = await ask(other, { messages: [{ role: 'user', content: `${words} ${cached.nginx}` }] });
        expect(seen).toMatchObject({ status: 200, cache: 'miss' });
      }
      expect(await metric(other, 'gateway_cache_writes_total{result="unreadable"}')).toBe(2);
      for (const value of ['', 'x', 'x'.repeat(5000)]) {
        await cached.redis.cli('set', one, value);
        const seen = await ask(
          other,
          { messages: [{ role: 'user', content: `one ${cached.nginx}` }] },
          { 'x-cache': 'on' },
        );
        expect(seen.status).toBe(200);
      }
      await cached.redis.cli('del', one);
      await cached.redis.cli('lpush', one, 'of another type');
    });
    await cached.elsewhere(async (other) => {
      const seen = await ask(other, { messages: [{ role: 'user', content: `one ${cached.nginx}` }] });
      expect(seen).toMatchObject({ status: 200, cache: 'miss' });
    });
  });

  it('keeps no answer that is too large, and large ones in Redis only', async () => {
    await cached.change({ cache: { ...cached.settings.cache!, maxBytes: 3000, localBytes: 500 } });
    cached.engine.usual(fresh(50));
    const [middle, large] = [cached.question(), cached.question()];
    const before = Number(await cached.redis.cli('dbsize'));
    await ask(cached.gateway, middle);
    await until('it is there', async () => Number(await cached.redis.cli('dbsize')) > before || undefined);
    await ask(cached.gateway, middle);
    expect(await metric(cached.gateway, 'gateway_cache_total{model="m",result="redis"}')).toBe(1);
    cached.engine.usual(fresh(500));
    for (const stream of [false, true]) {
      await ask(cached.gateway, { ...large, stream });
      expect(await ask(cached.gateway, { ...large, stream })).toMatchObject({ cache: 'miss' });
    }
    await cached.change({ cache: cacheSettings([], cached.redis, { replay: { everyMs: 0 } }).cache! });
  });

  it('forgets after a time', async () => {
    const kept = cached.settings.cache!;
    await cached.change({ cache: { ...kept, ttlS: 1, staleS: 0 } });
    const one = cached.question();
    await ask(cached.gateway, one);
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'hit' });
    await new Promise((done) => setTimeout(done, 2100));
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'miss' });
    await cached.change({ cache: kept });
  });
});

describe('settings of the cache', () => {
  it('that are not whole are not taken: those before stay in force', async () => {
    const engine = await startEngine();
    const settings = cacheSettings([engine.peer], { host: '127.0.0.1', port: 1 });
    const gateway = await startGateway(settings);
    try {
      const wrong: [Record<string, unknown>, string][] = [
        [{ cache: { ...settings.cache!, ttlS: '1h' } }, 'cache.ttlS is no number'],
        [{ cache: { ...settings.cache!, flight: {} } }, 'cache.flight'],
        [{ cache: true }, 'cache is not an object'],
        [{ redis: { ...settings.redis!, nodes: [] } }, 'redis.nodes.1 is not an object'],
        [{ redis: { ...settings.redis!, username: 5 } }, 'redis.username is no string'],
      ];
      for (const [more, words] of wrong) {
        const response = await gateway.put({ ...settings, ...more, revision: 9 } as Settings);
        expect(response.status).toBe(400);
        expect(await response.text()).toContain(words);
      }
      expect(await ask(gateway)).toMatchObject({ status: 200, cache: 'miss' });
      expect((await gateway.put({ ...settings, revision: 9 })).status).toBe(200);
    } finally {
      await gateway.stop();
      await engine.stop();
    }
  });
});
