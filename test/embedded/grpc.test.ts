/** A gRPC client that is not ours, with SGLang's messages. */

import { connect } from 'node:http2';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningEngine, startEngine } from './start.js';

/** Other work on the machine makes nothing wrong, only late. */
const patience = { timeout: 15_000, interval: 30 };

interface Chunk {
  readonly json_chunk: Buffer;
  readonly finished: boolean;
}
type Client = grpc.Client & Record<string, (...all: unknown[]) => grpc.ClientReadableStream<Chunk>>;

let engine: RunningEngine;
let client: Client;
let health: Client;
const key = new grpc.Metadata();
key.set('authorization', 'Bearer sk-test');

beforeAll(async () => {
  engine = await startEngine({ grpcPort: 0, key: 'sk-test', sequences: 2, queue: 0 });
  const protos = loadSync(join(import.meta.dirname, 'engine.proto'), {
    keepCase: true,
    defaults: true,
    enums: String,
    includeDirs: [import.meta.dirname],
  });
  const loaded = grpc.loadPackageDefinition(protos) as never as {
    sglang: { runtime: { v1: { SglangService: grpc.ServiceClientConstructor } } };
    grpc: { health: { v1: { Health: grpc.ServiceClientConstructor } } };
  };
  const address = `127.0.0.1:${engine.grpcPort}`;
  const open = grpc.credentials.createInsecure();
  client = new loaded.sglang.runtime.v1.SglangService(address, open) as never;
  health = new loaded.grpc.health.v1.Health(address, open) as never;
}, 120_000);
afterAll(async () => {
  client?.close();
  health?.close();
  expect(await engine?.stop()).toBe(0);
});

const request = (extra: object) => ({
  json_body: Buffer.from(JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Hi 世界' }], ...extra })),
});

/** All chunks, or the status it ended with. */
function collect(call: grpc.ClientReadableStream<Chunk>): Promise<Chunk[]> {
  return new Promise((resolve, reject) => {
    const chunks: Chunk[] = [];
    call.on('data', (chunk: Chunk) => chunks.push(chunk));
    call.on('end', () => resolve(chunks));
    call.on('error', reject);
  });
}
const chat = (extra: object, options: object = {}) =>
  client.ChatComplete!(request(extra), key, options) as grpc.ClientReadableStream<Chunk>;
const unary = (of: Client, method: string, message: object, metadata = key) =>
  new Promise<Record<string, unknown>>((resolve, reject) => {
    of[method]!(message, metadata, (error: Error | null, answer: Record<string, unknown>) =>
      error ? reject(error) : resolve(answer),
    );
  });
const json = ({ json_chunk }: Chunk) => JSON.parse(json_chunk.toString());

describe('gRPC', () => {
  it('streams what HTTP streams', async () => {
    const asked = { stream: true, stream_options: { include_usage: true }, seed: 3, max_tokens: 12 };
    const chunks = await collect(chat(asked));
    expect(chunks.map((chunk) => chunk.finished)).toEqual([...Array(chunks.length - 1).fill(false), true]);
    expect(chunks.at(-1)!.json_chunk).toHaveLength(0);
    const overHttp = await fetch(`${engine.url}/v1/chat/completions`, {
      method: 'POST',
      body: request(asked).json_body,
      headers: { authorization: 'Bearer sk-test' },
    });
    const events = [...(await overHttp.text()).matchAll(/^data: (\{.*\})$/gm)].map(([, text]) => JSON.parse(text!));
    const same = (part: object) => ({ ...part, id: '', created: 0 });
    expect(chunks.slice(0, -1).map(json).map(same)).toEqual(events.map(same));
  });

  it('answers whole in one chunk', async () => {
    const [chunk, ...more] = await collect(chat({ seed: 3, max_tokens: 12 }));
    expect(more).toEqual([]);
    expect(chunk!.finished).toBe(true);
    expect(json(chunk!)).toMatchObject({ object: 'chat.completion', choices: [{ message: { role: 'assistant' } }] });
  });

  it('takes the id of the caller into its log', async () => {
    const named = key.clone();
    named.set('x-request-id', 'of-the-caller.1');
    const call = client.ChatComplete!(request({ max_tokens: 1 }), named) as grpc.ClientReadableStream<Chunk>;
    expect(json((await collect(call))[0]!).id).toBe('chatcmpl-of-the-caller.1');
    await expect.poll(() => engine.log.some(({ id }) => id === 'of-the-caller.1'), patience).toBe(true);
  });

  it('completes text', async () => {
    const body = { json_body: Buffer.from(JSON.stringify({ model: 'demo', prompt: 'The stone', seed: 1 })) };
    const [chunk] = await collect(client.Complete!(body, key));
    expect(json(chunk!)).toMatchObject({ object: 'text_completion', usage: { completion_tokens: expect.any(Number) } });
  });

  it('lists models and tells its health, also to who has no key', async () => {
    expect(await unary(client, 'ListModels', {})).toMatchObject({ models: [{ id: 'demo', max_model_len: 1024 }] });
    const nobody = new grpc.Metadata();
    expect(await unary(client, 'HealthCheck', {}, nobody)).toEqual({ healthy: true });
    for (const service of ['', 'sglang.runtime.v1.SglangService']) {
      expect(await unary(health, 'Check', { service }, nobody)).toEqual({ status: 'SERVING' });
    }
    await expect(unary(health, 'Check', { service: 'other' }, nobody)).rejects.toMatchObject({
      code: grpc.status.NOT_FOUND,
    });
  });

  it.each<[string, () => Promise<unknown>, grpc.status, RegExp]>([
    ['a wrong field', () => collect(chat({ temperature: 9 })), grpc.status.INVALID_ARGUMENT, /'temperature'/],
    ['another model', () => collect(chat({ model: '石' })), grpc.status.NOT_FOUND, /'石'/],
    ['no key', () => collect(client.ChatComplete!(request({}))), grpc.status.UNAUTHENTICATED, /key/],
    [
      'no JSON',
      () => collect(client.ChatComplete!({ json_body: Buffer.from('{') }, key)),
      grpc.status.INVALID_ARGUMENT,
      /JSON/,
    ],
    ['a method we lack', () => unary(client, 'Abort', { rid: 'x' }), grpc.status.UNIMPLEMENTED, /Abort/],
    ['a full queue', () => collect(chat({ n: 3 })), grpc.status.RESOURCE_EXHAUSTED, /full/],
  ])('%s has its status', async (_, made, code, words) => {
    await expect(made()).rejects.toMatchObject({ code, details: expect.stringMatching(words) });
  });

  it('frees the sequence when the client cancels', async () => {
    const before = engine.log.length;
    const call = chat({ stream: true, max_tokens: 900, ignore_eos: true });
    call.on('error', () => {});
    await new Promise((resolve) => call.once('data', resolve));
    call.cancel();
    await expect.poll(() => engine.log.slice(before).map((line) => line.outcome), patience).toContain('gone');
    await expect
      .poll(async () => (await fetch(`${engine.url}/metrics`)).text(), patience)
      .toMatch(/num_requests_running\{model_name="demo"\} 0\n/);
  });

  it('keeps the deadline', async () => {
    const call = chat({ stream: true, max_tokens: 1000, ignore_eos: true }, { deadline: Date.now() + 60 });
    await expect(collect(call)).rejects.toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
    const line = () => engine.log.filter(({ transport, outcome }) => transport === 'grpc' && outcome === 'gone').length;
    await expect.poll(line, patience).toBe(2);
  });

  it('survives what is no gRPC', async () => {
    const session = connect(`http://127.0.0.1:${engine.grpcPort}`);
    const status = (headers: object, body: Buffer) =>
      new Promise((resolve) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/sglang.runtime.v1.SglangService/HealthCheck',
          ...headers,
        });
        stream.on('response', (got) => resolve([got[':status'], got['grpc-status']]));
        stream.end(body);
        stream.resume();
      });
    const type = { 'content-type': 'application/grpc' };
    expect(await status({}, Buffer.alloc(0))).toEqual([415, undefined]);
    expect(await status(type, Buffer.from('nonsense'))).toEqual([200, `${grpc.status.INVALID_ARGUMENT}`]);
    expect(await status({ ...type, ':path': '/x' }, Buffer.alloc(5))).toEqual([200, `${grpc.status.UNIMPLEMENTED}`]);
    session.close();
  });
});
