/** The official client, unchanged, against the real engine. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningEngine, startEngine } from './start.js';

/** Other work on the machine makes nothing wrong, only late. */
const patience = { timeout: 15_000, interval: 30 };

let engine: RunningEngine;
let client: OpenAI;
beforeAll(async () => {
  engine = await startEngine({ key: 'sk-test' });
  client = new OpenAI({ baseURL: `${engine.url}/v1`, apiKey: 'sk-test', maxRetries: 0 });
}, 120_000);
afterAll(() => engine?.stop());

const messages = [{ role: 'user' as const, content: 'Tell me of the 石头 bridge' }];
const base = { model: 'demo', messages, max_tokens: 24, seed: 5 };

describe('the openai client', () => {
  it('lists the model', async () => {
    const list = await client.models.list();
    expect(list.data).toMatchObject([{ id: 'demo', object: 'model', owned_by: 'deepseek-deploy' }]);
  });

  it('chats', async () => {
    const answer = await client.chat.completions.create({ ...base, ignore_eos: true } as never);
    const { choices, usage, object } = answer as OpenAI.ChatCompletion;
    expect(object).toBe('chat.completion');
    expect(choices).toHaveLength(1);
    expect(choices[0]!.finish_reason).toBe('length');
    expect(choices[0]!.message.role).toBe('assistant');
    expect(choices[0]!.message.content).toMatch(/\S{3}/);
    expect(usage).toMatchObject({ completion_tokens: 24, total_tokens: usage!.prompt_tokens + 24 });
  });

  it('streams the same answer for the same seed, usage last', async () => {
    const whole = await client.chat.completions.create(base);
    const stream = await client.chat.completions.create({
      ...base,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(chunks[0]!.choices[0]!.delta.role).toBe('assistant');
    const ends = chunks.filter((chunk) => chunk.choices[0]?.finish_reason);
    expect(ends.map((chunk) => chunk.choices[0]!.finish_reason)).toEqual([whole.choices[0]!.finish_reason]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
  });

  it('says the same for the same seed, another for another, and the likeliest at temperature 0', async () => {
    const say = async (extra: object) => {
      const { choices } = await client.chat.completions.create({ ...base, ...extra });
      return choices[0]!.message.content;
    };
    expect(await say({ seed: 7 })).toBe(await say({ seed: 7 }));
    expect(await say({ seed: 7 })).not.toBe(await say({ seed: 8 }));
    expect(await say({ seed: 7, temperature: 0 })).toBe(await say({ seed: 8, temperature: 0 }));
    expect(await say({ seed: null })).not.toBe(await say({ seed: null }));
  });

  it('gives several answers, each of its own, streamed or not', async () => {
    const { choices, usage } = await client.chat.completions.create({ ...base, n: 3 });
    const texts = choices.map((choice) => choice.message.content);
    expect(choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    expect(new Set(texts).size).toBe(3);
    expect(usage!.completion_tokens).toBeGreaterThan(24);
    const streamed = ['', '', ''];
    for await (const chunk of await client.chat.completions.create({ ...base, n: 3, stream: true })) {
      for (const { index, delta } of chunk.choices) streamed[index] += delta.content ?? '';
    }
    expect(streamed).toEqual(texts);
  });

  it('stops before a stop string', async () => {
    const { choices } = await client.chat.completions.create({ ...base, max_tokens: 200 });
    const text = choices[0]!.message.content!;
    const stop = text.slice(20, 25);
    const stopped = await client.chat.completions.create({ ...base, max_tokens: 200, stop: [stop, 'never said'] });
    expect(stopped.choices[0]!.message.content).toBe(text.slice(0, text.indexOf(stop)));
    expect(stopped.choices[0]!.finish_reason).toBe('stop');
    expect(stopped.usage!.completion_tokens).toBeLessThan(30);
  });

  it('thinks apart from what it says, when asked to', async () => {
    const asked = { ...base, max_tokens: 900, seed: 2, thinking: { type: 'enabled' } };
    const { choices, usage } = await client.chat.completions.create(asked as typeof base);
    const message = choices[0]!.message as { content: string; reasoning_content?: string };
    expect(message.reasoning_content).toMatch(/\S/);
    expect(message.content).toMatch(/\S/);
    expect(message.reasoning_content + message.content).not.toContain('think>');
    const thought = usage!.completion_tokens_details!.reasoning_tokens!;
    expect(thought).toBeGreaterThan(0);
    expect(thought).toBeLessThan(usage!.completion_tokens);
    const streamed = { reasoning_content: '', content: '' };
    for await (const chunk of await client.chat.completions.create({
      ...asked,
      stream: true,
    } as never as typeof base & {
      stream: true;
    })) {
      const delta = chunk.choices[0]!.delta as Partial<typeof streamed>;
      streamed.reasoning_content += delta.reasoning_content ?? '';
      streamed.content += delta.content ?? '';
    }
    expect(streamed).toEqual({ reasoning_content: message.reasoning_content, content: message.content });
  });

  it('writes JSON in JSON mode, and by a schema', async () => {
    for (let seed = 0; seed < 6; seed++) {
      const any = await client.chat.completions.create({
        ...base,
        seed,
        max_tokens: 600,
        response_format: { type: 'json_object' },
      });
      expect(any.choices[0]!.finish_reason).toBe('stop');
      expect(JSON.parse(any.choices[0]!.message.content!)).toBeTypeOf('object');
    }
    const schema = {
      type: 'object',
      properties: { name: { type: 'string' }, mood: { enum: ['good', 'bad'] }, age: { type: 'integer' } },
      required: ['name', 'mood', 'age'],
      additionalProperties: false,
    };
    const { choices } = await client.chat.completions.create({
      ...base,
      max_tokens: 600,
      response_format: { type: 'json_schema', json_schema: { name: 'person', strict: true, schema } },
    });
    const person = JSON.parse(choices[0]!.message.content!);
    expect(Object.keys(person)).toEqual(['name', 'mood', 'age']);
    expect(['good', 'bad']).toContain(person.mood);
    expect(Number.isInteger(person.age)).toBe(true);
  });

  it('writes JSON, not thoughts, when both are asked for', async () => {
    const asked = { ...base, max_tokens: 600, response_format: { type: 'json_object' }, thinking: { type: 'enabled' } };
    const { choices } = await client.chat.completions.create(asked as never as typeof base);
    expect(JSON.parse(choices[0]!.message.content!)).toBeTypeOf('object');
  });

  it('completes text, several prompts at once, and fills a gap', async () => {
    const one = await client.completions.create({ model: 'demo', prompt: 'The stone', seed: 3 });
    expect(one.choices[0]!.text).toMatch(/\S/);
    expect(one.usage!.completion_tokens).toBeLessThanOrEqual(16);
    const two = await client.completions.create({ model: 'demo', prompt: ['The stone', 'The stone'], seed: 3 });
    expect(two.choices.map((choice) => choice.index)).toEqual([0, 1]);
    expect(two.choices[0]!.text).toBe(one.choices[0]!.text);
    expect(two.choices[1]!.text).not.toBe(one.choices[0]!.text);
    const filled = await client.completions.create({ model: 'demo', prompt: 'def f(', suffix: 'return x', seed: 3 });
    expect(filled.usage!.prompt_tokens).toBeGreaterThan(3);
    let streamed = '';
    for await (const chunk of await client.completions.create({
      model: 'demo',
      prompt: 'The stone',
      seed: 3,
      stream: true,
    })) {
      streamed += chunk.choices[0]?.text ?? '';
    }
    expect(streamed).toBe(one.choices[0]!.text);
  });

  it('obeys penalties and biases', async () => {
    const say = async (extra: object) => {
      const { choices } = await client.chat.completions.create({
        ...base,
        max_tokens: 100,
        temperature: 0.2,
        ...extra,
      });
      return choices[0]!.message.content!;
    };
    const distinct = (text: string) => new Set(text.split(/[\s.,，。、]+/)).size / text.split(/[\s.,，。、]+/).length;
    expect(distinct(await say({ frequency_penalty: 2, presence_penalty: 2 }))).toBeGreaterThan(distinct(await say({})));
    expect((await say({ logit_bias: { 300: 100 }, max_tokens: 5, ignore_eos: true })).length).toBeGreaterThan(4);
  });

  it('computes the beginning of a conversation once', async () => {
    const first = {
      role: 'user' as const,
      content: 'A long question about the old stone bridge over the river. '.repeat(4),
    };
    const one = await client.chat.completions.create({ model: 'demo', messages: [first], max_tokens: 10 });
    const turns = [first, one.choices[0]!.message, { role: 'user' as const, content: 'And then?' }];
    const two = await client.chat.completions.create({ model: 'demo', messages: turns, max_tokens: 10 });
    expect(two.usage!.prompt_tokens_details!.cached_tokens).toBeGreaterThanOrEqual(one.usage!.prompt_tokens - 1);
    // Who gives a seed wants the same bits again: computed anew.
    const seeded = await client.chat.completions.create({ model: 'demo', messages: turns, max_tokens: 10, seed: 1 });
    expect(seeded.usage!.prompt_tokens_details!.cached_tokens).toBe(0);
  });

  it('aborts a stream, and the engine stops computing', async () => {
    const before = engine.log.length;
    const asked = { ...base, max_tokens: 1000, ignore_eos: true, stream: true } as const;
    const stream = await client.chat.completions.create(asked);
    for await (const _ of stream) break;
    stream.controller.abort();
    await expect.poll(() => engine.log.slice(before).map((line) => line.outcome), patience).toContain('gone');
    await expect
      .poll(async () => (await fetch(`${engine.url}/metrics`)).text(), patience)
      .toMatch(/num_requests_running\{model_name="demo"\} 0\n/);
  });

  it('says what is wrong in its own errors', async () => {
    const wrong = async (extra: object) =>
      client.chat.completions.create({ ...base, ...extra }).catch((error) => error);
    expect(await wrong({ model: 'gpt-4' })).toBeInstanceOf(OpenAI.NotFoundError);
    expect(await wrong({ model: 'gpt-4' })).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    expect(await wrong({ temperature: 3 })).toMatchObject({ status: 400, param: 'temperature' });
    expect(await wrong({ messages: [{ role: 'user', content: '长'.repeat(3000) }] })).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
    });
    expect(await wrong({ logit_bias: { 999999: 1 } })).toMatchObject({ status: 400, param: 'logit_bias' });
    const stranger = new OpenAI({ baseURL: `${engine.url}/v1`, apiKey: 'sk-other', maxRetries: 0 });
    expect(await stranger.models.list().catch((error) => error)).toBeInstanceOf(OpenAI.AuthenticationError);
  });
});
