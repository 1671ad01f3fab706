/** DNS packets as they may come from anybody: read right when they are right, refused in time when they are not. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { record, reply } from './dns-server.js';
import { type Lua, startLua } from './lua.js';

let lua: Lua;
beforeAll(async () => {
  lua = await startLua();
});
afterAll(() => lua.stop());

const read = (packets: readonly Buffer[], kind = 'A') =>
  lua.run(
    `local given = ...
     local message, crypto = require "core.dns_message", require "core.crypto"
     local out = {}
     for i, hex in ipairs(given.packets) do
       local list, more = message.read(crypto.unhex(hex), 258, "a.test", given.kind)
       out[i] = { list = list and table.concat(list, " "), more = more }
     end
     return out`,
    { packets: packets.map((packet) => packet.toString('hex')), kind },
  ) as Promise<{ list?: string; more: string | number }[]>;

const question = { id: Buffer.from([1, 2]), bytes: Buffer.from('\x01a\x04test\0\0\x01\0\x01', 'latin1') };
const own = Buffer.from([0xc0, 12]);
const a = (...numbers: number[]) => record(own, 1, 7, Buffer.from(numbers));
const alias = (owner: Buffer, to: string, ttl = 3) => record(owner, 5, ttl, Buffer.from(to, 'latin1'));
const good = reply(question, 0, [a(10, 0, 0, 2), a(10, 0, 0, 1)]);

it('reads addresses, aliases and times; sorts, and takes nothing of another name', async () => {
  const b = Buffer.from('\x01b\x04test\0', 'latin1');
  const loop = reply(question, 0, [alias(own, '\x01b\x04test\0'), alias(b, '\x01a\x04test\0'), a(10, 0, 0, 5)]);
  const answers = await read([
    good,
    reply(question, 0, [alias(own, '\x01b\x04test\0'), record(b, 1, 60, Buffer.from([10, 0, 0, 3]))]),
    reply(question, 0, [record(b, 1, 60, Buffer.from([10, 0, 0, 3])), a(10, 0, 0, 4)]),
    reply({ ...question, bytes: Buffer.from('\x01A\x04TesT\0\0\x01\0\x01', 'latin1') }, 0, [a(10, 0, 0, 6)]),
    loop,
    reply(question, 0, [record(own, 1, 0xffff, Buffer.from([1, 2, 3]))]),
  ]);
  expect(answers.map(({ list }) => list)).toEqual([
    '10.0.0.1 10.0.0.2',
    '10.0.0.3',
    '10.0.0.4',
    '10.0.0.6',
    '10.0.0.5',
    '',
  ]);
  expect(answers.slice(0, 3).map(({ more }) => more)).toEqual([7, 3, 7]);
});

it('says why there is nothing to read', async () => {
  const other = { ...question, bytes: Buffer.from('\x01b\x04test\0\0\x01\0\x01', 'latin1') };
  const itself = Buffer.concat([good.subarray(0, 12), question.bytes, Buffer.from([0xc0, 12 + question.bytes.length])]);
  const asks = Buffer.from(good);
  asks[2] = 1;
  const answers = await read([
    reply(question, 2, []),
    reply(question, 3, []),
    reply(question, 5, []),
    reply(question, 0x200, []),
    reply({ ...question, id: Buffer.from([1, 3]) }, 0, [a(1, 2, 3, 4)]),
    reply(other, 0, [a(1, 2, 3, 4)]),
    asks,
    itself,
    good.subarray(0, good.length - 1),
    Buffer.alloc(0),
  ]);
  const why = [
    'SERVFAIL',
    'NXDOMAIN',
    'REFUSED',
    'truncated',
    'stray',
    'stray',
    'stray',
    'malformed',
    'malformed',
    'stray',
  ];
  expect(answers.map(({ more }) => more)).toEqual(why);
});

it('survives any packet: a word or a list of addresses, within a millisecond each', async () => {
  const hurt = fc
    .tuple(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 12 }),
      fc.nat(120),
      fc.uint8Array({ maxLength: 600 }),
      fc.boolean(),
    )
    .map(([changes, length, tail, whole]) => {
      const packet = Buffer.concat([whole ? good : good.subarray(0, length), tail]);
      // The head stays, so that what follows it is read.
      for (const [at, value] of changes) if (packet.length > 30) packet[23 + (at % (packet.length - 23))] = value;
      if (packet.length > 8) packet[7] = 40;
      return packet;
    });
  await fc.assert(
    fc.asyncProperty(fc.array(hurt, { minLength: 50, maxLength: 50 }), async (packets) => {
      const started = performance.now();
      for (const { list, more } of await read(packets)) {
        if (list === undefined) expect(more).toMatch(/^(stray|truncated|malformed|RCODE \d+|[A-Z]+)$/);
        else expect(list).toMatch(/^(\d+\.\d+\.\d+\.\d+ ?)*$/);
      }
      expect(performance.now() - started).toBeLessThan(2000);
    }),
    { numRuns: 60 },
  );
});
