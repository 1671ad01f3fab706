/** The arithmetic of the limits, in shared memory and in Redis, against a model of what they mean. */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LimitModel, type ModelBound } from './limit-model.js';
import { type Lua, startLua } from './lua.js';
import { type RedisServer, startRedis } from './redis-servers.js';

type Step = { readonly afterMs: number } & ({ readonly take: number } | { readonly settle: number });

const bound = fc.record<ModelBound>({
  kind: fc.constantFrom('rate', 'rate', 'day', 'open'),
  limit: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 100, max: 1_000_000 })),
});
/** @param most of the limit that a step takes; @param longest ms between two */
const history = (most: number, longest: number, steps: number) => {
  const afterMs = fc.integer({ min: 0, max: longest });
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ afterMs, take: fc.double({ min: 0, max: most, noNaN: true }) }) },
    { weight: 1, arbitrary: fc.record({ afterMs, settle: fc.double({ min: -1, max: 1, noNaN: true }) }) },
  );
  return fc.record({
    bounds: fc.array(bound, { minLength: 1, maxLength: 4 }),
    steps: fc.array(step, { minLength: 1, maxLength: steps }),
  });
};

/** Sparse and large, and so dense that room is asked for. */
const histories = fc.oneof(history(1, 20_000, 30), history(0.002, 20, 150));

interface Call {
  readonly now: number;
  readonly take?: readonly number[];
  readonly settle?: readonly number[];
  readonly member?: string;
}

interface Result {
  readonly taken?: boolean;
  readonly out?: readonly { readonly left: number; readonly wait: number }[];
}

const START = 5_000_000;

/** Whole costs for each bound, and what was taken given back once at the most. */
function callsOf(
  bounds: readonly ModelBound[],
  steps: readonly Step[],
): { calls: Call[]; expected: ReturnType<LimitModel['take']>[] } {
  const model = new LimitModel(bounds);
  const open: { member: string; costs: readonly number[] }[] = [];
  const calls: Call[] = [];
  const expected: ReturnType<LimitModel['take']>[] = [];
  let now = START;
  for (const [index, one] of steps.entries()) {
    now += one.afterMs;
    if ('take' in one) {
      const costs = bounds.map(({ kind, limit }) => (kind === 'open' ? 1 : Math.ceil(one.take * limit)));
      const result = model.take(costs, now);
      calls.push({ now, take: costs, member: `m${index}` });
      expected.push(result);
      if (result.taken) open.push({ member: `m${index}`, costs });
    } else {
      const ended = open.shift();
      if (!ended) continue;
      const more = ended.costs.map((cost, i) => (bounds[i]!.kind === 'open' ? 0 : Math.round(one.settle * cost)));
      model.settle(more, now);
      calls.push({ now, settle: more, member: ended.member });
    }
  }
  return { calls, expected };
}

function agree(results: readonly Result[], expected: readonly ReturnType<LimitModel['take']>[]): void {
  const takes = results.filter(({ taken }) => taken !== undefined);
  expect(takes.map(({ taken }) => taken)).toEqual(expected.map(({ taken }) => taken));
  for (const [i, { states }] of expected.entries()) {
    for (const [j, state] of states.entries()) {
      const seen = takes[i]!.out![j]!;
      expect(seen.left).toBeGreaterThanOrEqual(Math.max(0, Math.floor(state.left - 0.001)));
      expect(seen.left).toBeLessThanOrEqual(Math.max(0, Math.floor(state.left + 0.002)));
      // Told a little late at the most, never early: who waits so long is let in.
      if (state.wait <= 0) expect(seen.wait).toBe(state.wait);
      else expect(seen.wait - state.wait).toSatisfy((late: number) => late > -0.01 && late < 1.01);
    }
  }
}

describe('limits in shared memory', () => {
  let lua: Lua;
  beforeAll(async () => {
    lua = await startLua('debian', ['gateway_limits']);
  }, 60_000);
  afterAll(() => lua?.stop());

  const chunk = `
    local asked = ...
    local limits = require "core.limit_local"
    local plan = require "core.limit_plan"
    if not working then working = true limits.work() end
    local bounds, results = {}, {}
    for i, one in ipairs(asked.bounds) do
      bounds[i] = { kind = one.kind, share = one.limit, key = asked.run .. "." .. i }
    end
    plan.arrange(bounds)
    for i, call in ipairs(asked.calls) do
      if call.take then
        local taken, out = limits.take(bounds, call.take, call.now, "today")
        local told = {}
        for j = 1, #bounds do told[j] = { left = out.left[j], wait = out.wait[j] } end
        results[i] = { taken = taken, out = told }
      else
        limits.settle(bounds, call.settle, call.now, "today")
        results[i] = { settled = true }
      end
    end
    return results`;

  let run = 0;
  it('are what the model says', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ({ bounds, steps }) => {
        const { calls, expected } = callsOf(bounds, steps);
        if (calls.length === 0) return;
        run += 1;
        agree((await lua.run(chunk, { run, bounds, calls })) as Result[], expected);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  // Three of a gateway's workers: each a copy of its own, with the shared memory of all.
  const together = `
    local asked = ...
    local plan = require "core.limit_plan"
    if not workers then
      workers = {}
      for i = 1, 3 do
        package.loaded["core.limit_local"] = nil
        workers[i] = require "core.limit_local"
        workers[i].work()
      end
    end
    local bounds, taken = {}, {}
    for w = 1, 3 do
      bounds[w] = {}
      for i, one in ipairs(asked.bounds) do
        bounds[w][i] = { kind = one.kind, share = one.limit, key = "together." .. asked.run .. "." .. i }
      end
      plan.arrange(bounds[w])
    end
    for i, call in ipairs(asked.calls) do
      local own, limits = bounds[call.worker], workers[call.worker]
      if call.take then
        taken[i] = limits.take(own, call.take, call.now, "today")
      else
        if taken[call.of] then limits.settle(own, call.settle, call.now, "today") end
        taken[i] = false
      end
    end
    return taken`;

  it('let in at another worker at once when what was open at one has ended', async () => {
    run += 1;
    const take = (worker: number) => ({ now: START, worker, take: [1] });
    const end = (worker: number, of: number) => ({ now: START, worker, settle: [0], of });
    const calls = [take(1), take(1), take(2), end(1, 1), take(2), end(1, 2), take(2), take(3)];
    expect(await lua.run(together, { run, bounds: [{ kind: 'open', limit: 2 }], calls })).toEqual([
      ...[true, true, false, false, true, false, true, false],
    ]);
  });

  const busy = fc.record({
    bounds: fc.array(bound, { minLength: 1, maxLength: 3 }),
    steps: fc.array(
      fc.record({
        worker: fc.integer({ min: 1, max: 3 }),
        afterMs: fc.constantFrom(0, 0, 0, 1, 2, 50, 2000),
        take: fc.double({ min: 0, max: 0.01, noNaN: true }),
        times: fc.integer({ min: 1, max: 30 }),
        ends: fc.boolean(),
      }),
      { minLength: 1, maxLength: 25 },
    ),
  });

  it('let in no more over all workers, and little less', async () => {
    let [refused, early] = [0, 0];
    await fc.assert(
      fc.asyncProperty(busy, async ({ bounds, steps }) => {
        run += 1;
        const calls: { now: number; worker: number; take?: number[]; settle?: number[]; of?: number }[] = [];
        let now = START;
        for (const { worker, afterMs, take, times, ends } of steps) {
          now += afterMs;
          for (let i = 0; i < times; i += 1) {
            const costs = bounds.map(({ kind, limit }) => (kind === 'open' ? 1 : Math.ceil(take * limit)));
            calls.push({ now, worker, take: costs });
            // Half of what was reserved was not used.
            const settle = bounds.map(({ kind }, at) => (kind === 'open' ? 0 : -Math.floor(costs[at]! / 2)));
            if (ends) calls.push({ now, worker, settle, of: calls.length });
          }
        }
        const taken = (await lua.run(together, { run, bounds, calls })) as boolean[];
        const model = new LimitModel(bounds);
        for (const [i, { now, take, settle, of }] of calls.entries()) {
          if (settle) {
            if (taken[of! - 1]) model.settle(settle, now);
            continue;
          }
          const room = model.left(now).map((left, at) => left - take![at]!);
          if (taken[i]) {
            expect(room.every((left) => left > -0.002)).toBe(true);
            model.take(take!, now);
          } else {
            refused += 1;
            // Others' room: a 32nd of the limit, and what they were given back.
            const given = steps.some(({ ends }) => ends) ? 0.2 : 1 / 32;
            expect(room.some((left, at) => left < 1 + bounds[at]!.limit * given)).toBe(true);
            if (room.every((left) => left >= 0)) early += 1;
          }
        }
      }),
      { numRuns: 150 },
    );
    // Else nothing was seen.
    expect(refused - early).toBeGreaterThan(100);
    expect(early).toBeLessThan(refused / 10);
  }, 60_000);
});

describe('limits in Redis', () => {
  let redis: RedisServer;
  let lua: Lua;
  let scripts: { readonly take: string; readonly settle: string };
  beforeAll(async () => {
    [redis, lua] = await Promise.all([startRedis(), startLua('debian')]);
    scripts = (await lua.run(`
      local scripts = require "core.limit_scripts"
      return { take = scripts.take.source, settle = scripts.settle.source }`)) as typeof scripts;
  }, 60_000);
  afterAll(async () => {
    await lua?.stop();
    await redis?.stop();
  });

  const evaluate = async (keys: readonly string[], bounds: readonly ModelBound[], call: Call): Promise<Result> => {
    const amounts = (call.take ?? call.settle)!;
    const list = bounds.flatMap(({ kind, limit }, i) => [kind, `${limit}`, `${amounts[i]}`]);
    const words = [`${keys.length}`, ...keys, `${call.now}`, call.member!, '100000000', ...list];
    const reply = (await redis.cli('eval', call.take ? scripts.take : scripts.settle, ...words))
      .split('\n')
      .map(Number);
    if (call.settle) return {};
    const out = bounds.map((_, i) => ({ left: reply[3 * i + 1]!, wait: reply[3 * i + 3]! }));
    return { taken: reply[0] === 1, out };
  };

  let run = 0;
  it('are what the model says', async () => {
    await fc.assert(
      fc.asyncProperty(history(1, 20_000, 30), async ({ bounds, steps }) => {
        const { calls, expected } = callsOf(bounds, steps);
        run += 1;
        const keys = bounds.map((_, i) => `{t${run}}.${i}`);
        const results: Result[] = [];
        for (const call of calls) results.push(await evaluate(keys, bounds, call));
        agree(results, expected);
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('let go of what was leased when it is not renewed', async () => {
    const one: ModelBound[] = [{ kind: 'open', limit: 1 }];
    const at = (now: number, member: string) => evaluate(['{lease}'], one, { now, take: [1], member });
    expect((await at(START, 'a')).taken).toBe(true);
    expect((await at(START + 99_999_999, 'b')).taken).toBe(false);
    expect((await at(START + 100_000_000, 'b')).taken).toBe(true);
  });
});
