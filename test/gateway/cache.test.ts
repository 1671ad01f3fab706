import { expect, it } from 'vitest';
import { auditOptions } from '../../src/gateway/audit.js';
import { ask, fresh, metric, otherKey, usage } from './cache-engine.js';
import { onCache } from './cache-suite.js';
import { answer, dies, half, status } from './engine.js';
import { secrets } from './harness.js';

onCache('the cache', (cached) => {
  it('answers an equal question from what it has, and says so', async () => {
    const one = cached.question();
    const first = await ask(cached.gateway, one);
    expect(first).toMatchObject({ status: 200, cache: 'miss', age: null });
    const second = await ask(cached.gateway, { ...one, user: 'somebody else' });
    expect(second).toMatchObject({ status: 200, cache: 'hit', text: first.text, usage });
    expect(Number(second.age)).toBeLessThan(5);
    expect(cached.engine.seen).toHaveLength(1);
    expect(await cached.gateway.auditOf(second.id)).toMatchObject({
      cache: 'hit',
      attempts: 0,
      outcome: 'complete',
      status: 200,
    });
    expect(await cached.gateway.auditOf(first.id)).toMatchObject({ cache: 'miss', attempts: 1, outcome: 'complete' });
    expect((await cached.gateway.auditOf(second.id)).bytes_out).toBeGreaterThan(100);
  });

  it('replays what came as JSON as a stream', async () => {
    const one = cached.question();
    const first = await ask(cached.gateway, one);
    const plain = await ask(cached.gateway, { ...one, stream: true });
    expect(plain).toMatchObject({ cache: 'hit', text: first.text, usage: undefined });
    expect(plain.events).toBeGreaterThan(2);
    const full = await ask(cached.gateway, { ...one, stream: true, stream_options: { include_usage: true } });
    expect(full).toMatchObject({ cache: 'hit', text: first.text, usage });
    expect(cached.engine.seen).toHaveLength(1);
  });

  it('replays what came as a stream as JSON, when its usage is known', async () => {
    const one = cached.question();
    const first = await ask(cached.gateway, { ...one, stream: true, stream_options: { include_usage: true } });
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'hit', text: first.text, usage });
    expect(await ask(cached.gateway, { ...one, stream: true })).toMatchObject({ cache: 'hit', text: first.text });
    const bare = cached.question();
    const second = await ask(cached.gateway, { ...bare, stream: true });
    expect(await ask(cached.gateway, { ...bare, stream: true })).toMatchObject({ cache: 'hit', text: second.text });
    // Asked for the audit log, it is known of streams whose callers do not want it too.
    expect(await ask(cached.gateway, bare)).toMatchObject({ cache: 'hit', text: second.text, usage });
    await cached.change({ audit: auditOptions({ streamTokens: false }) });
    const unknown = cached.question();
    await ask(cached.gateway, { ...unknown, stream: true });
    const third = await ask(cached.gateway, unknown);
    expect(third).toMatchObject({ cache: 'miss', usage });
    expect(await ask(cached.gateway, { ...unknown, stream: true })).toMatchObject({ cache: 'hit', text: third.text });
    await cached.change({ audit: auditOptions() });
  });

  it('keeps tenants, models, parameters and revisions apart', async () => {
    const one = cached.question();
    await ask(cached.gateway, one);
    expect(await ask(cached.gateway, one, { authorization: `Bearer ${otherKey}` })).toMatchObject({ cache: 'miss' });
    expect(await ask(cached.gateway, { ...one, max_tokens: 5 })).toMatchObject({ cache: 'miss' });
    expect(await ask(cached.gateway, { ...one, seed: 5 })).toMatchObject({ cache: 'miss' });
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'hit' });
    const [model] = cached.settings.models;
    const [version] = model!.versions;
    await cached.change({ models: [{ ...model!, versions: [{ ...version!, revision: 'other weights' }] }] });
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'miss' });
    await cached.change({ models: [model!] });
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'hit' });
  });

  it('leaves alone what was not asked at temperature 0, unless the caller wishes it', async () => {
    const warm = { ...cached.question(), temperature: 0.7 };
    expect(await ask(cached.gateway, warm)).toMatchObject({ cache: 'bypass' });
    expect(await ask(cached.gateway, warm)).toMatchObject({ cache: 'bypass' });
    expect(await ask(cached.gateway, { ...cached.question(), temperature: undefined })).toMatchObject({
      cache: 'bypass',
    });
    const first = await ask(cached.gateway, warm, { 'x-cache': 'on' });
    expect(first).toMatchObject({ cache: 'miss' });
    expect(await ask(cached.gateway, warm, { 'x-cache': 'on' })).toMatchObject({ cache: 'hit', text: first.text });
    expect(await ask(cached.gateway, warm)).toMatchObject({ cache: 'bypass' });
  });

  it('neither gives nor keeps where the caller says no-store; looks anew where it says no-cache', async () => {
    const one = cached.question();
    expect(await ask(cached.gateway, one, { 'cache-control': 'no-store' })).toMatchObject({ cache: 'bypass' });
    expect(await ask(cached.gateway, one, { 'x-cache': 'off' })).toMatchObject({ cache: 'bypass' });
    const first = await ask(cached.gateway, one);
    expect(first).toMatchObject({ cache: 'miss' });
    expect(await ask(cached.gateway, one, { 'cache-control': 'no-store' })).toMatchObject({ cache: 'bypass' });
    const second = await ask(cached.gateway, one, { 'cache-control': 'max-age=0, no-cache' });
    expect(second).toMatchObject({ cache: 'miss' });
    expect(second.text).not.toBe(first.text);
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'hit', text: second.text });
    const third = await ask(cached.gateway, one, { 'x-cache': 'refresh' });
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'hit', text: third.text });
  });

  it('keeps nothing that is not whole', async () => {
    const one = cached.question();
    for (const bad of [status(500), status(400), half]) {
      cached.engine.next(bad);
      await ask(cached.gateway, one).catch(() => undefined);
      expect(await ask(cached.gateway, one, { 'x-cache': 'off' })).toMatchObject({ cache: 'bypass' });
    }
    cached.engine.next(dies(2));
    await ask(cached.gateway, { ...one, stream: true }).catch(() => undefined);
    cached.engine.next((_, response) => void response.end('{"choices":[{"finish_reason":"stop"}]}'));
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'miss' });
    expect(await ask(cached.gateway, one)).toMatchObject({ cache: 'miss', text: expect.stringContaining('answer') });
  });

  it('keeps nothing of an answer that its caller did not wait for', async () => {
    const one = cached.question();
    cached.engine.next(fresh(100, 5));
    const stop = new AbortController();
    const response = await cached.gateway.post(
      { model: 'm', temperature: 0, ...one, stream: true },
      { signal: stop.signal, headers: { 'x-request-id': `left-${cached.nginx}` } },
    );
    await response.body!.getReader().read();
    stop.abort();
    expect(await cached.gateway.auditOf(`left-${cached.nginx}`)).toMatchObject({ outcome: 'cut', cache: 'miss' });
    expect(await ask(cached.gateway, { ...one, stream: true })).toMatchObject({ cache: 'miss' });
  });

  it('embeds from the cache without being asked to', async () => {
    const list = {
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [0.25, -1] }],
      model: 'm',
      usage,
    };
    cached.engine.usual((_, response) => void response.end(JSON.stringify(list)));
    const embed = async () => {
      const response = await cached.gateway.post(
        { model: 'm', input: `text ${cached.nginx}` },
        { path: '/v1/embeddings' },
      );
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
    cached.engine.usual((_, response) => void response.end(JSON.stringify(completion)));
    const prompt = { prompt: `text ${cached.nginx}`, temperature: 0, max_tokens: 9 };
    const post = async (path: string, more: object = {}) => {
      const response = await cached.gateway.post({ model: 'm', ...prompt, ...more }, { path });
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
    expect(cached.engine.seen).toHaveLength(1);
  });

  it('counts, and no log has a secret', async () => {
    const hits = 'gateway_cache_total{model="m",result="local"}';
    const one = cached.question();
    await ask(cached.gateway, one);
    const before = await metric(cached.gateway, hits);
    await ask(cached.gateway, one);
    await ask(cached.gateway, one);
    expect((await metric(cached.gateway, hits)) - before).toBe(2);
    expect(await metric(cached.gateway, 'gateway_cache_writes_total{result="stored"}')).toBeGreaterThan(5);
    expect(await metric(cached.gateway, 'gateway_cache_free_bytes{}')).toBeGreaterThan(1e6);
    cached.engine.usual(answer);
    for (const secret of [secrets.redisPassword!, secrets.cacheSecret!]) {
      expect(cached.gateway.log()).not.toContain(secret);
      expect(JSON.stringify(await cached.gateway.audit())).not.toContain(secret);
    }
    expect(cached.gateway.log()).not.toMatch(/lua|cache|redis/i);
  });
});
