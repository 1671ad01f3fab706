import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lua, startLua } from './lua.js';

let lua: Lua;
beforeAll(async () => {
  lua = await startLua();
});
afterAll(() => lua?.stop());

interface Collected {
  readonly answer?: Record<string, unknown>;
  readonly why?: string;
  readonly bare?: boolean;
}

/** What is kept of an answer that passes in these pieces. */
async function collect(pieces: readonly string[], stream: boolean, kind = 'chat', most = 100_000): Promise<Collected> {
  const out = (await lua.run(
    `local one, answers = ..., require "core.cache_answer"
    local collected = answers.collect(one.kind, one.stream, one.most)
    for _, piece in ipairs(one.pieces) do
      if not collected.broken then collected:add(piece) end
    end
    local text, more = answers.finish(collected, one.most)
    return { text = text, more = more }`,
    { pieces, stream, kind, most },
  )) as { text?: string; more?: string | boolean };
  return out.text === undefined
    ? { why: out.more as string }
    : { answer: JSON.parse(out.text), ...(out.more === undefined ? {} : { bare: out.more as boolean }) };
}

/** The stream that a stored answer is replayed as. */
const replay = async (answer: unknown, size = 10, usage = false, kind = 'chat') =>
  (
    (await lua.run(
      `local one = ...
      return require("core.cache_replay").events({ kind = one.kind, json = one.json }, one.size, one.usage)`,
      { json: JSON.stringify(answer), size, usage, kind },
    )) as string[]
  ).join('');

const sse = (...chunks: unknown[]) =>
  `${chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('')}data: [DONE]\n\n`;
const delta = (more: unknown, finish: string | null = null, index = 0) => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 1_700_000_000,
  model: 'm',
  choices: [{ index, delta: more, logprobs: null, finish_reason: finish }],
});
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const ending = [delta({}, 'stop'), { ...delta({}), choices: [], usage }];
const head = { id: 'c1', object: 'chat.completion', created: 1_700_000_000, model: 'm' };

describe('a stream that passes', () => {
  it('becomes one answer, whatever pieces it comes in', async () => {
    const text = sse(
      delta({ role: 'assistant', content: '' }),
      delta({ reasoning_content: 'think' }),
      delta({ content: 'He' }),
      delta({ content: 'llo 日本 \u2028"\\n' }),
      ...ending,
    ).replace('data: ', ': a comment\n\nevent: x\ndata: ');
    const bytes = Buffer.from(text).toString('latin1');
    const whole = await collect([text], true);
    expect(whole).toEqual({
      answer: {
        ...head,
        usage,
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: 'Hello 日本 \u2028"\\n', reasoning_content: 'think' },
            logprobs: null,
            finish_reason: 'stop',
          },
        ],
      },
      bare: false,
    });
    for (const at of [1, 7, 50, 200, bytes.length - 3]) {
      expect(await collect([text.slice(0, at), text.slice(at)], true)).toEqual(whole);
    }
    expect(await collect([...text], true)).toEqual(whole);
    expect(await collect([text.replaceAll('\n', '\r\n')], true)).toEqual(whole);
    expect(await collect([text.replaceAll('data: ', 'data:')], true)).toEqual(whole);
  });

  it('may carry calls of tools, several choices, and log probabilities', async () => {
    const logprob = (token: string) => ({ token, logprob: -0.5, bytes: [104], top_logprobs: [] });
    const call = (index: number, more: object) => delta({ tool_calls: [{ index, ...more }] });
    const { answer } = await collect(
      [
        sse(
          delta({ role: 'assistant' }),
          call(0, { id: 'a', type: 'function', function: { name: 'f', arguments: '' } }),
          call(0, { function: { arguments: '{"x"' } }),
          call(1, { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } }),
          call(0, { function: { arguments: ':1}' } }),
          delta({ content: 'x' }, null, 1),
          {
            ...delta({}),
            choices: [{ index: 1, delta: {}, logprobs: { content: [logprob('x')] }, finish_reason: null }],
          },
          delta({}, 'tool_calls'),
          delta({}, 'length', 1),
        ),
      ],
      true,
    );
    expect(answer!.choices).toEqual([
      {
        index: 0,
        message: {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
            { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
          ],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
      {
        index: 1,
        message: { role: 'assistant', content: 'x' },
        logprobs: { content: [logprob('x')] },
        finish_reason: 'length',
      },
    ]);
  });

  it('of plain text', async () => {
    const chunk = (text: string, finish: string | null = null) => ({
      id: 'c1',
      object: 'text_completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
    });
    const { answer, bare } = await collect([sse(chunk('a'), chunk('b'), chunk('', 'length'))], true, 'completions');
    expect(answer!.choices).toEqual([{ index: 0, text: 'ab', logprobs: null, finish_reason: 'length' }]);
    expect(bare).toBe(true);
  });

  const whole = sse(delta({ content: 'x' }), ...ending);
  it.each([
    ['without [DONE]', whole.replace('data: [DONE]\n\n', ''), 'unfinished'],
    ['without a reason why it ended', sse(delta({ content: 'x' })), 'unfinished'],
    ['that was filtered', whole.replace('"stop"', '"content_filter"'), 'unfinished'],
    ['that the engine broke off', whole.replace('"stop"', '"insufficient_system_resource"'), 'unfinished'],
    ['with a choice missing', whole.replaceAll('"index":0', '"index":1'), 'unfinished'],
    ['with one of two choices unfinished', sse(delta({ content: 'y' }, null, 1), ...ending), 'unfinished'],
    ['with a call missing', sse(delta({ tool_calls: [{ index: 1, id: 'b' }] }), ...ending), 'unfinished'],
    ['with an error inside', sse({ error: { message: 'no' } }, ...ending), 'unfit'],
    ['with more after the end', `${whole}data: {}\n\n`, 'unfit'],
    ['with a field we do not know', sse(delta({ audio: { id: 1 } }), ...ending), 'unfit'],
    ['with an answer of the wrong type', sse(delta({ content: 5 }), ...ending), 'unfit'],
    ['that is no JSON', 'data: {"a\n\ndata: [DONE]\n\n', 'unfit'],
    ['with a huge index', sse(delta({}, 'stop', 1e9)), 'unfit'],
    ['of nothing', '', 'unfinished'],
    ['that is JSON', JSON.stringify({ ...head, choices: [] }), 'unfinished'],
  ])('is not kept %s', async (_, text, why) => {
    expect(await collect([text], true)).toEqual({ why });
  });

  it('is not kept when it is too large', async () => {
    expect(await collect([sse(delta({ content: 'x'.repeat(2000) }), ...ending)], true, 'chat', 1000)).toEqual({
      why: 'large',
    });
    const many = sse(...Array(2000).fill(delta({ content: '' })), ...ending);
    expect(await collect([many], true, 'chat', 10_000)).toEqual({ why: 'large' });
  });
});

describe('an answer of JSON', () => {
  const choice = { index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' };
  const good = { ...head, choices: [choice], usage };

  it('is kept as it came', async () => {
    const text = JSON.stringify(good);
    expect(await collect([text.slice(0, 30), text.slice(30)], false)).toEqual({ answer: good });
    const list = { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.1] }], model: 'm', usage };
    expect(await collect([JSON.stringify(list)], false, 'embeddings')).toEqual({ answer: list });
  });

  it.each([
    ['cut', JSON.stringify(good).slice(0, -2), 'unfit'],
    ['of another kind', JSON.stringify({ ...good, object: 'error' }), 'unfit'],
    ['without choices', JSON.stringify({ ...good, choices: [] }), 'unfinished'],
    ['unfinished', JSON.stringify({ ...good, choices: [{ ...choice, finish_reason: null }] }), 'unfinished'],
    ['aborted', JSON.stringify({ ...good, choices: [choice, { ...choice, finish_reason: 'abort' }] }), 'unfinished'],
    ['without an index', JSON.stringify({ ...good, choices: [{ ...choice, index: undefined }] }), 'unfit'],
    ['without a message', JSON.stringify({ ...good, choices: [{ ...choice, message: 'x' }] }), 'unfit'],
    [
      'with a call that is none',
      JSON.stringify({ ...good, choices: [{ ...choice, message: { tool_calls: [1] } }] }),
      'unfit',
    ],
    ['with a choice that is none', JSON.stringify({ ...good, choices: ['x'] }), 'unfinished'],
    ['a list', '[]', 'unfit'],
    ['a word', 'true', 'unfit'],
  ])('is not kept when it is %s', async (_, text, why) => {
    expect(await collect([text], false)).toEqual({ why });
  });

  it('is not kept when it is too large', async () => {
    expect(await collect([JSON.stringify(good)], false, 'chat', 50)).toEqual({ why: 'large' });
  });
});

describe('a replay', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '日', '😀', '\n', '"', '\u0000'), maxLength: 80 });
  const message = fc.record(
    {
      content: text,
      reasoning_content: text.filter((one) => one !== ''),
      tool_calls: fc.array(
        fc.record({
          id: fc.string(),
          type: fc.constant('function'),
          function: fc.record({ name: fc.constantFrom('f', 'g'), arguments: text }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      refusal: text.filter((one) => one !== ''),
    },
    { requiredKeys: ['content'] },
  );
  const finish = fc.constantFrom('stop', 'length', 'tool_calls');
  const answers = fc.array(fc.tuple(message, finish), { minLength: 1, maxLength: 3 }).map((choices) => ({
    ...head,
    system_fingerprint: 'fp',
    usage,
    choices: choices.map(([one, finish_reason], index) => ({
      index,
      message: { role: 'assistant', ...one, content: one.tool_calls && one.content === '' ? null : one.content },
      logprobs: null,
      finish_reason,
    })),
  }));

  it('that passes through again is the same answer', async () => {
    for (const answer of fc.sample(answers, 100)) {
      for (const size of [1, 7, 1000]) {
        const events = await replay(answer, size, true);
        // JSON.parse of each event would fail where a character was cut in two.
        for (const line of events.split('\n\n').slice(0, -2)) JSON.parse(line.slice(6));
        expect(await collect([events], true)).toEqual({ answer, bare: false });
      }
    }
  });

  it('comes in pieces, ends with a reason and [DONE], and tells the usage when that was asked for', async () => {
    const choice = { index: 0, message: { role: 'assistant', content: 'Hello world' }, finish_reason: 'stop' };
    const events = (await replay({ ...head, choices: [choice], usage }, 5)).split('\n\n').filter(Boolean);
    expect(events.at(-1)).toBe('data: [DONE]');
    const chunks = events.slice(0, -1).map((one) => JSON.parse(one.slice(6)));
    expect(chunks.map((one) => one.choices[0].delta)).toEqual([
      { role: 'assistant', content: '' },
      { content: 'Hello' },
      { content: ' worl' },
      { content: 'd' },
      {},
    ]);
    expect(chunks.map((one) => one.choices[0].finish_reason)).toEqual([null, null, null, null, 'stop']);
    expect(new Set(chunks.map((one) => `${one.id} ${one.object} ${one.created} ${one.model} ${one.usage}`))).toEqual(
      new Set(['c1 chat.completion.chunk 1700000000 m undefined']),
    );
    const last = (await replay({ ...head, choices: [choice], usage }, 5, true)).split('\n\n').at(-3)!;
    // An empty list, not an empty object.
    expect(JSON.parse(last.slice(6))).toEqual({ ...head, object: 'chat.completion.chunk', choices: [], usage });
  });

  it('of plain text', async () => {
    const answer = {
      id: 'c1',
      object: 'text_completion',
      created: 1,
      model: 'm',
      usage,
      choices: [
        { index: 0, text: 'some text', logprobs: null, finish_reason: 'stop' },
        { index: 1, text: '', logprobs: null, finish_reason: 'length' },
      ],
    };
    const events = await replay(answer, 4, true, 'completions');
    expect(await collect([events], true, 'completions')).toEqual({ answer, bare: false });
  });
});
