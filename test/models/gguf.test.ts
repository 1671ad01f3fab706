import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GgufTruncated, readGgufMeta, tensorType, writeGguf } from '../../src/models/gguf.js';

const meta = {
  'a.text': { text: '世界' },
  'a.uint': { uint: 4_000_000_000 },
  'a.float': { float: 0.5 },
  'a.flag': { flag: true },
  'a.texts': { texts: ['x', '', '<think>'] },
  'a.ints': { ints: [1, -3] },
  'a.floats': { floats: [0.25, -3] },
};

describe('GGUF', () => {
  it('reads back the metadata that was written', () => {
    expect(Object.fromEntries(readGgufMeta(writeGguf(meta, [])))).toEqual({
      'a.text': '世界',
      'a.uint': 4_000_000_000,
      'a.float': 0.5,
      'a.flag': true,
      'a.texts': ['x', '', '<think>'],
      'a.ints': [1, -3],
      'a.floats': [0.25, -3],
    });
  });

  it('aligns tensors to 32 bytes', () => {
    const tensor = (name: string, data: Uint8Array) => ({ name, shape: [data.length / 4], type: tensorType.f32, data });
    const one = tensor('one', new Uint8Array(4).fill(1));
    const two = tensor('two', new Uint8Array(8).fill(2));
    const file = writeGguf({}, [one, two]);
    expect(file.length % 32).toBe(0);
    expect(file.subarray(-64, -28)).toEqual(Uint8Array.from([1, 1, 1, 1, ...new Array(28).fill(0), 2, 2, 2, 2]));
  });

  it('asks for more bytes wherever the metadata is cut, and never reads past the cut', () => {
    const file = writeGguf(meta, []);
    const end = file.lastIndexOf(0xc0) + 1;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: end - 1 }), (cut) => {
        expect(() => readGgufMeta(file.slice(0, cut))).toThrow(GgufTruncated);
      }),
    );
  });

  it('refuses what is no GGUF, and versions it does not know', () => {
    expect(() => readGgufMeta(new TextEncoder().encode('<!doctype html><html>'))).toThrow('does not begin');
    const future = writeGguf(meta, []);
    future[4] = 9;
    expect(() => readGgufMeta(future)).toThrow('version 9');
  });
});
