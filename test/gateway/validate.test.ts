import { describe, expect, it } from 'vitest';
import { type ValidationOptions, validationOptions } from '../../src/gateway/limits.js';
import { onBoth } from './both.js';
import { stream } from './engine.js';
import { testSettings } from './harness.js';

const messages = [{ role: 'user', content: 'hello' }];
const chat = { model: 'm', messages };

type Case = readonly [name: string, value: unknown, code: string];

/** Everything that must be refused, by the field at fault. */
const bad: readonly Case[] = [
  ['temperature', 2.01, 'decimal_above_max_value'],
  ['temperature', -0.1, 'decimal_below_min_value'],
  ['temperature', '1', 'invalid_type'],
  ['top_p', 1.5, 'decimal_above_max_value'],
  ['top_p', [], 'invalid_type'],
  ['max_tokens', 0, 'integer_below_min_value'],
  ['max_tokens', 1.5, 'invalid_type'],
  ['max_tokens', 1e300, 'invalid_type'],
  ['max_completion_tokens', -1, 'integer_below_min_value'],
  ['n', 129, 'integer_above_max_value'],
  ['stream', 'true', 'invalid_type'],
  ['stream_options', {}, 'invalid_value'],
  ['stop', 5, 'invalid_type'],
  ['stop', Array(17).fill('x'), 'array_above_max_length'],
  ['seed', 'x', 'invalid_type'],
  ['presence_penalty', 3, 'decimal_above_max_value'],
  ['frequency_penalty', -3, 'decimal_below_min_value'],
  ['response_format', 'json', 'invalid_type'],
  ['logit_bias', { x: 5 }, 'invalid_value'],
  ['logprobs', 1, 'invalid_type'],
  ['top_logprobs', 21, 'integer_above_max_value'],
  ['user', 5, 'invalid_type'],
  ['tools', {}, 'invalid_type'],
  ['tool_choice', 5, 'invalid_type'],
  ['thinking', true, 'invalid_type'],
  ['reasoning_effort', 'much', 'invalid_value'],
  ['messages', 'hello', 'invalid_type'],
  ['messages', null, 'missing_required_parameter'],
  ['messages', [], 'empty_array'],
];

/** And what lies within a field. */
const badWithin: readonly (readonly [field: string, ...rest: Case])[] = [
  ['stop[1]', 'stop', ['a', 5], 'invalid_type'],
  ['response_format.type', 'response_format', {}, 'missing_required_parameter'],
  ['response_format.type', 'response_format', { type: 'xml' }, 'invalid_value'],
  ['thinking.type', 'thinking', { type: 'deep' }, 'invalid_value'],
  ['logit_bias.50256', 'logit_bias', { 50256: 101 }, 'invalid_value'],
  ['messages[0]', 'messages', ['hello'], 'invalid_type'],
  ['messages[0]', 'messages', [[messages[0]]], 'invalid_type'],
  ['messages[0].role', 'messages', [{ content: 'x' }], 'missing_required_parameter'],
  ['messages[1].role', 'messages', [...messages, { role: 'robot', content: 'x' }], 'invalid_value'],
  ['messages[0].role', 'messages', [{ role: {}, content: 'x' }], 'invalid_value'],
  ['messages[0].content', 'messages', [{ role: 'user' }], 'missing_required_parameter'],
  ['messages[0].content', 'messages', [{ role: 'user', content: 5 }], 'invalid_type'],
  ['messages[1].tool_call_id', 'messages', [...messages, { role: 'tool', content: 'x' }], 'missing_required_parameter'],
];

/** Odd, and none of our business. */
const good: readonly object[] = [
  {},
  { temperature: 0, top_p: 1, max_tokens: 1, n: 1, seed: -5, stop: null, user: 'u' },
  { temperature: 2, top_p: 0, stop: 'x', presence_penalty: -2, frequency_penalty: 2 },
  {
    stop: ['a', 'b'],
    logit_bias: { 5: -100 },
    response_format: { type: 'json_object' },
    logprobs: true,
    top_logprobs: 20,
  },
  { response_format: { type: 'json_schema', json_schema: { schema: { x: 'y'.repeat(20_000) } } } },
  {
    thinking: { type: 'enabled' },
    reasoning_effort: 'high',
    tools: [],
    tool_choice: 'auto',
    some_engine_field: { a: 1 },
  },
  {
    messages: [
      { role: 'assistant', content: null, tool_calls: [] },
      { role: 'tool', tool_call_id: 'x', content: 'y' },
    ],
  },
  { messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }] },
  // Beyond the bound nobody looks inside.
  { messages: [{ role: 'robot', content: 'x'.repeat(20_000) }] },
];

onBoth(
  'what is asked is checked first',
  { settings: (peers) => testSettings(peers, { validation: validationOptions() }) },
  (both) => {
    const asked = async (body: object, path?: string) => {
      const response = await both.gateway.post(body, path ? { path } : {});
      return { response, body: (await response.json()) as { error?: Record<string, unknown> } };
    };
    const refused = async (field: string, code: string, body: object, path?: string) => {
      const { response, body: text } = await asked(body, path);
      expect([response.status, text.error]).toEqual([
        400,
        { type: 'invalid_request_error', code, param: field, message: expect.stringContaining(`'${field}'`) },
      ]);
    };

    it.each(bad)('refuses %s: %j', async (field, value, code) => {
      await refused(field, code, { ...chat, [field]: value });
      expect(both.engine.seen).toEqual([]);
    });

    it.each(badWithin)('refuses %s in %s: %j', async (path, field, value, code) => {
      await refused(path, code, { ...chat, [field]: value });
      expect(both.engine.seen).toEqual([]);
    });

    it('refuses what the other routes do not take', async () => {
      await refused('prompt', 'missing_required_parameter', { model: 'm' }, '/v1/completions');
      await refused('prompt', 'invalid_type', { model: 'm', prompt: 5 }, '/v1/completions');
      await refused('logprobs', 'invalid_type', { model: 'm', prompt: 'x', logprobs: true }, '/v1/completions');
      await refused('input', 'missing_required_parameter', { model: 'm' }, '/v1/embeddings');
      await refused(
        'encoding_format',
        'invalid_value',
        { model: 'm', input: 'x', encoding_format: 'hex' },
        '/v1/embeddings',
      );
    });

    it.each(good.map((more, i) => [i, more] as const))('lets through what is odd: %i', async (_, more) => {
      const { response } = await asked({ ...chat, ...more });
      expect(response.status).toBe(200);
      expect(JSON.parse(both.engine.seen[0]!.body)).toMatchObject({ ...chat, ...more });
    });

    it('lets through completions and embeddings', async () => {
      for (const [path, body] of [
        ['/v1/completions', { model: 'm', prompt: ['a', 'b'], max_tokens: 0, echo: true, logprobs: 5 }],
        ['/v1/embeddings', { model: 'm', input: [1, 2, 3], dimensions: 256 }],
      ] as const) {
        expect((await asked(body, path)).response.status).toBe(200);
      }
    });

    it('warns about a text to be generated as well', async () => {
      const response = await both.gateway.post({ prompt: 'x', temperature: 1.5 }, { path: '/v1/text/generate' });
      expect(response.headers.get('x-deepseek-warning')).toContain('temperature 1.5 ');
    });

    it('warns outside of the recommended ranges, and nowhere else', async () => {
      const warning = async (more: object) =>
        (await both.gateway.post({ ...chat, ...more })).headers.get('x-deepseek-warning');
      expect(await warning({})).toBeNull();
      expect(await warning({ temperature: 0.1, top_p: 0.95 })).toBeNull();
      expect(await warning({ temperature: 1, top_p: 0.85 })).toBeNull();
      expect(await warning({ temperature: 1.7 })).toBe(
        'temperature 1.7 is outside of the recommended range from 0.1 to 1',
      );
      expect(await warning({ temperature: 0, top_p: 0.5 })).toBe(
        'temperature 0 is outside of the recommended range from 0.1 to 1; top_p 0.5 is outside of the recommended range from 0.85 to 0.95',
      );
      both.engine.usual(stream(1, 1));
      expect(await warning({ stream: true, temperature: 2 })).toContain('temperature 2 ');
    });

    describe('with other settings', () => {
      let revision = 1;
      const use = async (validation: ValidationOptions | undefined) => {
        revision += 1;
        const settings = testSettings([both.engine.peer], { revision, ...(validation ? { validation } : {}) });
        return both.gateway.put(settings);
      };

      it('strict refuses what else is warned about; 422 is DeepSeek’s word', async () => {
        expect((await use(validationOptions({ strict: true, status: 422 }))).status).toBe(200);
        const { response, body } = await asked({ ...chat, temperature: 1.2 });
        expect([response.status, body.error]).toMatchObject([
          422,
          { param: 'temperature', code: 'outside_recommended_range' },
        ]);
        expect((await asked({ ...chat, n: 0 })).response.status).toBe(422);
        expect((await asked({ ...chat, temperature: 0.7, top_p: 0.9 })).response.status).toBe(200);
      });

      it('without any, types and ranges hold all the same, and nothing is decoded for it', async () => {
        expect((await use(undefined)).status).toBe(200);
        await refused('temperature', 'decimal_above_max_value', { ...chat, temperature: 3 });
        const { response } = await asked({ ...chat, temperature: 1.9, messages: [{ role: 'robot' }] });
        expect([response.status, response.headers.get('x-deepseek-warning')]).toEqual([200, null]);
      });

      it('settings that are not whole are not taken', async () => {
        for (const wrong of [{ status: 500 }, { strict: 'yes' }, { temperature: [0] }, { messagesBytes: null }]) {
          const response = await use({ ...validationOptions(), ...wrong } as ValidationOptions);
          expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('validation.')]);
        }
      });
    });
  },
);
