/** When a streamed answer is opened: with its first token, and after a while at the latest. */
import { connect } from 'node:http2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { frame } from '../../src/embedded/frames.js';
import { encode } from '../../src/embedded/protobuf.js';
import { type RunningEngine, startEngine } from './start.js';

const body = (extra: object) =>
  JSON.stringify({
    model: 'demo',
    messages: [{ role: 'user', content: 'Hi' }],
    stream: true,
    ignore_eos: true,
    ...extra,
  });

let engine: RunningEngine;
const ask = (extra: object, signal?: AbortSignal) =>
  fetch(`${engine.url}/v1/chat/completions`, { method: 'POST', body: body(extra), ...(signal ? { signal } : {}) });

beforeAll(async () => {
  engine = await startEngine({ grpcPort: 0, sequences: 1, contextSize: 16_384 });
}, 120_000);
afterAll(async () => {
  expect(await engine?.stop()).toBe(0);
});

it('is opened while it waits, over HTTP and over gRPC, and told as before once it has a token', async () => {
  const stop = new AbortController();
  const busy = (await ask({ max_tokens: 16_000 }, stop.signal)).body!.getReader();
  await busy.read();
  const began = performance.now();
  const waiting = ask({ max_tokens: 3 }).then((response) => ({ response, ms: performance.now() - began }));
  const session = connect(`http://127.0.0.1:${engine.grpcPort}`);
  const call = session.request({
    ':method': 'POST',
    ':path': '/sglang.runtime.v1.SglangService/ChatComplete',
    'content-type': 'application/grpc',
  });
  call.end(frame(encode([[1, body({ max_tokens: 3 })]])));
  const opened = await new Promise<number>((resolve) =>
    call.once('response', () => resolve(performance.now() - began)),
  );
  const { response, ms } = await waiting;
  for (const one of [opened, ms]) {
    expect(one).toBeGreaterThan(1500);
    expect(one).toBeLessThan(6000);
  }
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  stop.abort();
  await busy.cancel().catch(() => {});
  const events = (await response.text()).split('\n\n').filter(Boolean);
  expect(JSON.parse(events[0]!.slice('data: '.length)).choices[0].delta).toEqual({ role: 'assistant', content: '' });
  expect(events.at(-1)).toBe('data: [DONE]');
  call.close();
  session.close();
}, 30_000);

it('is opened by its first token where that comes sooner', async () => {
  const began = performance.now();
  const response = await ask({ max_tokens: 3 });
  expect(performance.now() - began).toBeLessThan(1500);
  await response.text();
});
