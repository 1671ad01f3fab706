import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, cacheRedis, cacheSettings, fresh, metric } from './cache-engine.js';
import { type Behaviour, sleep, startEngine, status, type TestEngine } from './engine.js';
import { type Gateway, startGateway, until } from './harness.js';
import type { RedisServer } from './redis-servers.js';

describe('equal requests at once', () => {
  let engine: TestEngine;
  const open: { stop(): unknown }[] = [];
  beforeAll(async () => {
    engine = await startEngine();
  });
  afterAll(() => engine?.stop());
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.stop();
    engine.usual(fresh());
    engine.forget();
  });

  const start = async (options: Parameters<typeof cacheSettings>[2] = {}, redis?: RedisServer, workers = 2) => {
    const settings = cacheSettings([engine.peer], redis, { replay: { everyMs: 0 }, ...options });
    const gateway = await startGateway(settings, { workers });
    open.push(gateway);
    return gateway;
  };
  const crowd = (gateway: Gateway, count: number, body: Record<string, unknown> = {}) =>
    Promise.all(Array.from({ length: count }, () => ask(gateway, body)));
  const words = (list: { readonly cache: string | null }[]) => list.map(({ cache }) => cache).sort();

  it('make one flight, over all workers, with a Redis or without', async () => {
    for (const redis of [undefined, await cacheRedis()]) {
      if (redis) open.push(redis);
      const gateway = await start({}, redis);
      engine.usual(fresh(3, 100));
      engine.forget();
      const answers = await crowd(gateway, 20);
      expect(engine.seen).toHaveLength(1);
      expect(words(answers)).toEqual([...Array(19).fill('hit'), 'miss']);
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      const flights = await until('both workers counted', async () => {
        const n = await metric(gateway, 'gateway_cache_total{model="m",result="flight"}');
        return n === 19 ? n : undefined;
      });
      expect(flights).toBe(19);
    }
  });

  it('share also an answer that is too large to stay in memory', async () => {
    const gateway = await start({ localBytes: 0 });
    engine.usual(fresh(30, 10));
    const answers = await crowd(gateway, 10);
    expect(engine.seen).toHaveLength(1);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });

  it('wait for a stream that leads, and get it as they asked', async () => {
    const gateway = await start();
    engine.usual(fresh(5, 40));
    const leader = ask(gateway, { stream: true, stream_options: { include_usage: true } });
    await until('it is under way', () => engine.seen[0]);
    const [streams, plain] = await Promise.all([crowd(gateway, 3, { stream: true }), crowd(gateway, 3)]);
    const first = await leader;
    for (const one of [...streams, ...plain]) expect(one).toMatchObject({ cache: 'hit', text: first.text });
    expect(engine.seen).toHaveLength(1);
  });

  it('wait no longer than they may: briefly for a stream, and then go themselves', async () => {
    const gateway = await start({ flight: { waitMs: 400, streamWaitMs: 100 } });
    engine.next(fresh(10, 200), fresh(10, 200));
    const leader = ask(gateway);
    await until('it is under way', () => engine.seen[0]);
    const from = performance.now();
    const [stream, plain] = await Promise.all([ask(gateway, { stream: true }), ask(gateway, { user: 'another' })]);
    expect([stream.cache, plain.cache]).toEqual(['miss', 'miss']);
    const [asked, early, late] = engine.seen.map(({ at, body }) => ({ at: at - from, body: JSON.parse(body) }));
    expect(asked).toBeDefined();
    expect(early!.body.stream).toBe(true);
    expect(early!.at).toBeGreaterThan(80);
    expect(early!.at).toBeLessThan(350);
    expect(late!.at).toBeGreaterThan(350);
    expect((await leader).cache).toBe('miss');
  });

  const slowly =
    (behaviour: Behaviour): Behaviour =>
    async (...all) => {
      await sleep(300);
      return behaviour(...all);
    };

  it.each<[string, Behaviour]>([
    ['is refused', slowly(status(400))],
    ['fails', slowly(status(500))],
    ['answers what cannot be kept', slowly((_, response) => void response.end('{}'))],
  ])('go themselves, all of them at once, when the leader %s', async (_, bad) => {
    const gateway = await start();
    engine.next(bad);
    engine.usual(fresh(1, 200));
    const leader = ask(gateway);
    await until('it is under way', () => engine.seen[0]);
    const answers = await crowd(gateway, 5);
    await leader;
    expect(answers.every((one) => one.status === 200)).toBe(true);
    expect(engine.seen).toHaveLength(6);
    const at = engine.seen.slice(1).map((one) => one.at);
    expect(Math.max(...at) - Math.min(...at)).toBeLessThan(150);
  });

  it('go themselves when the leader’s caller leaves', async () => {
    const gateway = await start();
    engine.next(fresh(100, 20));
    const stop = new AbortController();
    const body = { model: 'm', temperature: 0, messages: [{ role: 'user', content: 'hi' }], stream: true };
    const leader = await gateway.post(body, { signal: stop.signal });
    expect(leader.headers.get('x-cache')).toBe('miss');
    const waiting = ask(gateway);
    await sleep(100);
    expect(engine.seen).toHaveLength(1);
    stop.abort();
    expect(await waiting).toMatchObject({ status: 200, cache: 'miss' });
    expect(engine.seen).toHaveLength(2);
  });

  it('go themselves when the leader’s worker is killed', async () => {
    const gateway = await start({}, undefined, 2);
    const { execFile } = await import('node:child_process');
    const { promisify } = await import('node:util');
    const workers = async () =>
      (await promisify(execFile)('pgrep', ['-P', `${gateway.pid}`])).stdout.trim().split('\n').map(Number);
    engine.next(fresh(100, 50));
    const leader = ask(gateway).catch((error: Error) => error);
    await until('it is under way', () => engine.seen[0]);
    const followers = Array.from({ length: 8 }, () => ask(gateway).catch((error: Error) => error));
    await sleep(100);
    // The leader is on one of two workers: one after the other is killed, each after the new one is there.
    for (const pid of await workers()) {
      process.kill(pid, 'SIGKILL');
      await until('another worker', async () => ((await workers()).length === 2 ? true : undefined));
      await sleep(200);
      if ((await Promise.race([leader, sleep(100)])) instanceof Error) break;
    }
    expect(await leader).toBeInstanceOf(Error);
    const from = performance.now();
    const seen = await Promise.all(followers);
    expect(performance.now() - from).toBeLessThan(5000);
    // Those on a killed worker are cut; nobody waits for a leader that is no more.
    for (const one of seen) expect(one instanceof Error || one.status === 200).toBe(true);
    expect(await ask(gateway)).toMatchObject({ status: 200 });
  });

  it('do not wait for what another tenant asked, nor where nothing may be kept', async () => {
    const gateway = await start();
    engine.usual(fresh(1, 200));
    const from = performance.now();
    await Promise.all([
      ask(gateway, {}, { 'x-cache': 'off' }),
      ask(gateway, {}, { 'x-cache': 'off' }),
      ask(gateway, {}, { authorization: 'Bearer sk-of-another-tenant' }),
      ask(gateway),
    ]);
    expect(engine.seen).toHaveLength(4);
    for (const one of engine.seen) expect(one.at - from).toBeLessThan(150);
  });
});
