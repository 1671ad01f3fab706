/** The codec by itself, against one that was written apart from it. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { frame, unframe } from '../../src/embedded/frames.js';
import { bytesOf, decode, encode } from '../../src/embedded/protobuf.js';
import { type Lua, startLua } from './lua.js';

let lua: Lua;
beforeAll(async () => {
  lua = await startLua();
}, 120_000);
afterAll(() => lua?.stop());

const wire = 'local wire = require "core.grpc_wire"\nlocal base = ...\n';
const call = async (chunk: string, ...bytes: (string | Uint8Array)[]): Promise<unknown> =>
  lua.run(`${wire}for i, one in ipairs(base) do base[i] = ngx.decode_base64(one) end\n${chunk}`, [
    ...bytes.map((one) => Buffer.from(one).toString('base64')),
  ]);
const text = (value: unknown): string => Buffer.from(value as string, 'base64').toString();

it('asks with JSON and traces that a protobuf reader reads', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'grapheme', maxLength: 400 }),
      fc.string({ maxLength: 200 }),
      async (json, trace) => {
        const made = await call(
          'return ngx.encode_base64(wire.request(base[1], { traceparent = base[2] }))',
          json,
          trace,
        );
        const fields = decode(unframe(Buffer.from(made as string, 'base64')));
        expect(Buffer.from(bytesOf(fields, 1)).toString()).toBe(json);
        const pair = decode(bytesOf(fields, 2));
        expect(Buffer.from(bytesOf(pair, 1)).toString()).toBe('traceparent');
        expect(Buffer.from(bytesOf(pair, 2)).toString()).toBe(trace);
      },
    ),
    { numRuns: 60 },
  );
});

const read = `local message, to = wire.frame(base[1], 1)
local json, told = wire.message(message)
return { ngx.encode_base64(json), told, to }`;

it('reads what a protobuf writer wrote, and leaves out what it does not know', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 400 }), fc.nat(100_000), async (json, told) => {
      const framed = frame(
        encode([
          [5, 'other'],
          [1, json],
          [2, told],
          [9, 7],
          [300, 'x'],
        ]),
      );
      const [got, other, to] = (await call(read, framed)) as [string, number, number];
      expect([text(got), other, to]).toEqual([json, told, framed.length + 1]);
    }),
    { numRuns: 60 },
  );
});

it('knows how much of a frame is missing, and says no to what is no message', async () => {
  const framed = frame(encode([[1, 'x'.repeat(300)]]));
  for (const at of [0, 4, 5, 100, framed.length - 1]) {
    const [wants] = (await call('return { select(2, wire.frame(base[1], 1)) }', framed.subarray(0, at))) as [number];
    expect(wants).toBe(at < 5 ? 5 : framed.length);
  }
  for (const bytes of [[0xff], [0x0a, 5, 65], [0x0b, 0], [0x00, 0], [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]]) {
    expect(await call('return wire.message(base[1]) == nil', Uint8Array.from(bytes))).toBe(true);
  }
  expect(await call('return wire.frame(base[1], 1)', Uint8Array.from([1, 0, 0, 0, 0]))).toBe(false);
  expect(await call('return wire.frame(base[1], 1)', Uint8Array.from([0, 255, 0, 0, 0]))).toBe(false);
});

it('never fails on bytes of any kind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      expect(await call('return { (pcall(wire.message, base[1])), (pcall(wire.frame, base[1], 1)) }', bytes)).toEqual([
        true,
        true,
      ]);
    }),
    { numRuns: 150 },
  );
});

it('undoes percent-encoding, and leaves lone signs alone', async () => {
  expect(text(await call('return ngx.encode_base64(wire.words(base[1]))', '%E7%9F%B3 100%25 %zz %'))).toBe(
    '石 100% %zz %',
  );
});
