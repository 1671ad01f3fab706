import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildName } from './builds.js';
import { type Lua, startLua } from './lua.js';

interface Opened {
  readonly fault?: string;
  readonly fields: Record<string, { kind: string; value: unknown }>;
}

describe.each<BuildName>(['debian', 'current'])('json.lua (%s nginx)', (nginx) => {
  let lua: Lua;
  beforeAll(async () => {
    lua = await startLua(nginx);
  }, 120_000);
  afterAll(() => lua?.stop());

  /** Every body in one call, in tables that the one before leaves; containers are decoded, so that the whole can be compared. */
  const open = (bodies: readonly string[]) =>
    lua.run(
      `local json = require "core.json"
       local out = {}
       for i, body in ipairs(...) do
         local doc, fault = json.open(body)
         local fields = {}
         for name, kind in pairs(doc and doc.kinds or {}) do
           local value = doc.values[name]
           if kind == "object" or kind == "array" then value = json.decode(doc, name) end
           fields[name] = { kind = kind, value = value }
         end
         out[i] = { fault = fault, fields = fields }
         if doc then json.release(doc) end
       end
       return out`,
      bodies,
    ) as Promise<Opened[]>;

  it('uses the tables of a document again, but not those that a caller made large', async () => {
    const used = await lua.run(
      `local json = require "core.json"
       local out = {}
       for i, count in ipairs(...) do
         local fields = {}
         for n = 1, count do fields[n] = '"f' .. n .. '":1' end
         local body = "{" .. table.concat(fields, ",") .. "}"
         local one = json.open(body)
         json.release(one)
         out[i] = json.open(body) == one
       end
       return out`,
      [1, 16, 17, 1000],
    );
    expect(used).toEqual([true, true, false, false]);
  });

  const kindOf = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

  it('reads what JSON.parse reads', async () => {
    // cjson keeps 14 digits when it writes numbers back to us: integers are enough to compare by.
    const value = fc
      .jsonValue({ maxDepth: 4 })
      .map((made) => JSON.parse(JSON.stringify(made).replace(/-?\d+\.?\d*(e[+-]?\d+)?/g, '7')));
    const object = fc.dictionary(fc.string(), value, { maxKeys: 6 });
    const spaced = fc
      .tuple(object, fc.constantFrom(undefined, 1, '\t'))
      .map(([one, by]) => JSON.stringify(one, null, by));
    const bodies = fc.sample(spaced, 2000).filter((body) => !body.includes('__proto__'));
    const opened = await open(bodies);
    for (const [i, body] of bodies.entries()) {
      const want = JSON.parse(body) as Record<string, unknown>;
      expect(opened[i]!.fault, body).toBeUndefined();
      expect(Object.keys(opened[i]!.fields).sort()).toEqual(Object.keys(want).sort());
      for (const [name, one] of Object.entries(want)) {
        expect(opened[i]!.fields[name]!.kind).toBe(kindOf(one));
        // An empty list and an empty object are one thing to cjson.
        if (JSON.stringify(one).match(/\[\]|\{\}/)) continue;
        expect(opened[i]!.fields[name]!.value).toEqual(one);
      }
    }
  });

  it('never takes for an object what JSON.parse refuses, but for faults inside a field’s container', async () => {
    const whole = JSON.stringify({ a: 1, b: 'x"y\\', c: true, d: null, e: -1.5e3 });
    const cuts = fc.tuple(
      fc.nat(whole.length),
      fc.nat(3),
      fc.constantFrom('', '"', '\\', '}', '{', ',', ':', '0', 'x', '\n'),
    );
    const bodies = fc.sample(cuts, 3000).map(([at, n, put]) => whole.slice(0, at) + put + whole.slice(at + n));
    const opened = await open(bodies);
    for (const [i, body] of bodies.entries()) {
      let valid = true;
      try {
        JSON.parse(body);
      } catch {
        valid = false;
      }
      const { fault } = opened[i]!;
      if (!valid && !/[{[].*[{[]/.test(body)) expect(fault, body).toBeDefined();
      if (valid && !/before/.test(fault ?? '')) expect(fault, body).toBeUndefined();
    }
  });

  it.each([
    ['', 'not an object'],
    ['  [] ', 'not an object'],
    ['{"a":1,"a":2}', 'a field that was given before at byte 8'],
    ['{"a":1,"\\u0061":2}', 'a field that was given before at byte 8'],
    ['{"a":01}', 'a word that is no value at byte 6'],
    ['{"a":1.}', 'a word that is no value at byte 6'],
    ['{"a":NaN}', 'a word that is no value at byte 6'],
    ['{"a":0x10}', 'a word that is no value at byte 6'],
    ['{"a":1,}', 'no field name at byte 8'],
    ['{"a":"\n"}', 'a string that is none at byte 6'],
    ['{"a":"\\x"}', 'a string that is none at byte 6'],
    ['{"a"', 'no colon at byte 5'],
    ['{"a":', 'no value where one is needed at byte 6'],
    ['{"a":1} x', 'something after the end at byte 9'],
    [`{"a":${'['.repeat(64)}${']'.repeat(64)}}`, 'nested too deeply at byte 6'],
  ])('%j: %s', async (body, fault) => {
    expect((await open([body]))[0]).toEqual({ fault, fields: {} });
  });

  it('replaces one field and leaves every other byte alone', async () => {
    const replaced = await lua.run(
      `local json = require "core.json"
       local out = {}
       for i, body in ipairs(...) do out[i] = json.with(json.open(body), "model", '"n"') end
       return out`,
      ['{"a":1e400, "model" : "m" ,"b":[ ]}', '{"model":{"x":"}"}}', '{ "a":1}', '{}', ' { } '],
    );
    expect(replaced).toEqual([
      '{"a":1e400, "model" : "n" ,"b":[ ]}',
      '{"model":"n"}',
      '{"model":"n", "a":1}',
      '{"model":"n"}',
      ' {"model":"n" } ',
    ]);
  });

  it.each([
    ['prose', 'some words, and then some more\n', 8],
    ['quotes all over', 'some words, a "quote"\n', 1],
  ])('walks over 256 KiB of %s in far less time than decoding takes', async (_, line, times) => {
    const content = line.repeat((256 * 1024) / line.length);
    const [walk, decode] = (await lua.run(
      `local json, cjson = require "core.json", require "cjson"
       local function time(work, body)
         for i = 1, 20 do work(body) end
         local best = 1
         for i = 1, 5 do
           local start = os.clock()
           for i = 1, 10 do work(body) end
           best = math.min(best, os.clock() - start)
         end
         return best
       end
       local body = ...
       return { time(json.open, body), time(cjson.decode, body) }`,
      JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] }),
    )) as number[];
    expect(walk! * times).toBeLessThan(decode!);
  });
});
