import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closed } from '../../src/bench/pace.js';
import { random } from '../../src/bench/prompt.js';

const still = { elapsed: 0, sent: 0, inFlight: 0, failedInRow: 0 };

describe('a closed loop', () => {
  it.each([
    ['has room', { concurrency: 2 }, { inFlight: 1, sent: 1 }, { act: 'send' }],
    ['is full', { concurrency: 2 }, { inFlight: 2, sent: 2 }, { act: 'hold' }],
    ['has sent all', { concurrency: 2, requests: 5 }, { sent: 5, inFlight: 1 }, { act: 'stop', why: 'done' }],
    ['has run its time', { concurrency: 2, durationMs: 100 }, { elapsed: 100 }, { act: 'stop', why: 'done' }],
    ['has time left', { concurrency: 2, durationMs: 100 }, { elapsed: 99.9 }, { act: 'send' }],
    ['failed too often', { concurrency: 2, giveUpAfter: 3 }, { failedInRow: 3 }, { act: 'stop', why: 'gave_up' }],
    ['failed less often', { concurrency: 2, giveUpAfter: 3 }, { failedInRow: 2 }, { act: 'send' }],
  ])('that %s', (_, plan, moment, wanted) => {
    expect(closed(plan)({ ...still, ...moment })).toEqual(wanted);
  });

  it('keeps so many in flight, never more, and sends so many', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer(),
        (concurrency, requests, seed) => {
          const next = random(seed);
          const pacer = closed({ concurrency, requests });
          const ends: number[] = [];
          let elapsed = 0;
          let sent = 0;
          for (;;) {
            const { act } = pacer({ elapsed, sent, inFlight: ends.length, failedInRow: 0 });
            if (act === 'stop') break;
            if (act === 'send') {
              sent += 1;
              ends.push(elapsed + 1 + next() * 50);
              continue;
            }
            expect(ends.length).toBe(concurrency);
            ends.sort((a, b) => a - b);
            elapsed = ends.shift()!;
          }
          expect(sent).toBe(requests);
          expect(ends.length).toBeLessThanOrEqual(concurrency);
        },
      ),
    );
  });
});
