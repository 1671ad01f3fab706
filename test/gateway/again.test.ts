/** Tables that are used again after a request: emptied, given to one at a time, and held by nobody else. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limitOptions } from '../../src/gateway/limits.js';
import type { BuildName } from './builds.js';
import { type Lua, startLua } from './lua.js';

describe.each<BuildName>(['debian', 'current'])('used again (%s nginx)', (nginx) => {
  let lua: Lua;
  beforeAll(async () => {
    lua = await startLua(nginx, ['gateway_limits', 'gateway_metrics', 'gateway_redis']);
  }, 120_000);
  afterAll(() => lua?.stop());

  it('a request’s table', async () => {
    const told = await lua.run(
      `local request = require "core.request"
       local before = request.open("chat", true)
       before.tenant, before.key = "t", { id = "k" }
       request.close()
       request.recycle(before)
       local one = request.open("models", false)
       local other = request.open("models", false)
       local count = 0
       for _ in pairs(one) do count = count + 1 end
       for _ in pairs(other) do count = count - 1 end
       request.close()
       return { again = one == before, shared = one == other, tenant = one.tenant or "none", more = count }`,
    );
    expect(told).toEqual({ again: true, shared: false, tenant: 'none', more: 0 });
  });

  it('no request answers to the address of a subrequest that is over', async () => {
    const told = await lua.run(
      `local request = require "core.request"
       local req = request.open("chat", true)
       req.part = 1
       request.all()[1] = req
       request.lend(req)
       local gone = request.all()[1] == nil
       request.close()
       return { gone = gone, left = next(request.all()) ~= nil }`,
    );
    expect(told).toEqual({ gone: true, left: false });
  });

  it('a document’s tables, the one as written and the one as sent on', async () => {
    const told = await lua.run(
      `local json, body = require "core.json", require "policies.body"
       local given, sent = json.open '{"model":"a","stream":true}', json.open '{"model":"b","n":2}'
       local req = { doc = sent, given = given, fields = sent.values }
       body.done(req)
       body.done(req)
       body.done {}
       local one, other, third = json.open '{"x":[1]}', json.open '{"stream":{}}', json.open "{}"
       local rest = {}
       for _, doc in ipairs { one, other, third } do
         for _, part in ipairs { "values", "kinds", "from", "to" } do
           for name in pairs(doc[part]) do rest[#rest + 1] = part .. "." .. name end
         end
       end
       table.sort(rest)
       return { doc = req.doc == nil and req.fields == nil, rest = rest, with = json.with(one, "model", "1"),
         again = one == given and other == sent, shared = one == other or other == third }`,
    );
    expect(told).toEqual({
      doc: true,
      rest: ['from.stream', 'from.x', 'kinds.stream', 'kinds.x', 'to.stream', 'to.x'],
      with: '{"model":1,"x":[1]}',
      again: true,
      shared: false,
    });
  });

  it('what a request took of the limits, also one that was refused', async () => {
    const told = await lua.run(
      `local limits = require "policies.limits"
       local settings = { limits = ..., limit_plans = {} }
       local function ask(id)
         local req = { key = { id = id, tenant = id }, fields = {}, body_bytes = 40, route = "chat", stream = true, attempts = 0 }
         local refusal = limits.access(req, settings)
         return req, refusal
       end
       local first = ask "a"
       local taken = first.taken
       taken.events = 7
       limits.done(first)
       limits.done(first)
       local one = ask "b"
       local other, third = ask "b", ask "c"
       local again = one.taken == taken
         local shared = one.taken == other.taken or other.taken == third.taken
       local events = one.taken.events or "none"
       limits.done(one)
       local refused, why = ask "b"
       local last = ask "d"
       return { again = again, shared = shared, events = events,
         why = why and why.status or "none", after = last.taken == taken, forgotten = first.taken == nil }`,
      limitOptions({ key: { requestsPerMinute: 2, tokensPerMinute: 100_000 } }),
    );
    expect(told).toEqual({ again: true, shared: false, events: 'none', why: 429, after: true, forgotten: true });
  });

  it('the collector rests longer where bodies are large, and only there', async () => {
    const told = await lua.run(
      `local collector = require "core.collector"
       collector.work()
       local function after(sizes)
         for _, size in ipairs(sizes) do collector.saw(size) end
         ngx.sleep(1.2)
         return collectgarbage("setpause", 0)
       end
       return { after { 1024, 1024 }, after { 32768, 32768, 1024 }, after { 32768, 1024, 1024, 1024, 1024 }, after {} }`,
    );
    expect(told).toEqual([200, 400, 200, 200]);
  });
});
