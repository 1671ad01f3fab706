import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { begun, StopFinder, Utf8Joiner } from '../../src/embedded/text.js';

/** The text cut at these places, wherever they fall. */
function cut<T extends { slice(from: number, to?: number): T; length: number }>(whole: T, places: number[]): T[] {
  const at = [0, ...places.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return at.slice(1).map((end, i) => whole.slice(at[i]!, end));
}
const text = fc.string({ unit: 'grapheme' });
const places = fc.array(fc.nat(), { maxLength: 12 });

describe('bytes joined to text', () => {
  it('are the text, and no part of it splits a code point', () => {
    fc.assert(
      fc.property(text, places, (whole, at) => {
        const joiner = new Utf8Joiner();
        const parts = cut(new TextEncoder().encode(whole), at).map((bytes) => joiner.push(bytes));
        expect(parts.join('') + joiner.flush()).toBe(whole);
        for (const part of parts) expect(Buffer.from(part).toString()).toBe(part);
        if (!whole.includes('\ufffd')) expect(parts.join('')).not.toContain('\ufffd');
      }),
    );
  });

  it('never lose what came before a token that is whole by itself', () => {
    const joiner = new Utf8Joiner();
    expect(joiner.push(Uint8Array.of(0xe4, 0xb8))).toBe('');
    expect(joiner.push('ok')).toBe('\ufffdok');
  });

  it('become U+FFFD where they are no UTF-8, and the stream goes on', () => {
    const joiner = new Utf8Joiner();
    expect(joiner.push(Uint8Array.of(0xff, 0x41, 0x80))).toMatch(/A/);
    expect(joiner.push('b')).toMatch(/b$/);
    expect(joiner.push(Uint8Array.of(0xf0, 0x9f))).toBe('');
    expect(joiner.flush()).toBe('\ufffd');
    expect(joiner.flush()).toBe('');
  });
});

describe('the beginning of a mark', () => {
  it.each([
    ['a</th', '</think>', 4],
    ['a<', '</think>', 1],
    ['a', '</think>', 0],
    ['aaa', 'aab', 2],
    ['', 'x', 0],
  ])('%s of %s', (said, mark, length) => expect(begun(said, mark)).toBe(length));
});

describe('stop strings', () => {
  it('end the text before the first of them, however it is cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'b', '中') }), places, (whole, at) => {
        const stops = ['ab', 'ba中', 'bbb'];
        const finder = new StopFinder(stops);
        let said = '';
        for (const part of cut(whole, at)) if (!finder.found) said += finder.push(part);
        said += finder.flush();
        const first = Math.min(...stops.map((stop) => whole.indexOf(stop)).filter((place) => place >= 0));
        // Cut in parts, a stop that begins later may be whole before one that begins earlier: it ends the text too.
        expect(finder.found).toBe(first !== Number.POSITIVE_INFINITY);
        expect(whole.startsWith(said)).toBe(true);
        for (const stop of stops) expect(said).not.toContain(stop);
        if (!finder.found) expect(said).toBe(whole);
      }),
    );
  });

  it('hold nothing back when there are none', () => {
    expect(new StopFinder([]).push('anything')).toBe('anything');
  });
});
