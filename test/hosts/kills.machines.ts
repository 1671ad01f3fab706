/**
 * init is killed with -9 wherever a step ends, a worker loses its power in the middle of its join and the control plane in
 * the middle of kubeadm init: what stands at last is what an undisturbed run makes.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Told } from './cli.js';
import { differences, portrait } from './portrait.js';
import { built, type Stage, stage } from './stage.js';

const boundary = /^✔ (host-\d) {2}(.+?)(?: {2}[\dms. ]+)?$/gm;
const boundaries = (text: string): string[] =>
  [...text.matchAll(boundary)].map(([, host, title]) => `${host} ${title}`);

interface Cut {
  readonly host: number;
  /** The boundary that comes before. */
  readonly after: string;
  readonly step: string;
  /** So long in its middle, ms. */
  readonly inMs: number;
}

const cuts: readonly Cut[] = [
  { host: 0, after: 'host-1 Images of the control plane', step: 'kubeadm.init', inMs: 4000 },
  { host: 1, after: 'host-1 The first control plane', step: 'kubeadm.join', inMs: 1500 },
];

interface Line {
  readonly at: string;
  readonly host?: string;
  readonly step: string;
  readonly event: string;
}

const linesOf = (journal: string): Line[] =>
  journal
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** Steps of a host that were begun anew after they had been done. */
function needless(journal: string): string[] {
  const done = new Set<string>();
  return linesOf(journal).flatMap(({ host, step, event }) => {
    const id = `${host} ${step}`;
    if (event === 'done') done.add(id);
    return event === 'start' && done.has(id) ? [id] : [];
  });
}

describe.skipIf(!built)('init over three hosts', () => {
  let now: Stage | undefined;
  let undisturbed: readonly string[];
  afterEach(async () => {
    await now?.close();
    now = undefined;
  });

  const journal = (): string => readFileSync(`${now!.folder}/home/journal.ndjson`, 'utf8');
  const well = (told: Told, what: string): void => {
    console.log(`${what}: ${(told.ms / 1000).toFixed(1)} s`);
    expect(told.code, `${what}:\n${told.text}`).toBe(0);
  };

  it('left alone', async () => {
    now = await stage(3);
    const { type } = now;
    let asked: Promise<Told> | undefined;
    const told = await type('init --yes', {
      killAt: (text) => {
        if (text.includes('✔ host-1  The first control plane')) asked ??= type('doctor --json');
        return false;
      },
    });
    well(told, 'undisturbed');
    const seen = JSON.parse((await asked!).text) as { hosts: { reached: boolean }[]; work: object };
    expect(seen.hosts.every(({ reached }) => reached)).toBe(true);
    expect(seen.work).toMatchObject({ what: 'init', state: 'working' });
    undisturbed = await portrait(now);
    expect(needless(journal())).toEqual([]);
    expect(undisturbed.length).toBeGreaterThan(500);
  }, 900_000);

  /** A run in which a host loses its power in the middle of a step; the host is switched on again after it. */
  async function cutOff({ host, step, inMs }: Cut): Promise<void> {
    const machine = now!.machines[host]!;
    const from = new Date().toISOString();
    const begun = (): boolean =>
      linesOf(journal()).some((one) => one.at > from && one.host === machine.name && one.step === step);
    const run = now!.type('init --yes');
    while (!begun()) await sleep(50);
    await sleep(inMs);
    machine.cutPower();
    const told = await run;
    console.log(`${machine.name} lost its power in ${step}: told after ${(told.ms / 1000).toFixed(1)} s`);
    expect(told.code, told.text).not.toBe(0);
    expect(told.text).toMatch(new RegExp(`${machine.name} (failed|\\(.*(the connection broke|does not answer))`));
    await machine.powerOn();
  }

  it('killed and cut off on the way, ends in the same state', async () => {
    now = await stage(3);
    const seen = new Set<string>();
    const left = new Set(cuts);
    for (let kills = 0; ; kills += 1) {
      const next = [...left].find(({ after }) => seen.has(after));
      if (next) {
        left.delete(next);
        await cutOff(next);
      }
      const told = await now.type('init --yes', {
        killAt: (text) => {
          const fresh = boundaries(text).filter((one) => !seen.has(one));
          for (const one of fresh) seen.add(one);
          return fresh.length > 0;
        },
      });
      if (told.code === null) continue;
      well(told, `after ${kills} kills and two power cuts`);
      console.log([...seen].join('\n'));
      expect(kills).toBeGreaterThan(7);
      break;
    }
    expect(left.size).toBe(0);
    expect(differences(undisturbed, await portrait(now))).toEqual([]);
    expect(needless(journal())).toEqual([]);
    expect((await now.type('init --yes')).text).toContain('Nothing to change.');
  }, 1_800_000);
});
