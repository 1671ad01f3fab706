/** Comments in the silence of streams. */
import { connect } from 'node:net';
import OpenAI from 'openai';
import { expect, it } from 'vitest';
import { onBoth } from './both.js';
import { type Behaviour, fallsSilent, sleep, status, stream } from './engine.js';
import { chunk, sends, startGrpcEngine } from './grpc-engine.js';
import { apiKey, testSettings, until } from './harness.js';

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

onBoth('a stream', { engineSilence: 6, settings: (peers) => testSettings(peers, { keepAliveS: 1 }) }, (both) => {
  const ask = async (behaviour: Behaviour, more: object = {}, path?: string) => {
    both.engine.next(behaviour);
    const response = await both.gateway.post({ ...hello, ...more }, path === undefined ? {} : { path });
    const text = await response.text();
    return { status: response.status, text, audit: await both.gateway.auditOf(response.headers.get('x-request-id')!) };
  };

  it('gets comments while its prefill lasts, and none while events come', async () => {
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

  it('gets them between two events that are far apart, and never within one', async () => {
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

  it('is read by OpenAI’s client as without them', async () => {
    both.engine.next(slowly([1900, event('a')], [1900, event('b')], [0, done]));
    const client = new OpenAI({ apiKey, baseURL: `${both.gateway.url}/v1`, maxRetries: 0 });
    let text = '';
    for await (const part of (await client.chat.completions.create({
      ...hello,
      stream: true,
    } as never)) as never as AsyncIterable<{
      choices: { delta: { content: string } }[];
    }>)
      text += part.choices[0]!.delta.content;
    expect(text).toBe('ab');
  });

  it('of generated texts gets them too', async () => {
    const got = await ask(
      slowly([1900, 'data: {"choices":[{"text":"a"}]}\n\n'], [0, done]),
      { messages: undefined, prompt: 'x' },
      '/v1/text/generate',
    );
    expect(parts(got.text)[0]).toBe(COMMENT);
    expect(got.text).toContain('"text":"a"');
  });

  it('that its engine then breaks off has an error event after the comments', async () => {
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

  it('that is not open yet gets none: its status is still to come', async () => {
    const late = await ask(async (...all) => {
      await sleep(1900);
      return status(429)(...all);
    });
    expect([late.status, late.text]).toEqual([429, '{"error":{"message":"from the engine"}}']);
  });

  it('of an engine over gRPC gets them from when its call is open', async () => {
    const engine = await startGrpcEngine();
    try {
      const versions = [{ name: 'grpc', weight: 100, protocol: 'grpc' as const, peers: [engine.peer] }];
      const put = (revision: number, more: object) =>
        both.gateway.put({ ...testSettings([both.engine.peer], { keepAliveS: 1 }), revision, ...more });
      expect((await put(10, { models: [{ id: 'm', versions }] })).status).toBe(200);
      const json = '{"choices":[]}';
      engine.next(async (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        await sleep(1900);
        stream.write(chunk(json).subarray(0, 9));
        await sleep(1900);
        stream.write(chunk(json).subarray(9));
        stream.end(chunk('', true));
      });
      const list = parts(await (await both.gateway.post(hello)).text());
      expect(list.slice(0, 2)).toEqual([COMMENT, COMMENT]);
      expect(list.filter((part) => part !== COMMENT)).toEqual([`data: ${json}`, 'data: [DONE]']);
      engine.next(sends([], 14, '', 0));
      expect(await (await both.gateway.post(hello)).text()).toContain('"code":"engine_unavailable"');
      expect((await put(11, {})).status).toBe(200);
    } finally {
      await engine.stop();
    }
  }, 20_000);

  it('gets none where the answer is no stream', async () => {
    const body = '{"choices":[]}';
    both.engine.next(async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(body.slice(0, 5));
      await sleep(1900);
      response.end(body.slice(5));
    });
    expect(await (await both.gateway.post({ ...hello, stream: false })).text()).toBe(body);
  });

  it('whose caller left, or does not read, harms nobody', async () => {
    both.engine.usual(slowly([2200, event('Z'.repeat(2_000_000))], [1800, done]));
    const { hostname, port } = new URL(both.gateway.url);
    const body = JSON.stringify(hello);
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
    await until('all are asked', () => (both.engine.seen.length === 8 ? true : undefined));
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
    expect(both.gateway.log()).not.toMatch(/\[(alert|crit|emerg|error)\]/);
  }, 30_000);
});
