/** What holds for an engine over HTTP holds over gRPC: cache, limits, breaker, another version in its place. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { breakerOptions } from '../../src/gateway/breaker.js';
import { cacheOptions } from '../../src/gateway/cache.js';
import { limitOptions } from '../../src/gateway/limits.js';
import type { Settings } from '../../src/gateway/settings.js';
import { sleep, startEngine, type TestEngine } from './engine.js';
import {
  type Behaviour,
  chunk,
  type GrpcEngine,
  refuses,
  sends,
  startGrpcEngine,
  streams,
  wholeJson,
} from './grpc-engine.js';
import { type Gateway, startGateway, testSettings } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

describe('policies over gRPC', () => {
  let grpc: GrpcEngine;
  let other: TestEngine;
  let gateway: Gateway;
  let revision = 1;
  const put = async (more: Partial<Settings>) => {
    revision += 1;
    const versions = [
      { name: `blue-${revision}`, weight: 100, protocol: 'grpc' as const, peers: [grpc.peer] },
      { name: 'green', weight: 0.001, peers: [other.peer] },
    ];
    const response = await gateway.put({ ...testSettings([]), models: [{ id: 'm', versions }], ...more, revision });
    expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
  };
  beforeAll(async () => {
    other = await startEngine();
    gateway = await startGateway(testSettings([]));
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await other?.stop();
  });
  // Breakers remember peers by their addresses: each test has an engine of its own.
  beforeEach(async () => {
    grpc = await startGrpcEngine();
    other.forget();
  });
  afterEach(() => grpc.stop());

  it('a protocol that is none is refused with the settings', async () => {
    const versions = [{ name: 'blue', weight: 100, protocol: 'soap' as never, peers: [grpc.peer] }];
    const response = await gateway.put({
      ...testSettings([]),
      models: [{ id: 'm', versions }],
      revision: revision + 1,
    });
    expect([response.status, await response.text()]).toMatchObject([
      400,
      expect.stringMatching(/neither http nor grpc/),
    ]);
  });

  it('an answer and a stream are kept, and come from the cache in either form', async () => {
    await put({ cache: cacheOptions({ replay: { everyMs: 0 } }) });
    for (const [i, stream] of [false, true].entries()) {
      grpc.forget();
      const asked = { ...hello, temperature: 0, seed: i };
      const first = await gateway.post({ ...asked, stream });
      expect([first.headers.get('x-cache'), (await first.text()).length > 20]).toEqual(['miss', true]);
      const again = await gateway.post({ ...asked, stream });
      const turned = await gateway.post({ ...asked, stream: !stream });
      expect([again, turned].map(({ headers }) => headers.get('x-cache'))).toEqual(['hit', 'hit']);
      await again.text();
      await turned.text();
      expect(grpc.calls).toHaveLength(1);
    }
  });

  it('a limit on tokens knows what a stream used, and does not show what the caller did not ask for', async () => {
    await put({ limits: limitOptions({ key: { tokensPerMinute: 2000 }, reserveTokens: 10 }) });
    const response = await gateway.post({ ...hello, stream: true });
    expect(await response.text()).not.toContain('usage');
    expect(JSON.parse(grpc.calls[0]!.json)).toMatchObject({ stream_options: { include_usage: true } });
    expect(await gateway.auditOf(response.headers.get('x-request-id')!)).toMatchObject({ completion_tokens: 3 });
  });

  it.each<[string, Behaviour, boolean]>([
    ['refuses', refuses(14), false],
    ['refuses in its trailers', sends([], 13), false],
    ['breaks its streams off with a status', sends([chunk('{"choices":[]}')], 14), true],
    ['tells its errors as JSON', sends([chunk('{"error":{"message":"x","code":500}}', true)]), true],
    ['sends what is no message', sends([Buffer.from([0, 0, 0, 0, 1, 255])]), true],
  ])('an engine that %s opens its breaker, and another version answers over HTTP', async (_, behaviour, stream) => {
    const breaker = breakerOptions({ windowS: 5, minimum: 4, openS: 30 });
    await put({ breaker, degrade: { order: ['version'], models: {} } });
    grpc.usual(behaviour);
    for (let i = 0; i < 4; i += 1) {
      const failed = await gateway.post({ ...hello, stream });
      expect([failed.headers.get('x-degraded'), await failed.text()]).toEqual([null, expect.stringContaining('error')]);
    }
    grpc.forget();
    // A stream that we ended is on record once its engine has ended it, too.
    await sleep(100);
    const response = await gateway.post(hello);
    expect([response.status, response.headers.get('x-degraded')]).toEqual([200, 'version']);
    expect(await response.text()).toContain('hello');
    expect([grpc.calls.length, other.seen.length]).toEqual([0, 1]);
  });

  it('a caller’s mistake is none of the engine’s', async () => {
    await put({ breaker: breakerOptions({ windowS: 5, minimum: 4, openS: 30 }) });
    grpc.usual(refuses(3, 'no'));
    for (let i = 0; i < 10; i += 1) expect((await gateway.post({ ...hello, stream: i % 2 === 0 })).status).toBe(400);
  });

  it('a version changes its protocol between two requests, with no reload', async () => {
    await put({});
    expect(await (await gateway.post(hello)).text()).toBe(wholeJson);
    await put({ models: [{ id: 'm', versions: [{ name: 'blue', weight: 100, peers: [other.peer] }] }] });
    expect(await (await gateway.post(hello)).text()).toContain('chatcmpl-1');
    await put({});
    grpc.usual(streams(2));
    expect(await (await gateway.post({ ...hello, stream: true })).text()).toContain('data: [DONE]');
  });
});
