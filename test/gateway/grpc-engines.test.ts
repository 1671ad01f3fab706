/** Engines that speak gRPC and fail: what is tried again, what is not, and what the caller is told. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../../src/gateway/settings.js';
import type { BuildName } from './builds.js';
import { sleep } from './engine.js';
import {
  answer,
  type Behaviour,
  chunk,
  dies,
  fallsSilent,
  type GrpcEngine,
  hangs,
  hangsUp,
  opens,
  refuses,
  resets,
  response,
  sends,
  startGrpcEngine,
  stranger,
  streams,
  wholeJson,
} from './grpc-engine.js';
import { type Gateway, startGateway, testSettings, until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const said = (text: string) => JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] });
const errorEvent = (code: string) => ({
  error: { message: expect.any(String), type: 'server_error', param: null, code },
});

const settings = (engines: readonly GrpcEngine[]): Settings => ({
  ...testSettings([]),
  models: [
    { id: 'm', versions: [{ name: 'blue', weight: 100, protocol: 'grpc', peers: engines.map(({ peer }) => peer) }] },
  ],
});

let marks = 0;
const mark = () => {
  marks += 1;
  return `grpc-${marks}`;
};

describe.each<BuildName>(['debian', 'current'])('engines over gRPC (%s nginx)', (nginx) => {
  const engines: GrpcEngine[] = [];
  let engine: GrpcEngine;
  let lone: Gateway;
  let three: Gateway;
  beforeAll(async () => {
    for (let i = 0; i < 3; i += 1) engines.push(await startGrpcEngine());
    engine = engines[0]!;
    lone = await startGateway(settings([engine]), { nginx, engineSilence: 2 });
    three = await startGateway(settings(engines), { nginx, engineSilence: 3 });
  }, 120_000);
  afterAll(async () => {
    await lone?.stop();
    await three?.stop();
    for (const one of engines) await one.stop();
  });
  beforeEach(() => {
    for (const one of engines) one.forget();
  });

  const ask = async (stream: boolean, behaviour: Behaviour, more: object = {}) => {
    engine.next(behaviour);
    const id = mark();
    const got = await lone.post({ ...hello, ...more, stream }, { headers: { 'x-request-id': id } });
    const text = await got.text();
    return { status: got.status, headers: got.headers, text, audit: await lone.auditOf(id) };
  };
  const events = (text: string) =>
    text
      .split('\n\n')
      .filter(Boolean)
      .map((event) => event.replace(/^data: /, ''));

  it('are asked by the service’s own method, with our key, the request’s id and trace, and nothing else of the caller', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    for (const stream of [false, true]) {
      engine.forget();
      const id = mark();
      const headers = {
        'x-request-id': id,
        traceparent,
        'x-tenant': 'other',
        cookie: 'a=b',
        te: 'gzip',
        'grpc-timeout': '1n',
      };
      const got = await lone.post({ ...hello, stream }, { headers });
      await got.text();
      const [call] = engine.calls;
      expect(call!.headers).toMatchObject({
        ':path': '/sglang.runtime.v1.SglangService/ChatComplete',
        ':method': 'POST',
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization: 'Bearer engine-key',
        'x-request-id': id,
      });
      // The whole time of an answer that is one message; a stream has none.
      expect(call!.headers['grpc-timeout']).toBe(stream ? undefined : '2S');
      for (const name of ['x-tenant', 'cookie', 'user-agent', 'accept']) {
        expect(call!.headers).not.toHaveProperty(name);
      }
      expect(call!.trace).toEqual({ traceparent });
      expect(JSON.parse(call!.json)).toMatchObject({ ...hello, stream });
      expect(got.headers.get('x-request-id')).toBe(id);
      for (const name of ['grpc-status', 'trailer']) expect(got.headers.get(name)).toBeNull();
    }
  });

  it('are asked for each route by its method', async () => {
    for (const [path, method, body] of [
      ['/v1/completions', 'Complete', { model: 'm', prompt: 'x' }],
      ['/v1/text/generate', 'Complete', { model: 'm', prompt: 'x' }],
      ['/v1/embeddings', 'OpenAIEmbed', { model: 'm', input: 'x' }],
    ] as const) {
      engine.forget();
      engine.next(sends([response('{"data":[]}', 0)]));
      expect(await (await lone.post(body, { path })).text()).toBe('{"data":[]}');
      expect(engine.calls[0]!.headers[':path']).toBe(`/sglang.runtime.v1.SglangService/${method}`);
    }
    engine.next(sends([response('{"object":"error","message":"no","code":400}', 400)]));
    const refused = await lone.post({ model: 'm', input: 'x' }, { path: '/v1/embeddings' });
    expect([refused.status, await refused.json()]).toMatchObject([400, { message: 'no' }]);
  });

  it('cannot be reached by the service’s path', async () => {
    const got = await lone.post({}, { path: '/sglang.runtime.v1.SglangService/ChatComplete' });
    expect(got.status).toBe(404);
    expect(engine.calls).toHaveLength(0);
  });

  it('keep their connections', async () => {
    await lone.post(hello).then((got) => got.text());
    const before = engine.sessions();
    for (let i = 0; i < 20; i += 1) await (await lone.post({ ...hello, stream: i % 2 === 0 })).text();
    expect(engine.sessions() - before).toBeLessThanOrEqual(2);
  });

  it.each([
    ['in one write', (all: Buffer) => [all]],
    ['byte by byte', (all: Buffer) => [...all].map((byte) => Buffer.from([byte]))],
    [
      'by threes',
      (all: Buffer) => Array.from({ length: Math.ceil(all.length / 3) }, (_, i) => all.subarray(3 * i, 3 * i + 3)),
    ],
  ])('may cut their messages anywhere: %s', async (_, cut) => {
    const whole = [said('石 '), said('two'), '{\n"choices": []\n}'];
    const all = Buffer.concat([...whole.map((json) => chunk(json)), chunk('', true)]);
    const got = await ask(true, sends(cut(all)));
    expect(events(got.text)).toEqual([whole[0], whole[1], '{ "choices": [] }', '[DONE]']);
    expect(got.audit).toMatchObject({ outcome: 'complete' });
    const one = await ask(false, sends(cut(chunk(wholeJson, true))));
    expect([one.status, one.text]).toEqual([200, wholeJson]);
    expect(one.audit).toMatchObject({ outcome: 'complete', prompt_tokens: 7, completion_tokens: 3 });
  });

  it('may say a lot in one message', async () => {
    const long = said('x'.repeat(3_000_000));
    expect(events((await ask(true, sends([chunk(long), chunk('', true)]))).text)[0]).toBe(long);
    expect((await ask(false, sends([chunk(long, true)]))).text).toBe(long);
  });

  it.each([
    [1, 503],
    [2, 500],
    [3, 400],
    [4, 504],
    [5, 404],
    [8, 429],
    [12, 501],
    [13, 500],
    [14, 503],
    [16, 401],
    [99, 500],
  ])('status %d is %d, before and after the head', async (code, http) => {
    for (const stream of [false, true]) {
      const got = await ask(stream, refuses(code, '%E4%B8%8D 100%25'));
      expect([got.status, JSON.parse(got.text)]).toMatchObject([http, { error: { message: '不 100%' } }]);
      expect(got.headers.get('content-type')).toBe('application/json');
      expect(got.headers.get('retry-after')).toBe([429, 503, 504].includes(http) ? '1' : null);
      expect(got.audit).toMatchObject({ status: http, attempts: 1 });
    }
    const late = await ask(false, sends([], code, 'late'));
    expect([late.status, JSON.parse(late.text)]).toMatchObject([http, { error: { message: 'late' } }]);
    // The head of a stream is out before its trailers come.
    const event = await ask(true, sends([chunk(said('a'))], code, 'late'));
    expect(event.status).toBe(200);
    expect(events(event.text).map((text) => JSON.parse(text))).toEqual([
      JSON.parse(said('a')),
      { error: expect.objectContaining({ message: 'late' }) },
    ]);
    expect(event.audit).toMatchObject({ outcome: 'cut' });
  });

  it.each([
    ['{"error":{"message":"bad","type":"BadRequest"}}', 400],
    ['{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":422}', 422],
    ['{"error":{"message":"bad"}}', 500],
  ])('an error told as JSON is one: %s', async (json, http) => {
    const got = await ask(false, sends([chunk(json, true)]));
    expect([got.status, got.text]).toEqual([http, json]);
    const stream = await ask(true, sends([chunk(said('a')), chunk(json), chunk('', true)]));
    expect(events(stream.text)).toEqual([said('a'), json]);
    expect(stream.audit).toMatchObject({ outcome: 'cut' });
  });

  it.each<[string, Behaviour]>([
    ['a compressed message', sends([Buffer.from([1, 0, 0, 0, 1, 65])])],
    ['a length that is too long', sends([Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), Buffer.alloc(4096)])],
    ['a length that ends in mid-message', sends([Buffer.from([0, 0, 0, 0, 3]), Buffer.from([0x0a, 9, 65])])],
    ['bytes that are no message', sends([Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])])],
    ['half a message and a good status', sends([chunk(said('a')).subarray(0, 9)])],
    ['half a message and an end', dies([chunk(said('a')).subarray(0, 9)])],
    ['no message and a good status, without a word', refuses(0)],
    ['an end without a status', sends([chunk(said('a')).subarray(0, 9)], undefined)],
  ])('%s is no answer', async (_, behaviour) => {
    const got = await ask(false, behaviour);
    expect([got.status, JSON.parse(got.text)]).toEqual([502, errorEvent('engine_unavailable')]);
    const stream = await ask(true, behaviour);
    if (stream.status === 200) {
      expect(events(stream.text)).toHaveLength(1);
      expect(JSON.parse(events(stream.text)[0]!)).toMatchObject({ error: { type: 'server_error' } });
    } else expect([stream.status, JSON.parse(stream.text)]).toEqual([502, errorEvent('engine_unavailable')]);
  });

  it('a stream that dies ends with an error event, and is told as cut', async () => {
    const got = await ask(true, dies([chunk(said('a')), chunk(said('b')), chunk(said('c')).subarray(0, 7)]));
    expect(events(got.text).slice(0, 2)).toEqual([said('a'), said('b')]);
    expect(
      events(got.text)
        .slice(2)
        .map((text) => JSON.parse(text)),
    ).toEqual([errorEvent('stream_broken')]);
    expect(got.audit).toMatchObject({ outcome: 'cut', attempts: 1, status: 200 });
    expect(engine.calls).toHaveLength(1);
  });

  it.each<[string, Behaviour, number]>([
    ['says nothing', hangs, 504],
    ['opens its answer and says nothing', opens, 504],
    ['falls silent in the midst of its answer', fallsSilent([chunk(wholeJson).subarray(0, 9)]), 504],
    ['is something else', stranger(418), 418],
    ['is a proxy in trouble', stranger(503), 503],
  ])('an engine that %s is given up', async (_, behaviour, http) => {
    const got = await ask(false, behaviour);
    expect(got.status).toBe(http);
    expect(JSON.parse(got.text)).toMatchObject({
      error: { code: http === 504 ? 'engine_timeout' : 'engine_unavailable' },
    });
    expect(engine.calls).toHaveLength(1);
    if (http === 504) {
      await until('it is told', () => engine.calls[0]!.cancelledAt);
    }
  });

  it.each<[string, Behaviour]>([
    ['hangs up', hangsUp],
    ['resets the call', resets],
    ['answers 502', stranger(502)],
  ])('a call to an engine that %s goes to another', async (_, behaviour) => {
    for (const stream of [false, true]) {
      let failed = 0;
      for (const one of engines) {
        one.usual((...all) => {
          failed += 1;
          return (failed === 1 ? behaviour : answer)(...all);
        });
      }
      const id = mark();
      const got = await three.post({ ...hello, stream }, { headers: { 'x-request-id': id } });
      expect([got.status, (await got.text()).length > 20]).toEqual([200, true]);
      expect(failed).toBe(2);
      expect(await three.auditOf(id)).toMatchObject({ attempts: 2, outcome: 'complete' });
    }
  });

  it('a lone engine that breaks off before it answers is asked once more: its connection may have been stale', async () => {
    for (const stream of [false, true]) {
      engine.forget();
      const got = await ask(stream, hangsUp);
      expect(got.status).toBe(200);
      expect(got.audit).toMatchObject({ attempts: 2, outcome: 'complete' });
    }
    engine.usual(hangsUp);
    expect((await ask(false, hangsUp)).audit).toMatchObject({ attempts: 2, status: 502 });
  });

  it('are given up after three tries', async () => {
    for (let i = 0; i < 6; i += 1) await (await three.post(hello)).text();
    for (const stream of [false, true]) {
      for (const one of engines) {
        one.forget();
        one.usual(hangsUp);
      }
      const id = mark();
      const got = await three.post({ ...hello, stream }, { headers: { 'x-request-id': id } });
      expect([got.status, await got.json()]).toEqual([502, errorEvent('engine_unavailable')]);
      expect(engines.reduce((sum, { calls }) => sum + calls.length, 0)).toBeLessThanOrEqual(3);
      expect(await three.auditOf(id)).toMatchObject({ attempts: 3, outcome: 'refused' });
    }
  });

  it.each([
    ['while it streams', true, streams(1000, 20)],
    ['while it waits for the head', false, hangs],
    ['while it waits for the answer', false, opens],
    ['while it waits for the first event', true, opens],
  ])('a caller that leaves %s cancels the call at once', async (_, stream, behaviour) => {
    engine.next(behaviour);
    const stop = new AbortController();
    const id = mark();
    const asked = lone
      .post({ ...hello, stream }, { headers: { 'x-request-id': id }, signal: stop.signal })
      .then((got) => got.text());
    await until('the engine is asked', () => engine.calls[0]);
    await sleep(50);
    const left = performance.now();
    stop.abort();
    await expect(asked).rejects.toThrow();
    const freed = await until('the call is cancelled', () => engine.calls[0]!.cancelledAt);
    expect(freed - left).toBeLessThan(100);
    expect(await lone.auditOf(id)).toMatchObject({ outcome: 'cut' });
  });

  it('give their load back after every kind of end', async () => {
    for (const behaviour of [refuses(14), hangsUp, dies([]), sends([], 3), stranger(500), answer]) {
      for (const stream of [false, true]) await ask(stream, behaviour).catch(() => {});
    }
    const { host, port, key } = lone.admin;
    await until('the load is gone', async () => {
      const got = await fetch(`http://${host}:${port}/state`, { headers: { authorization: `Bearer ${key}` } });
      const told = (await got.json()) as { models: { versions: { peers: { load: number }[] }[] }[] };
      return told.models[0]!.versions[0]!.peers[0]!.load === 0 || undefined;
    });
    expect(lone.log()).not.toMatch(/\[(alert|emerg|crit)\]|failed to run/);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toMatch(/gateway_grpc_status_total\{status="14"\} \d/);
  });
});
