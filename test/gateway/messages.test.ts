import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lua, startLua } from './lua.js';

describe('the quick look at messages', () => {
  let lua: Lua;
  beforeAll(async () => {
    lua = await startLua('debian');
  }, 120_000);
  afterAll(() => lua?.stop());

  /** Of each list: whether the quick look was enough, and the fault that is told with it and without it. */
  const look = (lists: readonly string[]) =>
    lua.run(
      `local json, messages = require "core.json", require "core.messages"
       local quick = json.strings
       local out = {}
       for i, list in ipairs(...) do
         local doc = json.open('{"messages":' .. list .. ',"n":1}')
         if doc and doc.kinds.messages == "array" then
           local enough = false
           json.strings = function(...) enough = quick(...) return enough end
           local with = messages.fault(doc, 1e9)
           json.strings = function() return false end
           out[#out + 1] = { enough = enough, list = list, with = with, without = messages.fault(doc, 1e9) }
         end
       end
       json.strings = quick
       return out`,
      lists,
    ) as Promise<{ enough: boolean; list: string; with?: object; without?: object }[]>;

  const message = fc.oneof(
    fc.record({ role: fc.constantFrom('system', 'user', 'assistant', 'tool', 'nobody'), content: fc.string() }),
    fc.record({ content: fc.string({ unit: 'grapheme' }), role: fc.constant('user') }),
    fc.record({
      role: fc.constant('user'),
      content: fc.constantFrom('a\n"b"\t\\', '\u0001', null, 7),
      name: fc.string(),
    }),
    fc.record({ role: fc.constant('user') }),
    fc.jsonValue(),
  );

  it('lets pass only what decoding lets pass, and tells the same faults', async () => {
    const lists = fc
      .tuple(fc.array(message, { maxLength: 4 }), fc.constantFrom(undefined, 1))
      .map(([list, by]) => JSON.stringify(list, null, by));
    const looked = await look(fc.sample(lists, 2000));
    expect(looked.filter(({ enough }) => enough).length).toBeGreaterThan(100);
    for (const one of looked) expect(one.with, one.list).toEqual(one.without);
  });

  it('does so in texts that are broken anywhere', async () => {
    const whole =
      '[{"role":"system","content":"be\\n\\"brief\\""},{"content":"h\\\\","role":"user"},{"role":"assistant","content":""}]';
    const [fine] = await look([whole]);
    expect(fine).toMatchObject({ enough: true });
    const cuts = fc.tuple(
      fc.nat(whole.length),
      fc.nat(3),
      fc.constantFrom('', '"', '\\', '}', '{', ']', '[', ',', ':', '0', 'u', ' ', 'role'),
    );
    const looked = await look(
      fc.sample(cuts, 4000).map(([at, n, put]) => whole.slice(0, at) + put + whole.slice(at + n)),
    );
    expect(looked.length).toBeGreaterThan(500);
    for (const one of looked) expect(one.with, one.list).toEqual(one.without);
  });
});
