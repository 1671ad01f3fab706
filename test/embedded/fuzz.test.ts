/** Whatever is sent: an answer or a refusal that names its reason, never a fault of ours, never the end of the process. */

import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningEngine, startEngine } from './start.js';

let engine: RunningEngine;
beforeAll(async () => {
  engine = await startEngine({ sequences: 4, queue: 64, contextSize: 256 });
}, 120_000);
afterAll(async () => {
  expect(engine.log.filter((line) => line.event === 'bug')).toEqual([]);
  expect(await engine.stop()).toBe(0);
});

const fields = [
  ...['model', 'messages', 'prompt', 'max_tokens', 'temperature', 'top_p', 'n', 'stop', 'seed', 'stream', 'logit_bias'],
  ...[
    'stream_options',
    'response_format',
    'top_k',
    'min_p',
    'frequency_penalty',
    'repetition_penalty',
    'suffix',
    'thinking',
  ],
  ...[
    'chat_template_kwargs',
    'ignore_eos',
    'tools',
    'logprobs',
    'reasoning_effort',
    'role',
    'content',
    'type',
    'schema',
  ],
];
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(null, true, false, 0, 1, -1, 2 ** 53, 1e308, 'demo', 'user', 'json_object', '', '<think>'),
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...fields), fc.string()), tie('value'), { maxKeys: 5 }),
  ),
}));
const messages = [{ role: 'user', content: 'Hi' }];

describe('a fuzzer', () => {
  it.each([
    ['/v1/chat/completions', { model: 'demo', messages, max_tokens: 4 }],
    ['/v1/completions', { model: 'demo', prompt: 'Hi', max_tokens: 4 }],
  ])('%s', async (path, sane) => {
    const body = fc.oneof(
      value,
      fc
        .dictionary(fc.constantFrom(...fields), value, { maxKeys: 4 })
        .map((wrong) => ({ ...sane, ...wrong, max_tokens: 4 })),
    );
    await fc.assert(
      fc.asyncProperty(body, async (sent) => {
        const response = await fetch(engine.url + path, { method: 'POST', body: JSON.stringify(sent) ?? '' });
        const text = await response.text();
        expect([200, 400, 404, 429]).toContain(response.status);
        if (response.status === 200) return;
        expect(JSON.parse(text)).toMatchObject({
          error: { message: expect.stringMatching(/\S/), type: expect.any(String) },
        });
      }),
      { numRuns: 250 },
    );
  });

  it('bytes that are no HTTP', async () => {
    const start = fc.constantFrom(
      '',
      'GET ',
      'POST /v1/chat/completions HTTP/1.1\r\n',
      'GET / HTTP/1.1\r\nhost: x\r\n',
    );
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 200 }), async (head, bytes) => {
        await new Promise<void>((resolve) => {
          const socket = connect(engine.port, '127.0.0.1', () => socket.end(Buffer.concat([Buffer.from(head), bytes])));
          socket
            .resume()
            .on('close', () => resolve())
            .on('error', () => resolve());
        });
        expect((await fetch(`${engine.url}/health`)).status).toBe(200);
      }),
      { numRuns: 60 },
    );
  });
});
