import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Thinking, ThinkSplitter, thinkingAfter } from '../../src/embedded/think.js';

function split(thinking: Thinking, parts: readonly string[]): { reasoning: string; content: string } {
  const splitter = new ThinkSplitter(thinking);
  const all = [...parts.map((part) => splitter.push(part)), splitter.flush()];
  return { reasoning: all.map((one) => one.reasoning).join(''), content: all.map((one) => one.content).join('') };
}

const whole: [Thinking, string, string, string][] = [
  ['maybe', '<think>\nI see.\n</think>\n\nYes.', 'I see.', 'Yes.'],
  ['maybe', '\n<think>a<b</think>c', 'a<b', 'c'],
  ['maybe', 'No thought <think>', '', 'No thought <think>'],
  ['maybe', '<thin', '', '<thin'],
  ['maybe', '', '', ''],
  ['maybe', '<think></think>done', '', 'done'],
  ['open', '\nstill thinking', 'still thinking', ''],
  ['open', 'one\n\ntwo</think>\nthree\n', 'one\n\ntwo', 'three\n'],
  ['open', 'cut off</thi', 'cut off</thi', ''],
  ['open', 'a</think>b</think>c', 'a', 'b</think>c'],
  ['plain', '<think>x</think>y', '', '<think>x</think>y'],
];

describe('an answer of a model that thinks', () => {
  it.each(whole)('%s: %j', (thinking, text, reasoning, content) => {
    expect(split(thinking, [text])).toEqual({ reasoning, content });
  });

  it('is parted alike however it is cut', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...whole),
        fc.array(fc.nat(), { maxLength: 20 }),
        ([thinking, text, ...parts], cuts) => {
          const at = [0, ...cuts.map((place) => place % (text.length + 1)).sort((a, b) => a - b), text.length];
          const pieces = at.slice(1).map((end, i) => text.slice(at[i]!, end));
          expect(split(thinking, pieces)).toEqual({ reasoning: parts[0], content: parts[1] });
        },
      ),
    );
  });

  it('counts as thought while it is one', () => {
    const splitter = new ThinkSplitter('open');
    expect(splitter.thinking).toBe(true);
    splitter.push('x</think>');
    expect(splitter.thinking).toBe(false);
  });
});

describe('where an answer begins', () => {
  it.each<[string, boolean, Thinking]>([
    ['<|User|>Hi<|Assistant|><think>\n', true, 'open'],
    ['<|User|>Hi<|Assistant|>', true, 'maybe'],
    ['<|User|>Hi<|Assistant|>', false, 'plain'],
    ['<|Assistant|><think>\n\n</think>\n\n', true, 'maybe'],
  ])('after %j', (prompt, thinker, thinking) => expect(thinkingAfter(prompt, thinker)).toBe(thinking));
});
