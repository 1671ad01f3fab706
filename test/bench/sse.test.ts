import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SseReader } from '../../src/bench/sse.js';
import { cut } from './cut.js';

function read(pieces: readonly Uint8Array[], end = true): string[] {
  const seen: string[] = [];
  const reader = new SseReader((data) => seen.push(new TextDecoder('utf-8', { ignoreBOM: true }).decode(data)));
  for (const piece of pieces) {
    const own = piece.slice();
    reader.push(own);
    // Whoever keeps a view of a buffer that is used again reads this.
    own.fill(0x2a);
  }
  if (end) reader.end();
  return seen;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('an event stream', () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !/[\r\n]/.test(text));
  const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
  const field = fc.oneof(
    { weight: 5, arbitrary: line.map((text) => ({ data: text, raw: `data: ${text}` })) },
    line.filter((text) => !text.startsWith(' ')).map((text) => ({ data: text, raw: `data:${text}` })),
    line.map((text) => ({ data: undefined, raw: `: ${text}` })),
    fc.constant({ data: undefined, raw: 'event: message' }),
    fc.constant({ data: undefined, raw: 'database: no' }),
    fc.constant({ data: '', raw: 'data' }),
  );
  const events = fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 6 });

  it('says the same wherever the network cuts it', () => {
    fc.assert(
      fc.property(events, lineEnd, fc.array(fc.nat(), { maxLength: 40 }), (list, ending, places) => {
        const text = list.map((fields) => fields.map(({ raw }) => raw + ending).join('') + ending).join('');
        const wanted = list
          .map((fields) => fields.flatMap(({ data }) => (data === undefined ? [] : [data])))
          .filter((data) => data.length > 0)
          .map((data) => data.join('\n'));
        expect(read(cut(bytes(text), places))).toEqual(wanted);
      }),
      { numRuns: 500 },
    );
  });

  it('is told when the empty line is there, not before', () => {
    expect(read([bytes('data: a\n')], false)).toEqual([]);
    expect(read([bytes('data: a\n'), bytes('\n')], false)).toEqual(['a']);
    expect(read([bytes('data: a\r'), bytes('\n\r'), bytes('\n')], false)).toEqual(['a']);
  });

  it('that ends without its last empty line still counts', () => {
    expect(read([bytes('data: a\n\ndata: [DONE]')])).toEqual(['a', '[DONE]']);
  });

  it('may begin with a byte order mark', () => {
    expect(read([bytes('\ufeffdata: a\n\n')])).toEqual(['a']);
  });
});
