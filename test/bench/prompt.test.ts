import { describe, expect, it } from 'vitest';
import { bodiesOf, random } from '../../src/bench/prompt.js';

const plan = { model: 'm', maxTokens: 16, ignoreEos: false, tokens: 100, seed: 1 };

interface Body {
  readonly messages: readonly { readonly content: string }[];
  readonly [key: string]: unknown;
}
const read = (body: string): Body => JSON.parse(body) as Body;
const promptIn = (body: string): string => read(body).messages[0]!.content;

describe('the bodies of a run', () => {
  it('stream, end with their usage, and have a length', () => {
    const { messages, ...rest } = read(bodiesOf({ ...plan, nonce: 'ab12' })(0));
    expect(messages).toEqual([{ role: 'user', content: expect.any(String) }]);
    expect(rest).toEqual({
      ...{ model: 'm', max_tokens: 16, stream: true, stream_options: { include_usage: true } },
    });
    expect(read(bodiesOf({ ...plan, ignoreEos: true })(0)).ignore_eos).toBe(true);
  });

  it('begin differently each time, so that no beginning is in a cache', () => {
    const bodies = bodiesOf({ ...plan, nonce: 'ab12' });
    const starts = Array.from({ length: 50 }, (_, n) => promptIn(bodies(n)).slice(0, 12));
    expect(new Set(starts).size).toBe(50);
    expect(promptIn(bodies(7))).toMatch(/^\[ab12-7\] /);
    expect(promptIn(bodies(7)).slice(9)).toBe(promptIn(bodies(8)).slice(9));
  });

  it('are all the same where caches may answer', () => {
    const bodies = bodiesOf(plan);
    expect(bodies(1)).toBe(bodies(2));
  });

  it('say the same for the same seed, something else for another', () => {
    expect(bodiesOf(plan)(0)).toBe(bodiesOf(plan)(0));
    expect(bodiesOf({ ...plan, seed: 2 })(0)).not.toBe(bodiesOf(plan)(0));
  });

  it.each([1, 64, 1000, 30_000])('of about %i tokens have about as many words', (tokens) => {
    const words = promptIn(bodiesOf({ ...plan, tokens, nonce: 'ab12' })(0)).split(/\s+/).length;
    expect(Math.abs(words - tokens)).toBeLessThan(20);
  });

  it('carry a text of the user as it is, whatever stands in it', () => {
    const text = 'Say "#] [x-#] ü\n你好 \\ {}';
    expect(promptIn(bodiesOf({ ...plan, text, nonce: 'ab12' })(3))).toBe(`[ab12-3] ${text}`);
    expect(promptIn(bodiesOf({ ...plan, text })(3))).toBe(text);
  });
});

it.each([0, 1, -1, 2 ** 31])('random numbers of seed %i fill the range', (seed) => {
  const next = random(seed);
  const bins = new Array<number>(10).fill(0);
  for (let at = 0; at < 10_000; at += 1) bins[Math.floor(next() * 10)]! += 1;
  for (const count of bins) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
