import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockBytes, ending, header, padded, readHeader } from '../../src/bundle/tar.js';

const part = fc.stringMatching(/^[a-z0-9~+.-]{1,60}$/).filter((one) => !/^\.+$/.test(one));
const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

test('a header gives back what was written, of any size', () => {
  fc.assert(
    fc.property(name, fc.maxSafeNat(), (path, bytes) => {
      expect(readHeader(header({ name: path, bytes }))).toEqual({ name: path, bytes });
    }),
  );
});

test('a header with any byte changed is none', () => {
  const good = header({ name: 'packages/a.deb', bytes: 12345 });
  // Within the checksum's own field other digits may come to the same.
  const places = fc.nat(blockBytes - 1).filter((at) => at < 148 || at > 155);
  fc.assert(
    fc.property(places, fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bad = Buffer.from(good);
      bad[at] = bad[at]! ^ flip;
      expect(readHeader(bad)).toBeUndefined();
    }),
  );
});

test.each([
  ['zeros', new Uint8Array(blockBytes)],
  ['too short', new Uint8Array(10)],
  ['text', Buffer.from('x'.repeat(blockBytes))],
])('%s are no header', (_, block) => {
  expect(readHeader(block)).toBeUndefined();
});

test('a name too long for ustar is refused', () => {
  expect(() => header({ name: 'a'.repeat(101), bytes: 0 })).toThrow(/too long/);
});

test('tar itself reads it', () => {
  const long = `${'folder-'.repeat(20)}x/${'name-'.repeat(15)}`;
  const entry = (path: string, text: string): Uint8Array =>
    Buffer.concat([header({ name: path, bytes: text.length }), Buffer.from(text.padEnd(padded(text.length), '\0'))]);
  const archive = Buffer.concat([entry(long, 'one'), entry('b', 'two'), ending]);
  const input = { input: archive, encoding: 'utf8' as const };
  expect(execFileSync('tar', ['-tf', '-'], input)).toBe(`${long}\nb\n`);
  expect(execFileSync('tar', ['-xOf', '-', 'b'], input)).toBe('two');
  const large = header({ name: 'large', bytes: 3e12 });
  const listed = execFileSync('sh', ['-c', 'tar -tvf - 2>/dev/null || true'], { input: large, encoding: 'utf8' });
  expect(listed).toMatch(/ 3000000000000 .* large/);
});
