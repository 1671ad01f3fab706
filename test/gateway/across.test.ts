/** A version over HTTP that fails is answered for by one over gRPC, and the other way round: before the first byte, and when it failed fast. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { getMetrics } from '../../src/gateway/admin.js';
import { breakerOptions } from '../../src/gateway/breaker.js';
import type { Peer, Settings } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import type { BuildName } from './builds.js';
import { answer, type Behaviour, dies, reset, sleep, startEngine, status, stream, type TestEngine } from './engine.js';
import * as overGrpc from './grpc-engine.js';
import { type Gateway, startGateway, testSettings } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const kinds = [
  ['a chat', '/v1/chat/completions', hello],
  ['a stream', '/v1/chat/completions', { ...hello, stream: true }],
  ['a prompt', '/v1/text/generate', { prompt: 'hi' }],
] as const;
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe.each<BuildName>(['debian', 'current'])('versions of two protocols (%s nginx)', (nginx) => {
  let http: TestEngine;
  let grpc: overGrpc.GrpcEngine;
  let gateway: Gateway;
  let revision = 1;
  let count = 0;
  beforeAll(async () => {
    gateway = await startGateway(testSettings([]), { nginx });
  }, 120_000);
  afterAll(() => gateway?.stop());
  // Breakers remember peers by their addresses: each test has engines of its own.
  beforeEach(async () => {
    http = await startEngine();
    grpc = await overGrpc.startGrpcEngine();
  });
  afterEach(async () => {
    await http.stop();
    await grpc.stop();
  });

  /** The first is the one that requests are drawn for. */
  const use = async (first: 'http' | 'grpc', more: Partial<Settings> = {}) => {
    revision += 1;
    const weights = first === 'http' ? [1e6, 1e-6] : [1e-6, 1e6];
    const versions = [
      { name: 'http', weight: weights[0]!, peers: [http.peer] },
      { name: 'grpc', weight: weights[1]!, protocol: 'grpc' as const, peers: [grpc.peer] },
    ];
    const put = await gateway.put({
      ...testSettings([]),
      models: [{ id: 'm', versions }],
      breaker: breakerOptions({ minimum: 1000 }),
      degrade: { order: ['version'], models: {} },
      ...more,
      revision,
    });
    expect(put.status, await put.text()).toBe(200);
  };
  const ask = async (path: string, body: object) => {
    count += 1;
    const id = `across-${count}`;
    const got = await gateway.post(body, { path, headers: { 'x-request-id': id, traceparent } });
    const text = await got.text().catch(() => 'broken');
    const length = got.headers.get('content-length');
    return { status: got.status, by: got.headers.get('x-degraded'), length, text, line: await gateway.auditOf(id) };
  };
  /** Requests are drawn for the first version's peers; the others speak the other protocol. */
  const between = (
    first: 'http' | 'grpc',
    asked: readonly { readonly peer: Peer }[],
    others: readonly { readonly peer: Peer }[],
    more: Partial<Settings> = {},
  ) => {
    const second = first === 'http' ? 'grpc' : 'http';
    const version = (protocol: 'http' | 'grpc', weight: number, list: typeof asked) => ({
      name: protocol,
      weight,
      protocol,
      peers: list.map(({ peer }) => peer),
    });
    const versions = [version(first, 1e6, asked), version(second, 1e-6, others)];
    return use(first, { models: [{ id: 'm', versions }], ...more });
  };
  /** Its breaker opens, for longer than a test lasts. */
  const trip = async ({ peer }: TestEngine) => {
    await use('http', {
      models: [{ id: 'm', versions: [{ name: `tripped-${peer.port}`, weight: 1, peers: [peer] }] }],
      breaker: breakerOptions({ minimum: 1, rate: 0.01, openS: 60 }),
    });
    expect(await ask('/v1/chat/completions', hello)).toMatchObject({ status: 502 });
  };
  const moved = async () => {
    const text = await (await systemHttp.request(getMetrics(gateway.admin))).text();
    return Number(/^gateway_degraded_total\{model="m",by="version"\} (\d+)$/m.exec(text)?.[1] ?? 0);
  };
  const answers = (body: object, text: string) => expect(text).toContain('stream' in body ? 'data: [DONE]' : '"');

  it.each<[string, Behaviour]>([
    ['502', status(502)],
    ['504', status(504)],
    ['a reset', reset],
  ])('%s over HTTP: the one over gRPC answers', async (_, behaviour) => {
    await use('http');
    for (const [kind, path, body] of kinds) {
      http.usual(behaviour);
      grpc.forget();
      const one = await ask(path, body);
      expect([kind, one.status, one.by]).toEqual([kind, 200, 'version']);
      answers(body, one.text);
      expect(one.line).toMatchObject({ version: 'grpc', outcome: 'complete', status: 200, degraded: 'version' });
      expect(Number(one.line.attempts)).toBeLessThanOrEqual(3);
      expect(grpc.calls).toHaveLength(1);
      expect(grpc.calls[0]!.trace).toEqual({ traceparent });
    }
  });

  it.each<[string, overGrpc.Behaviour]>([
    ['hangs up', overGrpc.hangsUp],
    ['resets the call', overGrpc.resets],
    ['answers 502', overGrpc.stranger(502)],
  ])('an engine over gRPC that %s: the one over HTTP answers', async (_, behaviour) => {
    await use('grpc');
    for (const [kind, path, body] of kinds) {
      grpc.usual(behaviour);
      http.forget();
      http.usual('stream' in body ? stream(3) : answer);
      const one = await ask(path, body);
      expect([kind, one.status, one.by]).toEqual([kind, 200, 'version']);
      answers(body, one.text);
      expect(one.line).toMatchObject({ version: 'http', outcome: 'complete', status: 200, degraded: 'version' });
      // Where nothing is changed in the answer, its size is still told.
      expect(one.length !== null).toBe(kind === 'a chat');
      expect(http.seen).toHaveLength(1);
      const [seen] = http.seen;
      expect(seen!.url).toBe(path === '/v1/text/generate' ? '/v1/completions' : path);
      expect(seen!.headers).toMatchObject({ authorization: 'Bearer engine-key', traceparent });
      expect(JSON.parse(seen!.body)).toMatchObject({ model: 'm' });
      for (const name of ['grpc-timeout', 'te', 'x-tenant']) expect(seen!.headers).not.toHaveProperty(name);
    }
  });

  it('whom it was handed to over HTTP fails too: others of that version are asked, over HTTP, three tries in all', async () => {
    const peers = await Promise.all([0, 1, 2].map(() => startEngine(reset)));
    await between('grpc', [grpc], peers);
    for (const [kind, path, body] of kinds) {
      grpc.usual(overGrpc.stranger(504));
      const { status: code, line } = await ask(path, body);
      expect([kind, code, line.version, line.attempts]).toEqual([kind, 502, 'http', 3]);
    }
    expect(grpc.calls).toHaveLength(kinds.length);
    for (const count of [(one: TestEngine) => one.connections(), (one: TestEngine) => one.seen.length]) {
      expect(peers.reduce((sum, one) => sum + count(one), 0)).toBe(2 * kinds.length);
    }
    for (const one of peers) await one.stop();
  });

  it('a peer over HTTP that fails after one over gRPC did: the good one beside it answers', async () => {
    const bad = await startEngine(reset);
    await between('grpc', [grpc], [bad, http]);
    grpc.usual(overGrpc.stranger(504));
    for (const behaviour of [reset, status(502), status(504)]) {
      bad.forget();
      bad.usual(behaviour);
      for (let i = 0; bad.seen.length < 3; i += 1) {
        expect(i).toBeLessThan(50);
        const before = bad.seen.length;
        const [, path, body] = kinds[i % kinds.length]!;
        const { status: code, line } = await ask(path, body);
        expect([code, line.attempts]).toEqual([200, 2 + bad.seen.length - before]);
      }
    }
    await bad.stop();
  });

  it('a peer over gRPC that fails after one over HTTP did: the good one beside it answers', async () => {
    const [left, bad] = [await startEngine(reset), await overGrpc.startGrpcEngine()];
    await trip(left);
    // Of those over HTTP one is left alone, so that the first failure is the last there.
    await between('http', [http, left], [bad, grpc]);
    http.usual(reset);
    bad.usual(overGrpc.hangsUp);
    for (let i = 0; bad.calls.length < 3; i += 1) {
      expect(i).toBeLessThan(50);
      const before = bad.calls.length;
      const [, path, body] = kinds[i % kinds.length]!;
      const moves = await moved();
      const { status: code, line } = await ask(path, body);
      expect([code, line.attempts]).toEqual([200, 2 + bad.calls.length - before]);
      expect((await moved()) - moves).toBe(1);
    }
    expect(left.seen).toHaveLength(1);
    await left.stop();
    await bad.stop();
  });

  it('the other peer is left alone: nobody looks for it again and again', async () => {
    const left = await startEngine(reset);
    await trip(left);
    await between('grpc', [grpc, left], [http]);
    grpc.usual(overGrpc.hangsUp);
    for (const [kind, path, body] of kinds) {
      http.usual('stream' in body ? stream(3) : answer);
      const began = performance.now();
      const { status: code, line } = await ask(path, body);
      expect([kind, code, line.attempts]).toEqual([kind, 200, 2]);
      expect(performance.now() - began).toBeLessThan(1000);
    }
    await between('grpc', [grpc, left], [], { degrade: undefined as never });
    for (const [kind, path, body] of kinds) {
      const { status: code, line } = await ask(path, body);
      expect([kind, code, line.attempts]).toEqual([kind, 502, 1]);
    }
    expect(grpc.calls).toHaveLength(2 * kinds.length);
    await between('grpc', [grpc, left], [http, left]);
    http.usual(reset);
    for (const [kind, path, body] of kinds) {
      const { status: code, line } = await ask(path, body);
      expect([kind, code, line.attempts]).toEqual([kind, 502, 2]);
    }
    await left.stop();
  });

  it('not after it has begun to answer, nor when it failed slowly, nor where no other version may', async () => {
    await use('http');
    http.usual(dies(2));
    expect((await ask('/v1/chat/completions', { ...hello, stream: true })).line).toMatchObject({ outcome: 'cut' });
    http.usual(async (request, response, socket) => {
      await sleep(2700);
      await reset(request, response, socket);
    });
    expect(await ask('/v1/chat/completions', hello)).toMatchObject({ status: 502, by: null });
    http.usual(reset);
    await use('http', { degrade: undefined as never });
    expect(await ask('/v1/chat/completions', hello)).toMatchObject({ status: 502, by: null });
    expect(grpc.calls).toHaveLength(0);
    await use('grpc');
    grpc.usual(overGrpc.dies([overGrpc.chunk('{}').subarray(0, 3)]));
    expect(await ask('/v1/chat/completions', hello)).toMatchObject({ status: 502, by: null });
    expect((await ask('/v1/chat/completions', { ...hello, stream: true })).line).toMatchObject({ outcome: 'cut' });
    expect(http.seen).toHaveLength(3);
  });

  it('ends when both fail, after three tries at the most, and no load is left', async () => {
    for (const first of ['http', 'grpc'] as const) {
      await use(first);
      for (const [kind, path, body] of kinds) {
        http.forget();
        grpc.forget();
        http.usual(reset);
        grpc.usual(overGrpc.hangsUp);
        const one = await ask(path, body);
        expect([first, kind, one.status]).toEqual([first, kind, 502]);
        expect(JSON.parse(one.text)).toMatchObject({ error: { code: 'engine_unavailable' } });
        expect(http.seen.length).toBeGreaterThan(0);
        expect(http.seen.length + grpc.calls.length).toBeLessThanOrEqual(3);
      }
    }
    const { host, port, key } = gateway.admin;
    await sleep(300);
    const state = await fetch(`http://${host}:${port}/state`, { headers: { authorization: `Bearer ${key}` } });
    const { models } = (await state.json()) as { models: { versions: { peers: { load: number }[] }[] }[] };
    expect(models[0]!.versions.flatMap(({ peers }) => peers.map(({ load }) => load))).toEqual([0, 0]);
    expect(gateway.log()).not.toMatch(/\[(alert|emerg|crit)\]|failed to run|lua entry thread/);
  });
});
