import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fold, type Summary } from '../../src/bench/fold.js';
import { meets, metrics } from '../../src/bench/metrics.js';
import { rates } from '../../src/bench/rates.js';
import type { Sample, Slo } from '../../src/bench/record.js';
import { sample, settings } from './samples.js';

function fold(samples: readonly Sample[], slo: readonly Slo[] = []): Summary {
  const folded = new Fold();
  folded.add({ kind: 'run', version: 1, startedAt: '2026-11-24T00:00:00.000Z', settings: { ...settings, slo } });
  for (const one of samples) folded.add(one);
  return folded.summary();
}

const values = (id: string, one: Sample): readonly number[] => metrics.find((metric) => metric.id === id)!.values(one);

describe('one answer', () => {
  const answer = sample({ chunks: [100_000, 10_000, 30_000], tokens: 5, prompt: 7 });

  it.each([
    ['ttft', [100]],
    ['itl', [10, 30]],
    ['e2e', [140]],
    // 40 ms for the four tokens after the first; an event may hold several.
    ['tpot', [10]],
    ['promptTokens', [7]],
    ['outputTokens', [5]],
  ])('%s', (id, wanted) => {
    expect(values(id, answer)).toEqual(wanted);
  });

  it.each([
    ['of one token has no TPOT', 'tpot', sample({ chunks: [5000], tokens: 1 }), []],
    ['whose tokens nobody counted has no TPOT', 'tpot', sample({ chunks: [5000, 1] }), []],
    ['without text has no TTFT', 'ttft', sample({ chunks: [], tokens: 3 }), []],
    ['without text has no TPOT', 'tpot', sample({ chunks: [], tokens: 3 }), []],
    ['without text lasted to its end', 'e2e', sample({ chunks: [], end: 33 }), [33]],
    ['that came in one event took no time per token', 'tpot', sample({ chunks: [5000], tokens: 4 }), [0]],
  ])('%s', (_, id, one, wanted) => {
    expect(values(id, one)).toEqual(wanted);
  });

  it.each([
    ['within', { metric: 'ttft', ms: 100 }, answer, true],
    ['without', { metric: 'ttft', ms: 99 }, answer, false],
    ['too slow a token', { metric: 'tpot', ms: 9.9 }, answer, false],
    ['too long', { metric: 'e2e', ms: 139 }, answer, false],
    ['one token, no gap to judge', { metric: 'tpot', ms: 1 }, sample({ chunks: [1], tokens: 1 }), true],
    ['nobody counted', { metric: 'tpot', ms: 1 }, sample({ chunks: [1] }), false],
    ['no text at all', { metric: 'ttft', ms: 1000 }, sample({ chunks: [] }), false],
  ] as const)('and a service level: %s', (_, slo, one, wanted) => {
    expect(meets(one, [slo])).toBe(wanted);
  });
});

describe('a run', () => {
  it('counts each request once, warm-up and what we cut apart', () => {
    const { totals, causes, span } = fold([
      sample({ n: 0, at: 0, warm: true, chunks: [9e9], tokens: 100 }),
      sample({ n: 1, at: 5, warm: true, failure: { cause: 'reset', detail: 'x' } }),
      sample({ n: 2, at: 100, end: 50, tokens: 2, prompt: 3, cached: 1 }),
      sample({ n: 3, at: 100, end: 80, failure: { cause: 'http.503', detail: 'first' } }),
      sample({ n: 4, at: 150, end: 20, failure: { cause: 'http.503', detail: 'second' } }),
      sample({ n: 5, at: 160, end: 40 }),
      sample({ n: 6, at: 170, end: 999, cut: true }),
    ]);
    expect(totals).toMatchObject({ good: 2, failed: 2, cut: 1, warm: 2, warmFailed: 1, noUsage: 1 });
    expect(totals).toMatchObject({ outputTokens: 2, promptTokens: 3, cachedTokens: 1 });
    expect([...causes]).toEqual([['http.503', { count: 2, detail: 'first' }]]);
    expect(span).toBe(100);
  });

  it('of 2 at a time: rates over the whole, and the tail told apart', () => {
    // a and b from 0; c follows a at 100; b ends at 150: from there on one is in flight, until c ends at 200.
    const run = [
      sample({ at: 0, end: 100, tokens: 10, prompt: 5 }),
      sample({ at: 0, end: 150, tokens: 10, prompt: 5 }),
      sample({ at: 100, end: 100, tokens: 10, prompt: 5 }),
    ];
    const summary = fold(run, [{ metric: 'ttft', ms: 10 }]);
    expect(summary.span).toBe(200);
    expect(summary.tail).toBe(50);
    const rate = (id: string) => rates.find((one) => one.id === id)!.of(summary);
    expect(rate('requestsPerSecond')).toBe(15);
    expect(rate('outputTokensPerSecond')).toBe(150);
    expect(rate('totalTokensPerSecond')).toBe(225);
    expect(rate('goodput')).toBe(15);
    expect(rate('concurrency')).toBe(1.75);
  });

  it('says nothing of tokens that nobody counted, nor of goodput that nobody asked for', () => {
    const summary = fold([sample({})]);
    expect(rates.map(({ id, of }) => [id, of(summary) !== undefined])).toEqual([
      ['requestsPerSecond', true],
      ['outputTokensPerSecond', false],
      ['totalTokensPerSecond', false],
      ['goodput', false],
      ['concurrency', true],
    ]);
  });

  it('of nothing has no figures', () => {
    const summary = fold([]);
    expect(summary.span).toBe(0);
    expect(summary.tail).toBe(0);
    for (const { of } of rates) expect(of(summary)).toBeUndefined();
  });

  it('is the same whatever order the requests ended in', () => {
    const one = fc
      .record({
        at: fc.integer({ min: 0, max: 1000 }),
        chunks: fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 6 }),
        tokens: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
        failed: fc.boolean(),
      })
      .map(({ at, chunks, tokens, failed }) =>
        sample({
          ...{ at, chunks },
          ...(tokens === undefined ? {} : { tokens }),
          ...(failed ? { failure: { cause: 'reset' as const, detail: '' } } : {}),
        }),
      );
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 40 }), (samples) => {
        const there = fold(samples);
        const back = fold([...samples].reverse());
        expect(back.totals).toEqual({ ...there.totals, busy: expect.closeTo(there.totals.busy, 6) });
        expect([back.span, back.tail]).toEqual([there.span, there.tail]);
        expect(there.tail).toBeLessThanOrEqual(there.span);
        const all = samples.filter((each) => !each.failure).flatMap((each) => values('itl', each));
        expect(there.spreads.get('itl')!.n).toBe(all.length);
        if (all.length > 0) expect(there.spreads.get('itl')!.max).toBe(Math.max(...all));
        expect(there.totals.good + there.totals.failed).toBe(samples.length);
      }),
    );
  });
});
