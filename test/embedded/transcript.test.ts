import { describe, expect, it } from 'vitest';
import { StreamParts, usageJson, wholeAnswer } from '../../src/embedded/transcript.js';

const head = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'a "quoted" 模型' };
const usage = { prompt: 10, completion: 7, cached: 4, reasoning: 3 };
const parse = (json: string | undefined) => JSON.parse(json!);

describe('the parts of a chat stream', () => {
  const parts = new StreamParts({ route: 'chat', includeUsage: true }, head);
  const common = { ...head, object: 'chat.completion.chunk', usage: null };

  it('are chunks of one answer', () => {
    expect(parse(parts.role(2))).toEqual({
      ...common,
      choices: [{ index: 2, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
    });
    expect(parse(parts.end(0, 'length'))).toEqual({
      ...common,
      choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: 'length' }],
    });
  });

  it.each([
    [{ reasoning: '', content: 'a\n"b"' }, { content: 'a\n"b"' }],
    [{ reasoning: 'hm', content: '' }, { reasoning_content: 'hm' }],
    [
      { reasoning: 'hm', content: '好' },
      { reasoning_content: 'hm', content: '好' },
    ],
  ])('%j', (said, delta) => expect(parse(parts.delta(0, said)).choices[0].delta).toEqual(delta));

  it('end with the usage, of no choice', () => {
    expect(parse(parts.usage(usage))).toEqual({ ...common, choices: [], usage: usageJson(usage) });
  });

  it('speak of usage only when asked to', () => {
    const plain = new StreamParts({ route: 'chat', includeUsage: false }, head);
    expect(parse(plain.delta(0, { reasoning: '', content: 'x' }))).not.toHaveProperty('usage');
  });
});

describe('the parts of a completion stream', () => {
  const parts = new StreamParts({ route: 'text', includeUsage: false }, head);

  it('have text and no role', () => {
    expect(parts.role(0)).toBeUndefined();
    expect(parse(parts.delta(1, { reasoning: '', content: 'x' }))).toEqual({
      ...head,
      object: 'text_completion',
      choices: [{ index: 1, text: 'x', logprobs: null, finish_reason: null }],
    });
    expect(parse(parts.end(0, 'stop')).choices).toEqual([
      { index: 0, text: '', logprobs: null, finish_reason: 'stop' },
    ]);
  });
});

describe('a whole answer', () => {
  it('of a chat keeps thought apart, and has no field for none', () => {
    const choices = [
      { reasoning: 'hm', content: 'yes', finish: 'stop' as const },
      { reasoning: '', content: 'no', finish: 'length' as const },
    ];
    const answer = parse(wholeAnswer({ route: 'chat' }, head, choices, usage));
    expect(answer).toMatchObject({ ...head, object: 'chat.completion', usage: usageJson(usage) });
    expect(answer.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: 'yes', reasoning_content: 'hm' },
        logprobs: null,
        finish_reason: 'stop',
      },
      { index: 1, message: { role: 'assistant', content: 'no' }, logprobs: null, finish_reason: 'length' },
    ]);
  });

  it('of a completion is text', () => {
    const [choice] = parse(
      wholeAnswer({ route: 'text' }, head, [{ reasoning: '', content: 'x', finish: 'stop' }], usage),
    ).choices;
    expect(choice).toEqual({ index: 0, text: 'x', logprobs: null, finish_reason: 'stop' });
  });
});

describe('usage', () => {
  it("adds up, under OpenAI's names and DeepSeek's", () => {
    const counted = usageJson(usage);
    expect(counted.total_tokens).toBe(17);
    expect(counted.prompt_tokens_details.cached_tokens).toBe(counted.prompt_cache_hit_tokens);
    expect(counted.prompt_cache_hit_tokens + counted.prompt_cache_miss_tokens).toBe(counted.prompt_tokens);
    expect(counted.completion_tokens_details.reasoning_tokens).toBe(3);
  });
});
