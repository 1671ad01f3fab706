import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, decode, encode } from '../../src/embedded/protobuf.js';

describe('protobuf', () => {
  it('is the bytes of the specification', () => {
    // https://protobuf.dev/programming-guides/encoding/#simple
    expect([...encode([[1, 150]])]).toEqual([0x08, 0x96, 0x01]);
    expect([...encode([[2, 'testing']])]).toEqual([0x12, 0x07, ...new TextEncoder().encode('testing')]);
  });

  it('leaves out what is empty, zero or false', () => {
    expect(
      encode([
        [1, ''],
        [2, 0],
        [3, false],
        [4, new Uint8Array(0)],
      ]),
    ).toHaveLength(0);
  });

  it('reads back what was written', () => {
    const numbers = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), numbers, (bytes, number) => {
        const fields = decode(
          encode([
            [1, bytes],
            [15, true],
            [16, number],
          ]),
        );
        expect(fields.map((field) => field.number)).toEqual([1, 15, 16]);
        expect([...bytesOf(fields, 1)]).toEqual([...bytes]);
        expect(fields[2]!.value).toBe(number);
      }),
    );
  });

  it('takes the last of a field that is there twice, and skips what it does not know', () => {
    const fields = decode(Uint8Array.of(0x0a, 1, 65, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x0a, 1, 66));
    expect([...bytesOf(fields, 1)]).toEqual([66]);
    expect([...bytesOf(fields, 7)]).toEqual([]);
  });

  it('says of any bytes what is wrong with them, and nothing worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decode(bytes);
        } catch (error) {
          expect((error as Error).message).toContain('protobuf');
        }
      }),
    );
  });
});
