import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limitWords, ownLimits } from '../../src/gateway/own-limits.js';

describe('limits as people write them', () => {
  it.each([
    [['rpm=60'], { requestsPerMinute: 60 }],
    [['rpm=60,tpm=10k', 'daily=2m'], { requestsPerMinute: 60, tokensPerMinute: 10_000, tokensPerDay: 2_000_000 }],
    [['concurrent=4, rpm=none'], { concurrent: 4, requestsPerMinute: 'none' }],
    [[], undefined],
    [['default'], undefined],
  ])('%j', (words, expected) => {
    expect(ownLimits(words)).toEqual(expected);
  });

  it('lie over what was there, bound by bound', () => {
    const before = { requestsPerMinute: 60, tokensPerMinute: 1000 };
    expect(ownLimits(['rpm=30'], before)).toEqual({ requestsPerMinute: 30, tokensPerMinute: 1000 });
    expect(ownLimits(['rpm=default'], before)).toEqual({ tokensPerMinute: 1000 });
    expect(ownLimits(['default,daily=5'], before)).toEqual({ tokensPerDay: 5 });
    expect(ownLimits(['default'], before)).toBeUndefined();
  });

  it.each([
    '',
    'rpm',
    'rpm=',
    'rpm=0',
    'rpm=-1',
    'rpm=1.5',
    'rpm=1e3',
    'rpd=5',
    '__proto__=1',
    'rpm=5;tpm=5',
    'rpm=9g',
  ])('%j is a usage error', (word) => {
    expect(() => ownLimits([word])).toThrowError(expect.objectContaining({ id: 'limits.words', exit: 'usage' }));
  });

  it('are shown as they may be typed again', () => {
    const bound = fc.option(fc.oneof(fc.integer({ min: 1, max: 5_000_000 }), fc.constant('none' as const)), {
      nil: undefined,
    });
    const own = fc.record({ requestsPerMinute: bound, tokensPerMinute: bound, tokensPerDay: bound, concurrent: bound });
    fc.assert(
      fc.property(own, (all) => {
        const given = Object.fromEntries(Object.entries(all).filter(([, limit]) => limit !== undefined));
        const words = limitWords(given);
        expect(words === '-' ? {} : ownLimits([words])).toEqual(given);
      }),
    );
  });
});
