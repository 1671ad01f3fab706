/** Comments in the silence of streams. */
import { connect } from 'node:net';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildName } from './builds.js';
import { type Behaviour, fallsSilent, sleep, startEngine, status, stream, type TestEngine } from './engine.js';
import { chunk, startGrpcEngine } from './grpc-engine.js';
import { apiKey, type Gateway, startGateway, testSettings, until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true };
const COMMENT = ': keep-alive';
const head = { 'content-type': 'text/event-stream' };
const event = (text: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`;

/** Pieces, with a wait before each, ms. */
const slowly =
  (...pieces: readonly (readonly [number, string])[]): Behaviour =>
  async (_, response) => {
    response.writeHead(200, head);
    response.flushHeaders();
    for (const [ms, piece] of pieces) {
      await sleep(ms);
      if (response.destroyed) return;
      response.write(piece);
    }
    response.end();
  };
const done = 'data: [DONE]\n\n';
const parts = (text: string) => text.split('\n\n').filter(Boolean);

describe.each<BuildName>(['debian', 'current'])('a stream (%s nginx)', (nginx) => {
  let engine: TestEngine;
  let gateway: Gateway;
  /** They take their time, and run beside one another: what the engine does is told by the user that is named. */
  const told = new Map<string, Behaviour>();
  let asked = 0;
  const named = (behaviour: Behaviour): { user: string } => {
    asked += 1;
    told.set(`${asked}`, behaviour);
    return { user: `${asked}` };
  };
  beforeAll(async () => {
    engine = await startEngine((request, ...more) => told.get(JSON.parse(request.body).user)!(request, ...more));
    gateway = await startGateway(testSettings([engine.peer], { keepAliveS: 1 }), { nginx, engineSilence: 6 });
  }, 120_000);
  afterAll(async () => {
    expect(gateway?.log()).not.toMatch(/\[(alert|crit|emerg)\]|failed to run/);
    await gateway?.stop();
    await engine?.stop();
  });
  const ask = async (behaviour: Behaviour, more: object = {}, path?: string) => {
    const body = { ...hello, ...named(behaviour), ...more };
    const response = await gateway.post(body, path === undefined ? {} : { path });
    const text = await response.text();
    return { status: response.status, text, audit: await gateway.auditOf(response.headers.get('x-request-id')!) };
  };

  it.concurrent('gets comments while its prefill lasts, and none while events come', async () => {
    const got = await ask(slowly([2900, event('a')], [10, event('b')], [10, done]));
    const list = parts(got.text);
    const comments = list.filter((part) => part === COMMENT).length;
    expect(comments).toBeGreaterThanOrEqual(2);
    expect(comments).toBeLessThanOrEqual(3);
    expect(list.slice(comments).join('\n\n')).toBe(`${event('a')}${event('b')}${done}`.trim());
    expect(got.audit).toMatchObject({ outcome: 'complete' });
    // A comment is no first byte of an answer.
    expect(got.audit.first_ms).toBeGreaterThan(2700);
    const quick = await ask(stream(20, 100));
    expect(quick.text).not.toContain(COMMENT);
  });

  it.concurrent('gets them between two events that are far apart, and never within one', async () => {
    const whole = event('split');
    const got = await ask(
      slowly([0, event('a')], [1900, whole.slice(0, 30)], [1900, whole.slice(30, -1)], [1900, '\n'], [1900, done]),
    );
    const list = parts(got.text);
    expect(list.filter((part) => part !== COMMENT).map((part) => `${part}\n\n`)).toEqual([event('a'), whole, done]);
    const at = list.indexOf(whole.trim());
    expect(list.slice(1, at).every((part) => part === COMMENT)).toBe(true);
    expect(at).toBeGreaterThan(1);
    expect(list.length - at).toBeGreaterThan(2);
  });

  it.concurrent('is read by OpenAI’s client as without them', async () => {
    const body = { ...hello, ...named(slowly([1900, event('a')], [1900, event('b')], [0, done])) };
    const client = new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    let text = '';
    for await (const part of (await client.chat.completions.create(body as never)) as never as AsyncIterable<{
      choices: { delta: { content: string } }[];
    }>)
      text += part.choices[0]!.delta.content;
    expect(text).toBe('ab');
  });

  it.concurrent('of generated texts gets them too', async () => {
    const got = await ask(
      slowly([1900, 'data: {"choices":[{"text":"a"}]}\n\n'], [0, done]),
      { messages: undefined, prompt: 'x' },
      '/v1/text/generate',
    );
    expect(parts(got.text)[0]).toBe(COMMENT);
    expect(got.text).toContain('"text":"a"');
  });

  it.concurrent('that its engine then breaks off has an error event after the comments', async () => {
    const got = await ask(async (_, response) => {
      response.writeHead(200, head);
      response.flushHeaders();
      await sleep(1900);
      response.destroy();
    });
    const list = parts(got.text);
    expect(list[0]).toBe(COMMENT);
    expect(JSON.parse(list.at(-1)!.slice('data: '.length))).toMatchObject({ error: { code: 'stream_broken' } });
    expect(got.audit).toMatchObject({ outcome: 'cut' });
    const silent = await ask(fallsSilent(1));
    expect(parts(silent.text).at(-1)).toContain('stream_broken');
    expect(silent.text.split(COMMENT).length).toBeGreaterThan(3);
  }, 30_000);

  it.concurrent('that is not open yet gets none: its status is still to come', async () => {
    const late = await ask(async (...all) => {
      await sleep(1900);
      return status(429)(...all);
    });
    expect([late.status, late.text]).toEqual([429, '{"error":{"message":"from the engine"}}']);
  });

  it.concurrent('of an engine over gRPC gets them from when its call is open', async () => {
    const grpc = await startGrpcEngine();
    const versions = [{ name: 'grpc', weight: 100, protocol: 'grpc' as const, peers: [grpc.peer] }];
    const settings = { ...testSettings([], { keepAliveS: 1 }), models: [{ id: 'm', versions }] };
    const other = await startGateway(settings, { nginx });
    try {
      const json = '{"choices":[]}';
      grpc.next(async (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        await sleep(1900);
        stream.write(chunk(json).subarray(0, 9));
        await sleep(1900);
        stream.write(chunk(json).subarray(9));
        stream.end(chunk('', true));
      });
      const list = parts(await (await other.post(hello)).text());
      expect(list.slice(0, 2)).toEqual([COMMENT, COMMENT]);
      expect(list.filter((part) => part !== COMMENT)).toEqual([`data: ${json}`, 'data: [DONE]']);
      grpc.next(async (...all) => {
        all[0].respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        await sleep(1900);
        all[0].once('wantTrailers', () => all[0].sendTrailers({ 'grpc-status': '14', 'grpc-message': 'gone' }));
        all[0].end();
      });
      const failed = parts(await (await other.post(hello)).text());
      expect(failed[0]).toBe(COMMENT);
      expect(JSON.parse(failed.at(-1)!.slice('data: '.length))).toMatchObject({ error: { message: 'gone' } });
    } finally {
      await other.stop();
      await grpc.stop();
    }
  }, 20_000);

  it.concurrent('gets none where the answer is no stream', async () => {
    const body = '{"choices":[]}';
    const got = await ask(
      async (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write(body.slice(0, 5));
        await sleep(1900);
        response.end(body.slice(5));
      },
      { stream: false },
    );
    expect(got.text).toBe(body);
  });

  it.concurrent('whose caller left, or does not read, harms nobody', async () => {
    let begun = 0;
    const behaviour = slowly([2200, event('Z'.repeat(2_000_000))], [1800, done]);
    const { hostname, port } = new URL(gateway.url);
    const counted: Behaviour = (...all) => {
      begun += 1;
      return behaviour(...all);
    };
    const body = JSON.stringify({ ...hello, ...named(counted) });
    const request = [
      'POST /v1/chat/completions HTTP/1.1\r\nHost: x',
      `Authorization: Bearer ${apiKey}`,
      `Content-Length: ${body.length}\r\n\r\n${body}`,
    ].join('\r\n');
    const sockets = Array.from({ length: 8 }, () => connect(Number(port), hostname));
    for (const socket of sockets) {
      socket.on('error', () => {});
      socket.pause();
      socket.write(request);
    }
    await until('all are asked', () => (begun === 8 ? true : undefined));
    await sleep(1800);
    for (const socket of sockets.slice(0, 4)) socket.destroy();
    await sleep(3000);
    let text = '';
    sockets[7]!
      .resume()
      .setEncoding('utf8')
      .on('data', (more) => {
        text += more;
      });
    await until('the slow reader has it all', () => (text.includes('[DONE]') ? true : undefined), 8000);
    expect(text.match(/Z/g)).toHaveLength(2_000_000);
    for (const socket of sockets) socket.destroy();
    expect((await ask(stream(1))).status).toBe(200);
  }, 30_000);
});
