/** The breaker's state machine over a dictionary with a clock of its own, by random histories. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BreakerOptions, breakerOptions } from '../../src/gateway/breaker.js';
import { type Lua, startLua } from './lua.js';

/** What happens, in order. `end` ends the nth request in hand (modulo how many there are) well, badly, or without a verdict. */
type Op =
  | { readonly op: 'wait'; readonly ms: number }
  | { readonly op: 'ask' }
  | { readonly op: 'end'; readonly nth: number; readonly how: 'good' | 'bad' | 'left' };

interface Told {
  readonly now: number;
  readonly state: 'closed' | 'open' | 'half-open';
  /** Until when it is open, ms; 0 when it is closed. */
  readonly till: number;
  readonly let?: 'through' | 'probe' | 'no';
  readonly ended?: 'through' | 'probe';
  readonly probes: number;
}

/** As ngx.shared: values with a life, one step at a time. */
const program = `
local argument = ...
local breaker = require "core.breaker"
local now, values = 1000, {}
local dict = {}
local function alive(key)
  local one = values[key]
  if one and one.ends and one.ends <= now then values[key] = nil return nil end
  return one
end
local function store(key, value, life) values[key] = { value = value, ends = life and life > 0 and now + life * 1000 or nil } end
function dict:get(key) local one = alive(key) return one and one.value end
function dict:set(key, value, life) store(key, value, life) return true end
function dict:add(key, value, life) if alive(key) then return false, "exists" end store(key, value, life) return true end
function dict:delete(key) values[key] = nil end
function dict:incr(key, by, init, life)
  local one = alive(key)
  if not one then store(key, init + by, life) else one.value = one.value + by end
  return values[key].value
end
local one = breaker.new(dict, "x", argument.options)
local hand, told, made = {}, {}, 0
local function probes()
  local n = 0
  for _, request in ipairs(hand) do if request.kind == "probe" then n = n + 1 end end
  return n
end
for i, op in ipairs(argument.ops) do
  local line = {}
  if op.op == "wait" then
    -- As peers' timer does: who probes says so, several times a lease.
    local stop = now + op.ms
    while now < stop do
      now = math.min(stop, now + 500)
      for _, request in ipairs(hand) do if request.kind == "probe" then breaker.renew(one, request.id) end end
    end
  elseif op.op == "ask" then
    made = made + 1
    local state = breaker.state(one, now)
    if state == "closed" then line["let"] = "through"
    elseif state == "half-open" and breaker.take(one, made) then line["let"] = "probe"
    else line["let"] = "no" end
    if line["let"] ~= "no" then hand[#hand + 1] = { id = made, kind = line["let"] } end
  elseif #hand > 0 then
    local request = table.remove(hand, op.nth % #hand + 1)
    line.ended = request.kind
    if request.kind == "probe" then
      if op.how == "good" then breaker.recovered(one, now, request.id)
      elseif op.how == "bad" then breaker.relapsed(one, now, request.id)
      else breaker.release(one, request.id) end
    elseif op.how == "good" then breaker.good(one, now)
    elseif op.how == "bad" then breaker.bad(one, now) end
  end
  line.now, line.state, line.till, line.probes = now, breaker.state(one, now), breaker.open_until(one) or 0, probes()
  told[i] = line
end
return told`;

const options: BreakerOptions = breakerOptions({ windowS: 10, minimum: 4, rate: 0.5, openS: 2, longestS: 10 });

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 4000 }) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('ask' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('end' as const),
      nth: fc.nat(20),
      how: fc.constantFrom<'good' | 'bad' | 'left'>('good', 'bad', 'bad', 'left'),
    }),
  },
);

const asked = (how: 'good' | 'bad'): Op[] => [{ op: 'ask' }, { op: 'end', nth: 0, how }];

describe('the breaker', () => {
  let lua: Lua;
  beforeAll(async () => {
    lua = await startLua('debian');
  }, 60_000);
  afterAll(() => lua.stop());
  const run = async (ops: readonly Op[]) => (await lua.run(program, { options, ops })) as readonly Told[];

  /** What must hold after each step, told from the step before it. */
  function judge(ops: readonly Op[], told: readonly Told[]): void {
    let recent: { at: number; bad: boolean }[] = [];
    let failedProbes = 0;
    for (const [i, line] of told.entries()) {
      const one = ops[i]!;
      const before = told[i - 1] ?? { state: 'closed', till: 0, probes: 0, now: 1000 };
      expect(line.probes).toBeLessThanOrEqual(1);
      if (one.op === 'ask') {
        if (before.state === 'closed') expect(line.let).toBe('through');
        if (before.state === 'open') expect(line.let).toBe('no');
        if (before.state === 'half-open') expect(line.let).toBe(before.probes === 0 ? 'probe' : 'no');
      }
      if (one.op !== 'end' || line.ended === undefined) {
        // Time alone ends the open state and nothing else.
        expect(line.till).toBe(before.till);
        continue;
      }
      if (line.ended === 'probe') {
        if (one.how === 'good') {
          expect(line.state).toBe('closed');
          recent = [];
        }
        if (one.how === 'bad') {
          failedProbes += 1;
          expect(line.till - line.now).toBe(Math.min(10_000, 2000 * 2 ** failedProbes));
        }
        if (one.how === 'left') expect(line.till).toBe(before.till);
      } else if (before.till > 0) {
        // Requests of before do not count while it is open.
        expect(line.till).toBe(before.till);
        if (one.how === 'good') recent.push({ at: line.now, bad: false });
      } else {
        if (one.how !== 'left') recent.push({ at: line.now, bad: one.how === 'bad' });
        // A slice is a second: what is between 9 and 10 s old may count or not.
        const within = (ms: number) => recent.filter(({ at }) => at > line.now - ms);
        if (line.till > 0) {
          failedProbes = 0;
          expect(line.till - line.now).toBe(2000);
          expect(one.how).toBe('bad');
          expect(within(10_000).length).toBeGreaterThanOrEqual(options.minimum);
          expect(within(10_000).some(({ bad }) => bad)).toBe(true);
        }
        const sure = within(9000);
        const failed = sure.filter(({ bad }) => bad).length;
        const doubtful = within(10_000).length - sure.length;
        if (one.how === 'bad' && sure.length >= options.minimum && failed >= 0.5 * (sure.length + doubtful)) {
          expect(line.till).toBeGreaterThan(0);
        }
      }
    }
  }

  it('keeps its promises through any history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(op, { minLength: 20, maxLength: 120 }), async (ops) => judge(ops, await run(ops))),
      { numRuns: 150 },
    );
  }, 60_000);

  it('opens at the rate and not before the minimum', async () => {
    const few = await run([...asked('bad'), ...asked('bad'), ...asked('bad')]);
    expect(few.at(-1)!.state).toBe('closed');
    const enough = await run([...asked('good'), ...asked('good'), ...asked('bad'), ...asked('bad')]);
    expect(enough.at(-1)!.state).toBe('open');
    const rare = await run([
      ...Array.from({ length: 9 }, () => asked('good')).flat(),
      ...asked('bad'),
      ...asked('bad'),
    ]);
    expect(rare.at(-1)!.state).toBe('closed');
  });

  it('forgets what is older than its window', async () => {
    const told = await run([
      ...asked('bad'),
      ...asked('bad'),
      ...asked('bad'),
      { op: 'wait', ms: 11_000 },
      ...asked('bad'),
    ]);
    expect(told.at(-1)!.state).toBe('closed');
  });

  it('lets another probe through when the first left without a verdict', async () => {
    const trip = Array.from({ length: 4 }, () => asked('bad')).flat();
    const told = await run([
      ...trip,
      { op: 'wait', ms: 2000 },
      { op: 'ask' },
      { op: 'ask' },
      { op: 'end', nth: 0, how: 'left' },
      { op: 'ask' },
    ]);
    expect(told.slice(-4).map((line) => line.let)).toEqual(['probe', 'no', undefined, 'probe']);
  });
});
