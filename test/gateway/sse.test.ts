/** Streams pass as they come: piece by piece, uncompressed, and told so to proxies on the way. */
import { request } from 'node:http';
import { expect, it } from 'vitest';
import { onBoth } from './both.js';
import { stream } from './engine.js';
import { apiKey } from './harness.js';

const events = 6;
const everyMs = 80;

onBoth('a stream', {}, (both) => {
  it('comes event by event, however much its caller likes compression', async () => {
    both.engine.usual(stream(events, everyMs));
    const came: { text: string; at: number }[] = [];
    const headers = await new Promise<Readonly<Record<string, unknown>>>((done, fail) => {
      const asked = request(`${both.gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${apiKey}`,
          'content-type': 'application/json',
          'accept-encoding': 'gzip, deflate, br, zstd',
        },
      });
      asked.on('error', fail);
      asked.on('response', (response) => {
        response.on('data', (data) => came.push({ text: String(data), at: performance.now() }));
        response.on('end', () => done(response.headers));
      });
      asked.end(JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] }));
    });
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    expect(headers).not.toHaveProperty('content-encoding');
    expect(headers).not.toHaveProperty('content-length');
    expect(both.engine.seen[0]!.headers).not.toHaveProperty('accept-encoding');
    const told = came.filter(({ text }) => text.includes('"content":"t'));
    expect(told.map(({ text }) => text.match(/"content"/g)!.length)).toEqual(Array(events).fill(1));
    // The first was here long before the last was made.
    expect(told.at(-1)!.at - told[0]!.at).toBeGreaterThan((events - 2) * everyMs);
  });
});
