/** The wire: what clients less polite than OpenAI's see. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningEngine, startEngine } from './start.js';

/** Other work on the machine makes nothing wrong, only late. */
const patience = { timeout: 15_000, interval: 30 };

let engine: RunningEngine;
beforeAll(async () => {
  engine = await startEngine();
}, 120_000);
afterAll(() => engine?.stop());

const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  fetch(engine.url + path, { method: 'POST', body, headers });
const chat = (extra: object) =>
  post(
    '/v1/chat/completions',
    JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Hi' }], ...extra }),
  );
const error = async (response: Response) => (await response.json()) as { error: Record<string, unknown> };

/** Writes these bytes and answers all that comes until the server closes. */
function raw(bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(engine.port, '127.0.0.1', () => socket.write(bytes));
    let all = '';
    socket.setEncoding('utf8').on('data', (text) => {
      all += text;
    });
    socket.on('close', () => resolve(all)).on('error', reject);
  });
}

describe('a stream', () => {
  it('is events in OpenAI order, each valid by itself, [DONE] last', async () => {
    const response = await chat({ stream: true, stream_options: { include_usage: true }, max_tokens: 12, seed: 4 });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const events = (await response.text()).split('\n\n');
    expect(events.pop()).toBe('');
    expect(events.pop()).toBe('data: [DONE]');
    const parts = events.map((event) => JSON.parse(event.replace(/^data: /, '')));
    expect(parts[0].choices).toEqual([
      { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null },
    ]);
    expect(parts.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: expect.any(Number) } });
    expect(parts.at(-2).choices[0].finish_reason).toMatch(/stop|length/);
    for (const part of parts.slice(1, -2)) {
      expect(part).toMatchObject({ object: 'chat.completion.chunk', model: 'demo', usage: null });
      expect(Object.keys(part.choices[0].delta)).toEqual(['content']);
      expect(part.choices[0].delta.content).not.toBe('');
    }
  });

  it('never splits a character over events', async () => {
    const response = await chat({ stream: true, max_tokens: 400, seed: 11, ignore_eos: true });
    const text = await response.text();
    expect(text).toMatch(/[\u4e00-\u9fff]/);
    expect(text).not.toContain('\ufffd');
    expect(text).not.toMatch(/\\ud[89a-f]/i);
  });
});

describe('refusals', () => {
  it.each([
    ['GET', '/nothing', 404],
    ['POST', '/v1/embeddings', 404],
    ['GET', '/v1', 404],
    ['GET', '/v1/chat/completions', 405],
    ['POST', '/v1/models', 405],
    ['DELETE', '/health', 405],
  ])('%s %s is %i', async (method, path, status) => {
    const response = await fetch(engine.url + path, { method });
    expect(response.status).toBe(status);
    expect((await error(response)).error).toMatchObject({ type: 'invalid_request_error', param: null });
    if (status === 405) expect(response.headers.get('allow')).toMatch(/GET|POST/);
  });

  it.each([
    ['no JSON', '{"model":'],
    ['nothing', ''],
    ['a list', '[]'],
    ['broken UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
  ])('%s is 400', async (_, body) => {
    const response = await post('/v1/chat/completions', body);
    expect(response.status).toBe(400);
    expect((await error(response)).error.message).toMatch(/JSON/);
  });

  it('a body beyond the limit is 413, announced or not', async () => {
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n';
    expect(await raw(`${head}content-length: 99999999\r\n\r\n`)).toMatch(/^HTTP\/1.1 413 /);
    const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`;
    expect(await raw(`${head}transfer-encoding: chunked\r\n\r\n${chunk.repeat(17)}`)).toMatch(/^HTTP\/1.1 413 /);
  });

  it('what is no HTTP is 400, and headers without end are 431', async () => {
    expect(await raw('hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400 .*is not HTTP/s);
    expect(await raw(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('a deep body is answered, not suffered', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const response = await post('/v1/chat/completions', `{"model":"demo","messages":${deep}}`);
    expect(response.status).toBe(400);
    const schema = JSON.parse(`${'{"items":'.repeat(3000)}{}${'}'.repeat(3000)}`);
    const format = { type: 'json_schema', json_schema: { name: 'x', schema } };
    expect((await chat({ response_format: format })).status).toBe(400);
  });

  it('a schema that makes no grammar is 400', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: '#' } } };
    const response = await chat({ response_format: format });
    expect(response.status).toBe(400);
    expect((await error(response)).error.param).toBe('response_format');
  });

  it('token ids that are none, and prompts that are empty, are 400', async () => {
    const complete = (prompt: unknown) => post('/v1/completions', JSON.stringify({ model: 'demo', prompt }));
    expect((await complete([1, 99_999_999])).status).toBe(400);
    expect((await complete([1, 2, 3])).status).toBe(200);
  });
});

describe('what else is served', () => {
  it('health, for GET and HEAD', async () => {
    expect(await (await fetch(`${engine.url}/health`)).json()).toEqual({ status: 'ok' });
    expect((await fetch(`${engine.url}/health`, { method: 'HEAD' })).status).toBe(200);
  });

  it("the caller's request id, where it is a sane one", async () => {
    const id = async (given: string) =>
      (await fetch(`${engine.url}/v1/models`, { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await id('abc-123')).toBe('abc-123');
    expect(await id('a b"')).toMatch(/^[0-9a-f]{24}$/);
  });

  it('paths with a query', async () => {
    expect((await fetch(`${engine.url}/v1/models?x=1`)).status).toBe(200);
  });

  it("metrics under vLLM's names, counted truly", async () => {
    const value = async (line: RegExp) =>
      Number(line.exec(await (await fetch(`${engine.url}/metrics`)).text())?.[1] ?? Number.NaN);
    const tokens = /^vllm:generation_tokens_total\{model_name="demo"\} (\d+)$/m;
    const prompts = /^vllm:prompt_tokens_total\{model_name="demo"\} (\d+)$/m;
    const ended = /^vllm:request_success_total\{model_name="demo",finished_reason="length"\} (\d+)$/m;
    const firsts = /^vllm:time_to_first_token_seconds_count\{model_name="demo"\} (\d+)$/m;
    const gaps = /^vllm:inter_token_latency_seconds_count\{model_name="demo"\} (\d+)$/m;
    const names = [tokens, prompts, ended, firsts, gaps];
    const before = await Promise.all(names.map(value));
    const { usage } = (await (await chat({ max_tokens: 9, ignore_eos: true })).json()) as {
      usage: Record<string, number>;
    };
    const after = await Promise.all(names.map(value));
    expect(after.map((now, i) => now - before[i]!)).toEqual([9, usage.prompt_tokens, 1, 1, 8]);
  });

  it('metrics in the exposition format: each histogram rises to its count', async () => {
    const text = await (await fetch(`${engine.url}/metrics`)).text();
    const typed = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)];
    expect(typed.length).toBeGreaterThan(15);
    for (const [, name, type] of typed) {
      if (type !== 'histogram') continue;
      const buckets = [...text.matchAll(new RegExp(`^${name}_bucket\\{.*le="([^"]+)"\\} (\\d+)$`, 'gm'))];
      const counts = buckets.map(([, , count]) => Number(count));
      expect(counts).toEqual([...counts].sort((a, b) => a - b));
      expect(buckets.at(-1)![1]).toBe('+Inf');
      expect(text).toContain(`${name}_count{model_name="demo"} ${counts.at(-1)}\n`);
    }
  });
});

describe('the log', () => {
  it('has one line a request, and nothing of what was said', async () => {
    const before = engine.log.length;
    await (await chat({ messages: [{ role: 'user', content: 'a secret word' }], max_tokens: 5 })).text();
    const line = { event: 'request', outcome: 'ok', route: 'chat', prompt_tokens: expect.any(Number) };
    await expect.poll(() => engine.log.slice(before), patience).toEqual([expect.objectContaining(line)]);
    expect(JSON.stringify(engine.log)).not.toContain('secret');
  });
});
