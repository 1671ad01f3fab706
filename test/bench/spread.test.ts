import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neededFor, Spread } from '../../src/bench/spread.js';

const of = (values: readonly number[]): Spread => {
  const spread = new Spread();
  for (const value of values) spread.add(value);
  return spread;
};

/** numpy.percentile's definition, written down anew: h = (n - 1) p, linear between its neighbours. */
function byDefinition(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const h = (sorted.length - 1) * p;
  const below = sorted[Math.floor(h)]!;
  const above = sorted[Math.ceil(h)]!;
  return below + (above - below) * (h - Math.floor(h));
}

describe('a spread', () => {
  it('is what its definition says, also when values come between questions', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, p) => {
          const spread = new Spread();
          for (const [at, one] of values.entries()) {
            spread.add(one);
            if (at % 97 === 0) spread.quantile(0.5);
          }
          expect(spread.quantile(p)).toBeCloseTo(byDefinition(values, p), 6);
          expect(spread.n).toBe(values.length);
          expect(spread.mean).toBeCloseTo(values.reduce((a, b) => a + b) / values.length, 6);
          expect(spread.min).toBe(Math.min(...values) || spread.min);
          expect(spread.max).toBe(Math.max(...values) || spread.max);
        },
      ),
    );
  });

  // numpy.percentile([1, 2, 3, 4], [50, 90, 99])
  it.each([
    [0.5, 2.5],
    [0.9, 3.7],
    [0.99, 3.97],
  ])('p%d of 1 to 4 is %d, as numpy has it', (p, wanted) => {
    expect(of([4, 1, 3, 2]).quantile(p)).toBeCloseTo(wanted, 10);
  });

  it('of nothing is no number', () => {
    expect(of([]).quantile(0.5)).toBeNaN();
    expect(of([]).mean).toBeNaN();
  });
});

it.each([
  [0.9, 29],
  [0.95, 59],
  [0.99, 299],
])('p%d needs %i values', (p, wanted) => {
  expect(neededFor(p)).toBe(wanted);
  expect(1 - p ** wanted).toBeGreaterThanOrEqual(0.95);
  expect(1 - p ** (wanted - 1)).toBeLessThan(0.95);
});
