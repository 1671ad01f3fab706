import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from '../../src/bench/answer.js';
import { frameOf } from '../../src/bench/frame.js';
import { cut } from './cut.js';
import { chunk, done, event, usage } from './server.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Piece `n` arrives at ms `n + 1`. */
function read(pieces: readonly (string | Uint8Array)[]): AnswerReader {
  const reader = new AnswerReader();
  for (const [at, piece] of pieces.entries()) reader.push(typeof piece === 'string' ? bytes(piece) : piece, at + 1);
  reader.end();
  return reader;
}

describe('what is the first token', () => {
  it.each([
    ['a role only', { role: 'assistant' }],
    ['a role with empty content', { role: 'assistant', content: '' }],
    ['null content', { content: null }],
    ['nothing', {}],
  ])('%s is none', (_, delta) => {
    const { chunks } = read([chunk(delta), chunk({ content: 'a' }), chunk({}, 'stop'), done]);
    expect(chunks).toEqual([2000]);
  });

  it.each([
    ['content', { content: 'a' }],
    ['reasoning_content', { content: null, reasoning_content: 'a' }],
    ["vLLM's reasoning", { reasoning: 'a' }],
    ['a tool call', { tool_calls: [{ index: 0 }] }],
    ['content beside the role', { role: 'assistant', content: 'a' }],
  ])('%s is one', (_, delta) => {
    expect(read([chunk(delta), chunk({}, 'stop'), done]).chunks).toEqual([1000]);
  });

  it('the finish_reason and the usage move nothing', () => {
    const reader = read([chunk({ content: 'a' }), chunk({ content: 'b' }), chunk({}, 'stop'), usage(3, 2), done]);
    expect(reader.chunks).toEqual([1000, 1000]);
    expect(reader.finish).toBe('stop');
    expect(reader.failure).toBeUndefined();
  });
});

describe('tokens', () => {
  it('are what the usage says', () => {
    expect(read([chunk({ content: 'a b c' }, 'stop'), usage(5, 3), done]).counts).toEqual({ prompt: 5, tokens: 3 });
  });

  it('are the last word of a usage that counts up, also on chunks with content', () => {
    const counting = (n: number) =>
      event({
        choices: [{ delta: { content: 'a' }, finish_reason: null }],
        usage: { prompt_tokens: 5, completion_tokens: n },
      });
    expect(read([counting(1), counting(2), chunk({}, 'stop'), done]).counts.tokens).toBe(2);
  });

  it('come with reasoning and cache, under either name', () => {
    const body = {
      choices: [],
      usage: {
        ...{ prompt_tokens: 9, completion_tokens: 4, prompt_cache_hit_tokens: 8 },
        completion_tokens_details: { reasoning_tokens: 3 },
      },
    };
    const reader = read([chunk({ content: 'a' }, 'stop'), event(body), done]);
    expect(reader.counts).toEqual({ prompt: 9, tokens: 4, reasoning: 3, cached: 8 });
    const openai = { choices: [], usage: { completion_tokens: 4, prompt_tokens_details: { cached_tokens: 2 } } };
    expect(read([event(openai)]).counts).toEqual({ tokens: 4, cached: 2 });
  });

  it('are unknown without a usage', () => {
    expect(read([chunk({ content: 'a' }, 'stop'), done]).counts).toEqual({});
  });
});

describe('a stream that went wrong', () => {
  it.each([
    ['error_event', 'no room', [chunk({ content: 'a' }), event({ error: { message: 'no room', code: 500 } }), done]],
    ['error_event', 'plain words', [event({ error: 'plain words' })]],
    ['truncated', 'no finish_reason', [chunk({ content: 'a' })]],
    ['truncated', '[DONE] without a finish_reason', [chunk({ content: 'a' }), done]],
    ['not_sse', '{"half', ['data: {"half\n\n']],
    ['not_sse', '7', ['data: 7\n\n']],
  ])('%s: %s', (cause, detail, pieces) => {
    expect(read(pieces).failure).toEqual({ cause, detail });
  });
});

describe('events that differ in their text only', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom('"', '\\', '\n', '\\"', '","x":"', ' 你好', '🦜'),
  );
  const delta = fc.oneof(
    { weight: 8, arbitrary: text.map((content) => ({ content })) },
    { weight: 2, arbitrary: text.map((reasoning) => ({ content: null, reasoning_content: reasoning })) },
    fc.constant({}),
  );
  const spaced = (body: unknown): string => `data: ${JSON.stringify(body, null, 1).replaceAll('\n', ' ')}\n\n`;

  it('are counted as if each were parsed, wherever they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(delta, fc.constantFrom('chat-1', 'chat-2')), { minLength: 1, maxLength: 30 }),
        fc.constantFrom(event, spaced),
        fc.array(fc.nat(), { maxLength: 60 }),
        (deltas, written, places) => {
          const events = deltas.map(([one, id]) =>
            written({ id, choices: [{ index: 0, delta: one, logprobs: null, finish_reason: null }] }),
          );
          const whole = bytes(events.join('') + chunk({}, 'length') + done);
          const says = ({ content, reasoning_content }: { content?: unknown; reasoning_content?: unknown }): boolean =>
            Boolean(content) || Boolean(reasoning_content);
          // When does each event's last byte arrive?
          const pieces = cut(whole, places);
          const wanted: number[] = [];
          let end = 0;
          for (const [at, [one]] of deltas.entries()) {
            end += bytes(events[at]!).length;
            let arrived = 0;
            let piece = 0;
            while (arrived < end) {
              arrived += pieces[piece]!.length;
              piece += 1;
            }
            if (says(one as object)) wanted.push(piece * 1000);
          }
          const reader = read(pieces);
          let sum = 0;
          expect(reader.chunks.map((gap) => (sum += gap))).toEqual(wanted);
          expect(reader.failure).toBeUndefined();
          expect(reader.finish).toBe('length');
        },
      ),
      { numRuns: 500 },
    );
  });

  it('have a frame only where the text was found for sure', () => {
    const of = (delta: object) => JSON.stringify({ choices: [{ delta, finish_reason: null }] });
    expect(frameOf(of({ content: 'a "quoted" \\ text' }), 'content')).toBeDefined();
    // The first "content" is somebody else's.
    expect(frameOf(`{"content":"x",${of({ content: 'a' }).slice(1)}`, 'content')).toBeUndefined();
    expect(frameOf('{"content":"unending', 'content')).toBeUndefined();
    expect(frameOf(of({ content: ['a'] }), 'content')).toBeUndefined();
  });

  it('never pass for one that also finishes', () => {
    const reader = read([chunk({ content: 'a' }), chunk({ content: 'b' }), chunk({ content: 'c' }, 'length'), done]);
    expect(reader.chunks).toHaveLength(3);
    expect(reader.finish).toBe('length');
  });
});
