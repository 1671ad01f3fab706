import { describe, expect, it } from 'vitest';
import { Problem } from '../../src/embedded/problem.js';
import { chatAsk, textAsk } from '../../src/embedded/request.js';

const messages = [{ role: 'user', content: 'Hi' }];
const chat = (extra: object) => chatAsk({ model: 'm', messages, ...extra });
const text = (extra: object) => textAsk({ model: 'm', prompt: 'Hi', ...extra });

function refusal(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('a chat request', () => {
  it('has OpenAI defaults', () => {
    expect(chat({})).toEqual({
      route: 'chat',
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      template: {},
      stream: false,
      includeUsage: false,
      n: 1,
      stop: [],
      ignoreEos: false,
      sampling: { temperature: 1, topP: 1 },
    });
  });

  it('takes null for absent, as OpenAI does', () => {
    expect(chat({ stop: null, temperature: null, tools: null, max_tokens: null, response_format: null })).toEqual(
      chat({}),
    );
  });

  it('takes the newer name of max_tokens first', () => {
    expect(chat({ max_tokens: 5 }).maxTokens).toBe(5);
    expect(chat({ max_tokens: 5, max_completion_tokens: 6 }).maxTokens).toBe(6);
  });

  it('makes 32 bits of any seed', () => {
    expect(chat({ seed: -1 }).sampling.seed).toBe(0xffffffff);
    expect(chat({ seed: 2 ** 40 + 3 }).sampling.seed).toBe(3);
  });

  it('joins text parts, and calls a developer a system', () => {
    const parts = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    const asked = chat({
      messages: [
        { role: 'developer', content: parts },
        { role: 'assistant', content: null },
      ],
    });
    expect(asked.messages).toEqual([
      { role: 'system', content: 'ab' },
      { role: 'assistant', content: '' },
    ]);
  });

  it('asks templates to think under both names', () => {
    expect(chat({ thinking: { type: 'enabled' } }).template).toEqual({ enable_thinking: true, thinking: true });
    expect(chat({ chat_template_kwargs: { enable_thinking: false } }).template).toMatchObject({ thinking: false });
    expect(chat({ reasoning_effort: 'high' }).template).toEqual({ reasoning_effort: 'high' });
  });

  it('ignores what it does not know', () => {
    expect(chat({ user: 'u', metadata: {}, store: false, parallel_tool_calls: true, logprobs: false })).toEqual(
      chat({}),
    );
  });

  it.each<[object, string]>([
    [{ model: undefined }, 'model'],
    [{ model: 7 }, 'model'],
    [{ messages: undefined }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'Hi' }, 'messages'],
    [{ messages: [7] }, 'messages[0]'],
    [{ messages: [...messages, { role: 'robot', content: 'x' }] }, 'messages[1].role'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'messages[0].content'],
    [{ temperature: 'hot' }, 'temperature'],
    [{ temperature: 2.1 }, 'temperature'],
    [{ temperature: Number.NaN }, 'temperature'],
    [{ top_p: 0 }, 'top_p'],
    [{ top_p: 1.1 }, 'top_p'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ max_tokens: 1.5 }, 'max_tokens'],
    [{ max_completion_tokens: '5' }, 'max_completion_tokens'],
    [{ n: 0 }, 'n'],
    [{ n: 17 }, 'n'],
    [{ seed: 1.5 }, 'seed'],
    [{ seed: 'x' }, 'seed'],
    [{ stop: '' }, 'stop'],
    [{ stop: [7] }, 'stop'],
    [{ stop: Array(17).fill('x') }, 'stop'],
    [{ stream: 'yes' }, 'stream'],
    [{ stream_options: { include_usage: true } }, 'stream_options'],
    [{ stream: true, stream_options: { include_usage: 1 } }, 'stream_options.include_usage'],
    [{ presence_penalty: 3 }, 'presence_penalty'],
    [{ logit_bias: { x: 1 } }, 'logit_bias'],
    [{ logit_bias: { 1: 101 } }, 'logit_bias'],
    [{ response_format: 'json' }, 'response_format'],
    [{ response_format: { type: 'xml' } }, 'response_format.type'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema'],
    [{ response_format: { type: 'json_schema', json_schema: { schema: { type: 'date' } } } }, 'response_format'],
    [{ logprobs: true }, 'logprobs'],
    [{ top_logprobs: 2 }, 'top_logprobs'],
    [{ tools: [{ type: 'function' }] }, 'tools'],
    [{ thinking: { type: 'maybe' } }, 'thinking'],
  ])('%j is refused by name', (extra, param) => {
    const problem = refusal(() => chat(extra));
    expect(problem).toMatchObject({ status: 400, type: 'invalid_request_error', param });
    expect(problem.message).toContain(param.split('.')[0]);
  });

  it.each([null, [], 'x', 7])('%j is no body', (body) => {
    expect(refusal(() => chatAsk(body))).toMatchObject({ status: 400, param: null });
  });
});

describe('a completion request', () => {
  it('asks for 16 tokens unless it says otherwise', () => {
    expect(text({}).maxTokens).toBe(16);
    expect(text({ max_tokens: 7 }).maxTokens).toBe(7);
  });

  it.each([
    ['Hi', ['Hi']],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [[1, 2], [[1, 2]]],
    [
      [[1], [2, 3]],
      [[1], [2, 3]],
    ],
  ])('takes the prompt %j', (prompt, prompts) => expect(text({ prompt }).prompts).toEqual(prompts));

  it('fills the middle when there is a suffix', () => {
    expect(text({ suffix: 'end' }).suffix).toBe('end');
    expect(text({ suffix: '' }).suffix).toBeUndefined();
  });

  it.each<[object, string]>([
    [{ prompt: undefined }, 'prompt'],
    [{ prompt: [] }, 'prompt'],
    [{ prompt: [1, 'x'] }, 'prompt'],
    [{ prompt: [-1] }, 'prompt'],
    [{ prompt: Array(65).fill('x') }, 'prompt'],
    [{ suffix: 7 }, 'suffix'],
    [{ echo: true }, 'echo'],
    [{ best_of: 2 }, 'best_of'],
    [{ logprobs: 0 }, 'logprobs'],
  ])('%j is refused by name', (extra, param) => {
    expect(refusal(() => text(extra))).toMatchObject({ status: 400, param });
  });
});
