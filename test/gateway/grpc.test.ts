/** The gateway before the embedded engine, over HTTP and over gRPC: callers cannot tell which it is. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Peer, Settings } from '../../src/gateway/settings.js';
import { type RunningEngine, startEngine } from '../embedded/start.js';
import type { BuildName } from './builds.js';
import { sleep } from './engine.js';
import { apiKey, type Gateway, secrets, startGateway, testSettings, until } from './harness.js';

const chat = { model: 'demo', messages: [{ role: 'user', content: 'Hi 世界' }], seed: 3, max_tokens: 12 };

const settings = (peer: Peer, protocol: 'http' | 'grpc', revision = 1): Settings => ({
  ...testSettings([]),
  revision,
  models: [{ id: 'demo', versions: [{ name: 'blue', weight: 100, protocol, peers: [peer] }] }],
});

let engine: RunningEngine;
beforeAll(async () => {
  engine = await startEngine({ grpcPort: 0, key: secrets.engineKey!, sequences: 2, queue: 0 });
}, 120_000);
afterAll(async () => {
  expect(await engine?.stop()).toBe(0);
});

const plain = (text: string): string =>
  text.replace(/"id":"[^"]*"/g, '"id":""').replace(/"created":\d+/g, '"created":0');

describe.each<BuildName>(['debian', 'current'])('the embedded engine over gRPC (%s nginx)', (nginx) => {
  let gateway: Gateway;
  let revision = 1;
  const peer = (protocol: 'http' | 'grpc'): Peer => ({
    host: '127.0.0.1',
    port: protocol === 'grpc' ? engine.grpcPort! : engine.port,
  });
  const speak = async (protocol: 'http' | 'grpc') => {
    revision += 1;
    expect((await gateway.put(settings(peer(protocol), protocol, revision))).status).toBe(200);
  };
  beforeAll(async () => {
    gateway = await startGateway(settings(peer('grpc'), 'grpc'), { nginx });
  }, 120_000);
  afterAll(() => gateway?.stop());

  const transport = (since: number) =>
    engine.log
      .slice(since)
      .filter(({ event }) => event === 'request')
      .map((line) => line.transport);

  it.each<[string, object, string?]>([
    ['an answer', chat],
    ['a stream', { ...chat, stream: true }],
    ['a stream with its usage', { ...chat, stream: true, stream_options: { include_usage: true } }],
    ['a text completion', { model: 'demo', prompt: 'The stone', seed: 1 }, '/v1/completions'],
    ['a streamed text completion', { model: 'demo', prompt: 'The stone', seed: 1, stream: true }, '/v1/completions'],
    ['a generated text', { prompt: 'The stone', seed: 1, max_tokens: 9 }, '/v1/text/generate'],
    ['a streamed generated text', { prompt: 'The stone', seed: 1, max_tokens: 9, stream: true }, '/v1/text/generate'],
  ])('gives %s byte by byte as over HTTP', async (_, body, path = '/v1/chat/completions') => {
    const answers = [];
    for (const protocol of ['http', 'grpc'] as const) {
      await speak(protocol);
      const since = engine.log.length;
      const response = await gateway.post(body, { path });
      answers.push({
        status: response.status,
        type: response.headers.get('content-type')?.replace(/; charset=utf-8$/, ''),
        caching: response.headers.get('cache-control'),
        text: plain(await response.text()),
      });
      await until('the engine tells', () => (transport(since).length > 0 ? true : undefined));
      expect(transport(since)).toEqual([protocol]);
      const line = await gateway.auditOf(response.headers.get('x-request-id')!);
      expect(line).toMatchObject({
        outcome: 'complete',
        attempts: 1,
        status: 200,
        peer: `127.0.0.1:${peer(protocol).port}`,
      });
      if (!('stream' in body) || 'stream_options' in body) expect(line.completion_tokens).toBeGreaterThan(0);
    }
    expect(answers[0]!.status).toBe(200);
    expect(answers[1]).toEqual(answers[0]);
  });

  it('serves the client of OpenAI', async () => {
    await speak('grpc');
    const client = new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const stream = await client.chat.completions.create({ ...chat, stream: true } as never);
    let text = '';
    for await (const part of stream as unknown as AsyncIterable<{ choices: { delta: { content?: string } }[] }>) {
      text += part.choices[0]?.delta.content ?? '';
    }
    const whole = await client.chat.completions.create(chat as never);
    expect(text).toBe(whole.choices[0]!.message.content);
  });

  it('tells a refusal with its status', async () => {
    await speak('grpc');
    for (const stream of [false, true]) {
      const response = await gateway.post({ ...chat, top_k: 'x', stream });
      expect([response.status, await response.json()]).toMatchObject([
        400,
        { error: { type: 'invalid_request_error', message: expect.stringMatching(/top_k/) } },
      ]);
      const full = await gateway.post({ ...chat, n: 3, stream });
      expect([full.status, full.headers.get('retry-after'), await full.json()]).toMatchObject([
        429,
        '1',
        { error: { type: 'rate_limit_error', code: 'engine_overloaded' } },
      ]);
    }
  });

  it.each([true, false])('frees the engine when the caller leaves (streaming: %s)', async (stream) => {
    await speak('grpc');
    const since = engine.log.length;
    const stop = new AbortController();
    const id = `left-${Math.random()}`;
    const asked = gateway
      .post(
        { ...chat, max_tokens: 1000, ignore_eos: true, stream },
        { signal: stop.signal, headers: { 'x-request-id': id } },
      )
      .then((response) => response.text());
    await until(
      'the engine computes',
      async () =>
        /num_requests_running\{[^}]*\} 1\n/.test(await (await fetch(`${engine.url}/metrics`)).text()) || undefined,
    );
    await sleep(20);
    stop.abort();
    await expect(asked).rejects.toThrow();
    await until('the engine knows', () => engine.log.slice(since).find(({ outcome }) => outcome === 'gone'));
    expect(await gateway.auditOf(id)).toMatchObject({ outcome: 'cut', attempts: 1 });
  });
});
