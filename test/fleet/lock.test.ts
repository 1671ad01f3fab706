/** The very script, run by a real shell. */
import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Holder, lockedCluster } from '../../src/fleet/lock.js';
import { remotePlaces } from '../../src/fleet/open.js';
import { localHost } from '../../src/hosts/local.js';
import type { Host, World } from '../../src/world.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/dd-lock-`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The first control plane: this machine's shell, with a folder of the test's own, as whoever runs the test. */
function first(): World {
  const host: Host = {
    ...localHost,
    run: ({ sudo: _, ...command }, options) => {
      const argv = command.argv.map((word) => (word === remotePlaces.home ? folder : word));
      return localHost.run({ ...command, argv: argv as [string] }, options);
    },
  };
  return { ...fakeWorld(), host };
}

const holder = (id: string, more: Partial<Holder> = {}): Holder => ({
  ...{ id, who: 'ops', from: 'laptop', machine: `m-${id}`, home: '/home', what: 'init', since: '2026-11-24T00:00:00Z' },
  ...more,
});

const forever = { sleep: (_: number, signal?: AbortSignal) => ended(signal!) };
const ended = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

function here(): FakeWorld {
  const world = fakeWorld();
  return { ...world, clock: { ...world.clock, ...forever } };
}

const files = (): string[] => readdirSync(folder);

describe('the lock of a cluster', () => {
  it('is there while the work runs, and gone after it', async () => {
    await lockedCluster(holder('a'), first(), here(), async () => expect(files()).toContain('lock'));
    expect(files()).not.toContain('lock');
  });

  it('names who has it', async () => {
    await lockedCluster(holder('a'), first(), here(), async () => {
      await expect(lockedCluster(holder('b'), first(), here(), async () => {})).rejects.toMatchObject({
        id: 'cluster.locked',
        exit: 'busy',
        text: { en: expect.stringMatching(/ops@laptop \(init, 2026.*\), last heard \d+ s ago/) },
      });
      expect(files()).toContain('lock');
    });
  });

  it('of many at once one gets it', async () => {
    let inside = 0;
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c', 'd', 'e'].map((id) =>
        lockedCluster(holder(id), first(), here(), async () => {
          inside += 1;
          expect(inside).toBe(1);
          await new Promise((resolve) => setTimeout(resolve, 300));
          inside -= 1;
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(1);
    expect(outcomes.every((one) => one.status === 'fulfilled' || one.reason.id === 'cluster.locked')).toBe(true);
  });

  it('of a run that was not heard for long is taken over, with words', async () => {
    const world = here();
    await lockedCluster(holder('a'), first(), here(), async () => {
      const old = Date.now() / 1000 - 100;
      utimesSync(`${folder}/lock`, old, old);
      await lockedCluster(holder('b'), first(), world, async () => {});
    });
    expect(world.shown.join()).toMatch(/Took over from ops@laptop \(init, .*\): not heard for 10\d s/);
  });

  it('of a dead run of our own home is taken over at once', async () => {
    const world = here();
    const same = { machine: 'one', home: '/home/u' };
    await lockedCluster(holder('a', same), first(), here(), async () => {
      await lockedCluster(holder('b', same), first(), world, async () => {});
    });
    expect(world.shown.join()).toMatch(/Took over from a run that ended early/);
  });

  it('another’s home on the same machine is not ours to judge', async () => {
    await lockedCluster(holder('a', { machine: 'one', home: '/x' }), first(), here(), async () => {
      const other = lockedCluster(holder('b', { machine: 'one', home: '/y' }), first(), here(), async () => {});
      await expect(other).rejects.toMatchObject({ id: 'cluster.locked' });
    });
  });

  it('taken over by another ends the work that thought to have it', async () => {
    const world = fakeWorld();
    let beat = (): void => {};
    const due = new Promise<void>((resolve) => {
      beat = resolve;
    });
    const sleep = (_: number, signal?: AbortSignal) => Promise.race([due, ended(signal!)]);
    const slow = { ...world, clock: { ...world.clock, sleep } };
    const work = lockedCluster(holder('a'), first(), slow, async (stop) => {
      const old = Date.now() / 1000 - 100;
      utimesSync(`${folder}/lock`, old, old);
      await lockedCluster(holder('b'), first(), here(), async () => {
        beat();
        await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
      });
      throw new Error('stopped');
    });
    await expect(work).rejects.toMatchObject({ id: 'cluster.lock-lost', exit: 'busy' });
  });
});
