import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../../src/gateway/settings.js';
import type { BuildName } from './builds.js';
import { ask, cacheRedis, cacheSettings, fresh, metric, otherKey, usage } from './cache-engine.js';
import { answer, dies, half, startEngine, status, type TestEngine } from './engine.js';
import { type Gateway, secrets, startGateway, until } from './harness.js';
import type { RedisServer } from './redis-servers.js';

describe.each<BuildName>(['debian', 'current'])('the cache of the gateway on %s nginx', (nginx) => {
  let redis: RedisServer;
  let engine: TestEngine;
  let gateway: Gateway;
  let settings: Settings;
  let revision = 1;
  beforeAll(async () => {
    [redis, engine] = await Promise.all([cacheRedis(), startEngine()]);
    settings = cacheSettings([engine.peer], redis, { replay: { everyMs: 0 } });
    gateway = await startGateway(settings, { nginx });
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await engine?.stop();
    await redis?.stop();
  });
  beforeEach(() => {
    engine.usual(fresh());
    engine.forget();
  });

  let asked = 0;
  /** A question nobody asked before. */
  const question = () => {
    asked += 1;
    return { messages: [{ role: 'user', content: `question ${nginx} ${asked}` }] };
  };
  const change = async (more: Partial<Settings>) => {
    revision += 1;
    settings = { ...settings, ...more, revision };
    expect((await gateway.put(settings)).status).toBe(200);
  };
  const stored = (count: number) =>
    until('the answer is in Redis', async () => Number(await redis.cli('dbsize')) >= count || undefined);
  const keyOf = async (words: string) => {
    const before = new Set((await redis.cli('keys', '*')).split('\n'));
    await ask(gateway, { messages: [{ role: 'user', content: words }] });
    return until('a new key', async () => (await redis.cli('keys', '*')).split('\n').find((one) => !before.has(one)));
  };
  /** What another gateway, whose memory has nothing, finds in Redis. */
  const elsewhere = async <T>(use: (other: Gateway) => Promise<T>): Promise<T> => {
    const other = await startGateway(settings, { nginx });
    try {
      return await use(other);
    } finally {
      await other.stop();
    }
  };

  it('answers an equal question from what it has, and says so', async () => {
    const one = question();
    const first = await ask(gateway, one);
    expect(first).toMatchObject({ status: 200, cache: 'miss', age: null });
    const second = await ask(gateway, { ...one, user: 'somebody else' });
    expect(second).toMatchObject({ status: 200, cache: 'hit', text: first.text, usage });
    expect(Number(second.age)).toBeLessThan(5);
    expect(engine.seen).toHaveLength(1);
    expect(await gateway.auditOf(second.id)).toMatchObject({
      cache: 'hit',
      attempts: 0,
      outcome: 'complete',
      status: 200,
    });
    expect(await gateway.auditOf(first.id)).toMatchObject({ cache: 'miss', attempts: 1, outcome: 'complete' });
    expect((await gateway.auditOf(second.id)).bytes_out).toBeGreaterThan(100);
  });

  it('replays what came as JSON as a stream', async () => {
    const one = question();
    const first = await ask(gateway, one);
    const plain = await ask(gateway, { ...one, stream: true });
    expect(plain).toMatchObject({ cache: 'hit', text: first.text, usage: undefined });
    expect(plain.events).toBeGreaterThan(2);
    const full = await ask(gateway, { ...one, stream: true, stream_options: { include_usage: true } });
    expect(full).toMatchObject({ cache: 'hit', text: first.text, usage });
    expect(engine.seen).toHaveLength(1);
  });

  it('replays what came as a stream as JSON, when its usage is known', async () => {
    const one = question();
    const first = await ask(gateway, { ...one, stream: true, stream_options: { include_usage: true } });
    expect(await ask(gateway, one)).toMatchObject({ cache: 'hit', text: first.text, usage });
    expect(await ask(gateway, { ...one, stream: true })).toMatchObject({ cache: 'hit', text: first.text });
    const bare = question();
    const second = await ask(gateway, { ...bare, stream: true });
    expect(await ask(gateway, { ...bare, stream: true })).toMatchObject({ cache: 'hit', text: second.text });
    const third = await ask(gateway, bare);
    expect(third).toMatchObject({ cache: 'miss', usage });
    expect(await ask(gateway, { ...bare, stream: true })).toMatchObject({ cache: 'hit', text: third.text });
  });

  it('keeps tenants, models, parameters and revisions apart', async () => {
    const one = question();
    await ask(gateway, one);
    expect(await ask(gateway, one, { authorization: `Bearer ${otherKey}` })).toMatchObject({ cache: 'miss' });
    expect(await ask(gateway, { ...one, max_tokens: 5 })).toMatchObject({ cache: 'miss' });
    expect(await ask(gateway, { ...one, seed: 5 })).toMatchObject({ cache: 'miss' });
    expect(await ask(gateway, one)).toMatchObject({ cache: 'hit' });
    const [model] = settings.models;
    const [version] = model!.versions;
    await change({ models: [{ ...model!, versions: [{ ...version!, revision: 'other weights' }] }] });
    expect(await ask(gateway, one)).toMatchObject({ cache: 'miss' });
    await change({ models: [model!] });
    expect(await ask(gateway, one)).toMatchObject({ cache: 'hit' });
  });

  it('leaves alone what was not asked at temperature 0, unless the caller wishes it', async () => {
    const warm = { ...question(), temperature: 0.7 };
    expect(await ask(gateway, warm)).toMatchObject({ cache: 'bypass' });
    expect(await ask(gateway, warm)).toMatchObject({ cache: 'bypass' });
    expect(await ask(gateway, { ...question(), temperature: undefined })).toMatchObject({ cache: 'bypass' });
    const first = await ask(gateway, warm, { 'x-cache': 'on' });
    expect(first).toMatchObject({ cache: 'miss' });
    expect(await ask(gateway, warm, { 'x-cache': 'on' })).toMatchObject({ cache: 'hit', text: first.text });
    expect(await ask(gateway, warm)).toMatchObject({ cache: 'bypass' });
  });

  it('neither gives nor keeps where the caller says no-store; looks anew where it says no-cache', async () => {
    const one = question();
    expect(await ask(gateway, one, { 'cache-control': 'no-store' })).toMatchObject({ cache: 'bypass' });
    expect(await ask(gateway, one, { 'x-cache': 'off' })).toMatchObject({ cache: 'bypass' });
    const first = await ask(gateway, one);
    expect(first).toMatchObject({ cache: 'miss' });
    expect(await ask(gateway, one, { 'cache-control': 'no-store' })).toMatchObject({ cache: 'bypass' });
    const second = await ask(gateway, one, { 'cache-control': 'max-age=0, no-cache' });
    expect(second).toMatchObject({ cache: 'miss' });
    expect(second.text).not.toBe(first.text);
    expect(await ask(gateway, one)).toMatchObject({ cache: 'hit', text: second.text });
    const third = await ask(gateway, one, { 'x-cache': 'refresh' });
    expect(await ask(gateway, one)).toMatchObject({ cache: 'hit', text: third.text });
  });

  it('keeps nothing that is not whole', async () => {
    const one = question();
    for (const bad of [status(500), status(400), half]) {
      engine.next(bad);
      await ask(gateway, one).catch(() => undefined);
      expect(await ask(gateway, one, { 'x-cache': 'off' })).toMatchObject({ cache: 'bypass' });
    }
    engine.next(dies(2));
    await ask(gateway, { ...one, stream: true }).catch(() => undefined);
    engine.next((_, response) => void response.end('{"choices":[{"finish_reason":"stop"}]}'));
    expect(await ask(gateway, one)).toMatchObject({ cache: 'miss' });
    expect(await ask(gateway, one)).toMatchObject({ cache: 'miss', text: expect.stringContaining('answer') });
  });

  it('keeps nothing of an answer that its caller did not wait for', async () => {
    const one = question();
    engine.next(fresh(100, 5));
    const stop = new AbortController();
    const response = await gateway.post(
      { model: 'm', temperature: 0, ...one, stream: true },
      { signal: stop.signal, headers: { 'x-request-id': `left-${nginx}` } },
    );
    await response.body!.getReader().read();
    stop.abort();
    expect(await gateway.auditOf(`left-${nginx}`)).toMatchObject({ outcome: 'cut', cache: 'miss' });
    expect(await ask(gateway, { ...one, stream: true })).toMatchObject({ cache: 'miss' });
  });

  it('embeds from the cache without being asked to', async () => {
    const list = {
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [0.25, -1] }],
      model: 'm',
      usage,
    };
    engine.usual((_, response) => void response.end(JSON.stringify(list)));
    const embed = async () => {
      const response = await gateway.post({ model: 'm', input: `text ${nginx}` }, { path: '/v1/embeddings' });
      return [response.headers.get('x-cache'), await response.json()];
    };
    expect(await embed()).toEqual(['miss', list]);
    expect(await embed()).toEqual(['hit', list]);
  });

  it('keeps text completions, and gives them on both routes, each in its own words', async () => {
    const completion = {
      id: 'c',
      object: 'text_completion',
      created: 5,
      model: 'm',
      choices: [{ index: 0, text: 'some text', finish_reason: 'stop' }],
      usage,
    };
    engine.usual((_, response) => void response.end(JSON.stringify(completion)));
    const prompt = { prompt: `text ${nginx}`, temperature: 0, max_tokens: 9 };
    const post = async (path: string, more: object = {}) => {
      const response = await gateway.post({ model: 'm', ...prompt, ...more }, { path });
      return [response.headers.get('x-cache'), await response.text()] as const;
    };
    const [miss, first] = await post('/v1/text/generate');
    const [hit, second] = await post('/v1/text/generate');
    expect([miss, hit]).toEqual(['miss', 'hit']);
    expect(second).toBe(first);
    expect(JSON.parse(second)).toMatchObject({ text: 'some text', finish_reason: 'stop', usage });
    const [, plain] = await post('/v1/completions');
    expect(JSON.parse(plain)).toEqual(completion);
    const [streamed, events] = await post('/v1/text/generate', { stream: true });
    expect(streamed).toBe('hit');
    const objects = (events.match(/^data: \{.*$/gm) ?? []).map((line) => JSON.parse(line.slice(6)));
    expect(objects.map(({ text }) => text).join('')).toBe('some text');
    expect(objects.at(-1)).toMatchObject({ usage });
    expect(events).toMatch(/data: \[DONE\]\n\n$/);
    expect(engine.seen).toHaveLength(1);
  });

  it('seals what it gives to Redis, and has it there for other gateways', async () => {
    const words = `a secret prompt ${nginx}`;
    const key = await keyOf(words);
    const first = await ask(gateway, { messages: [{ role: 'user', content: words }] });
    expect(first.cache).toBe('hit');
    expect(key).toMatch(/^answer:[\w+/]{43}$/);
    const value = await redis.cli('get', key);
    for (const part of ['answer', 'choices', 'secret', 'prompt', first.text.trim()]) expect(value).not.toContain(part);
    expect(Number(await redis.cli('ttl', key))).toBeGreaterThan(3600);
    await elsewhere(async (other) => {
      const found = await ask(other, { messages: [{ role: 'user', content: words }] });
      expect(found).toMatchObject({ cache: 'hit', text: first.text });
      expect(await metric(other, 'gateway_cache_total{model="m",result="redis"}')).toBe(1);
      // From now on it has it in its own memory.
      await ask(other, { messages: [{ role: 'user', content: words }] });
      expect(await metric(other, 'gateway_cache_total{model="m",result="local"}')).toBe(1);
    });
  });

  it('takes for a miss what was changed, or moved under another name', async () => {
    const [one, two] = [await keyOf(`one ${nginx}`), await keyOf(`two ${nginx}`)];
    await redis.cli('copy', one, two, 'replace');
    await redis.cli('setrange', one, '40', 'X');
    await elsewhere(async (other) => {
      for (const words of ['one', 'two']) {
        const seen = await ask(other, { messages: [{ role: 'user', content: `${words} ${nginx}` }] });
        expect(seen).toMatchObject({ status: 200, cache: 'miss' });
      }
      expect(await metric(other, 'gateway_cache_writes_total{result="unreadable"}')).toBe(2);
      for (const value of ['', 'x', 'x'.repeat(5000)]) {
        await redis.cli('set', one, value);
        const seen = await ask(other, { messages: [{ role: 'user', content: `one ${nginx}` }] }, { 'x-cache': 'on' });
        expect(seen.status).toBe(200);
      }
      await redis.cli('del', one);
      await redis.cli('lpush', one, 'of another type');
    });
    await elsewhere(async (other) => {
      const seen = await ask(other, { messages: [{ role: 'user', content: `one ${nginx}` }] });
      expect(seen).toMatchObject({ status: 200, cache: 'miss' });
    });
  });

  it('keeps no answer that is too large, and large ones in Redis only', async () => {
    await change({ cache: { ...settings.cache!, maxBytes: 3000, localBytes: 500 } });
    engine.usual(fresh(50));
    const [middle, large] = [question(), question()];
    const before = Number(await redis.cli('dbsize'));
    await ask(gateway, middle);
    await stored(before + 1);
    await ask(gateway, middle);
    expect(await metric(gateway, 'gateway_cache_total{model="m",result="redis"}')).toBe(1);
    engine.usual(fresh(500));
    for (const stream of [false, true]) {
      await ask(gateway, { ...large, stream });
      expect(await ask(gateway, { ...large, stream })).toMatchObject({ cache: 'miss' });
    }
    await change({ cache: cacheSettings([], redis, { replay: { everyMs: 0 } }).cache! });
  });

  it('forgets after a time', async () => {
    const kept = settings.cache!;
    await change({ cache: { ...kept, ttlS: 1, staleS: 0 } });
    const one = question();
    await ask(gateway, one);
    expect(await ask(gateway, one)).toMatchObject({ cache: 'hit' });
    await new Promise((done) => setTimeout(done, 2100));
    expect(await ask(gateway, one)).toMatchObject({ cache: 'miss' });
    await change({ cache: kept });
  });

  it('counts, and no log has a secret', async () => {
    const hits = 'gateway_cache_total{model="m",result="local"}';
    const one = question();
    await ask(gateway, one);
    const before = await metric(gateway, hits);
    await ask(gateway, one);
    await ask(gateway, one);
    expect((await metric(gateway, hits)) - before).toBe(2);
    expect(await metric(gateway, 'gateway_cache_writes_total{result="stored"}')).toBeGreaterThan(5);
    expect(await metric(gateway, 'gateway_cache_free_bytes{}')).toBeGreaterThan(1e6);
    engine.usual(answer);
    for (const secret of [secrets.redisPassword!, secrets.cacheSecret!]) {
      expect(gateway.log()).not.toContain(secret);
      expect(JSON.stringify(await gateway.audit())).not.toContain(secret);
    }
    expect(gateway.log()).not.toMatch(/lua|cache|redis/i);
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
