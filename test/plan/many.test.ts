import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/errors.js';
import { allDone, gate, many } from '../../src/plan/many.js';
import { say } from '../../src/say.js';

const named = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `w-${i}`, i }));
const tick = () => new Promise((resolve) => setTimeout(resolve, 1));
const trouble = (id: string) => new UserError(id, say(`${id} happened`, `发生 ${id}`), { exit: 'unready' });

describe('many', () => {
  it('never more than the limit at once, each once, outcomes in the order of the hosts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 12 }), fc.integer({ min: 1, max: 5 }), async (count, limit) => {
        let inside = 0;
        let most = 0;
        const hosts = named(count);
        const outcomes = await many(hosts, limit, async ({ i }) => {
          inside += 1;
          most = Math.max(most, inside);
          for (let k = 0; k < (i * 7) % 3; k += 1) await Promise.resolve();
          inside -= 1;
          return i * 10;
        });
        expect(most).toBeLessThanOrEqual(limit);
        expect(allDone(outcomes)).toEqual(hosts.map(({ i }) => i * 10));
      }),
      { numRuns: 50 },
    );
  });

  it('finishes the others when one fails, and tells each outcome', async () => {
    const outcomes = await many(named(4), 2, async ({ i }) => {
      await tick();
      if (i === 1) throw trouble('ssh.refused');
      return i;
    });
    expect(outcomes.map(({ state }) => state)).toEqual(['done', 'failed', 'done', 'done']);
    expect(() => allDone(outcomes)).toThrow(expect.objectContaining({ id: 'ssh.refused' }));
  });

  it('begins nothing after the first failure when asked so, and lets those begun finish', async () => {
    const outcomes = await many(
      named(6),
      2,
      async ({ i }) => {
        await tick();
        if (i === 0) throw trouble('ssh.refused');
        return i;
      },
      { stopAtFailure: true },
    );
    expect(outcomes[0]!.state).toBe('failed');
    expect(outcomes[1]!.state).toBe('done');
    expect(outcomes.slice(3).map(({ state }) => state)).toEqual(['skipped', 'skipped', 'skipped']);
  });

  it('begins nothing once we were stopped', async () => {
    const stop = new AbortController();
    const outcomes = await many(named(3), 1, async () => stop.abort(), { signal: stop.signal });
    expect(outcomes.map(({ state }) => state)).toEqual(['done', 'skipped', 'skipped']);
    expect(() => allDone(outcomes)).toThrow(expect.objectContaining({ id: 'interrupted', exit: 'interrupted' }));
  });

  it('shows all failures together, but a bug before everything', async () => {
    const failing = await many(named(3), 3, async ({ i }) => {
      if (i < 2) throw trouble(`ssh.${i}`);
    });
    expect(() => allDone(failing)).toThrow(
      expect.objectContaining({
        id: 'hosts.failed',
        exit: 'unready',
        details: [say('w-0: ssh.0 happened', 'w-0：发生 ssh.0'), say('w-1: ssh.1 happened', 'w-1：发生 ssh.1')],
      }),
    );
    const broken = await many(named(2), 2, async ({ i }) => {
      throw i === 1 ? new TypeError('a bug') : trouble('ssh.0');
    });
    expect(() => allDone(broken)).toThrow(TypeError);
  });
});

describe('gate', () => {
  it('lets in as many as there is room for, in turn, also after a failure', async () => {
    const enter = gate(2);
    let inside = 0;
    let most = 0;
    const order: number[] = [];
    const work = Array.from({ length: 7 }, (_, i) =>
      enter(async () => {
        order.push(i);
        inside += 1;
        most = Math.max(most, inside);
        await tick();
        inside -= 1;
        if (i === 0) throw new Error('no');
      }).catch(() => {}),
    );
    await Promise.all(work);
    expect(most).toBe(2);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});
