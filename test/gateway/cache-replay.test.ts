import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, cacheSettings, fresh } from './cache-engine.js';
import { startEngine, type TestEngine } from './engine.js';
import { type Gateway, startGateway } from './harness.js';

describe('a stream from the cache', () => {
  let engine: TestEngine;
  let gateway: Gateway;
  beforeAll(async () => {
    engine = await startEngine(fresh(100));
    const replay = { pieceBytes: 16, everyMs: 10, longestMs: 500 };
    gateway = await startGateway(cacheSettings([engine.peer], undefined, { replay }));
  });
  afterAll(async () => {
    await gateway?.stop();
    await engine?.stop();
  });

  const open = (signal?: AbortSignal, id = 'stream') =>
    gateway.post(
      { model: 'm', temperature: 0, messages: [{ role: 'user', content: 'hi' }], stream: true },
      { ...(signal ? { signal } : {}), headers: { 'x-request-id': id } },
    );

  it('begins at once, comes bit by bit, and takes no longer than it may', async () => {
    const first = await ask(gateway);
    const from = performance.now();
    const response = await open();
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const at: number[] = [];
    let text = '';
    for await (const part of response.body!) {
      at.push(performance.now() - from);
      text += Buffer.from(part).toString();
    }
    // 1.5 kB of text in pieces of 16 bytes would be a second at 10 ms each: several go at once instead.
    expect(text.match(/data: \{/g)!.length).toBeGreaterThan(80);
    expect(at.length).toBeGreaterThan(20);
    expect(at[0]!).toBeLessThan(200);
    expect(at.at(-1)!).toBeGreaterThan(300);
    expect(at.at(-1)!).toBeLessThan(2500);
    const again = await ask(gateway, { stream: true });
    expect(again.text).toBe(first.text);
  });

  it('lets others through meanwhile: the worker sleeps, it does not wait', async () => {
    await ask(gateway);
    const streams = Array.from({ length: 50 }, () => ask(gateway, { stream: true }));
    const took = [];
    for (let i = 0; i < 20; i += 1) {
      const from = performance.now();
      expect((await ask(gateway, {}, { 'x-cache': 'off' })).status).toBe(200);
      took.push(performance.now() - from);
    }
    expect(took.sort((a, b) => a - b)[10]).toBeLessThan(100);
    for (const one of await Promise.all(streams)) expect(one.cache).toBe('hit');
  });

  it('ends when its caller leaves, and the audit says that it was cut', async () => {
    await ask(gateway);
    const stop = new AbortController();
    const response = await open(stop.signal, 'left');
    await response.body!.getReader().read();
    stop.abort();
    expect(await gateway.auditOf('left')).toMatchObject({ cache: 'hit', outcome: 'cut', attempts: 0 });
  });
});
