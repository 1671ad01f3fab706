/**
 * init is killed with -9 wherever a step ends, a worker loses its power in the middle of its join and the control plane in
 * the middle of kubeadm init: what stands at last is what an undisturbed run makes. KILLS=all (npm run test:kills): every
 * boundary; else a few.
 */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Told } from './cli.js';
import { differences, portrait } from './portrait.js';
import { built, type Stage, stage } from './stage.js';

const all = process.env.KILLS === 'all';
const some = /Programs|CRI, control groups|kubelet, kubectl|Every node is ready/;

const boundary = /^✔ (host-\d) {2}(.+?)(?: {2}[\dms. ]+)?$/gm;
const boundaries = (text: string): string[] =>
  [...text.matchAll(boundary)].map(([, host, title]) => `${host} ${title}`);

interface Line {
  readonly host?: string;
  readonly step: string;
  readonly event: string;
}

/** Steps of a host that were begun anew after they had been done. */
function needless(journal: string): string[] {
  const done = new Set<string>();
  const lines = journal
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  return lines.flatMap(({ host, step, event }) => {
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

  it('killed and cut off on the way, ends in the same state', async () => {
    now = await stage(3);
    const { type, machines } = now;
    const seen = new Set<string>();
    const cut = { control: false, worker: false };
    let kills = 0;
    for (;;) {
      let power: 'control' | 'worker' | undefined;
      const told = await type('init --yes', {
        killAt: (text) => {
          const fresh = boundaries(text).filter((one) => !seen.has(one));
          for (const one of fresh) seen.add(one);
          if (!cut.control && fresh.some((one) => /host-1 Images of the control plane/.test(one))) power = 'control';
          if (!cut.worker && fresh.some((one) => /host-1 The first control plane/.test(one))) power = 'worker';
          if (power === undefined) return fresh.some((one) => all || some.test(one));
          if (cut[power]) return false;
          cut[power] = true;
          setTimeout(() => machines[power === 'control' ? 0 : 1]!.cutPower(), power === 'control' ? 4000 : 2500);
          return false;
        },
      });
      if (power !== undefined) {
        expect(told.code, told.text).not.toBe(0);
        const name = machines[power === 'control' ? 0 : 1]!.name;
        expect(told.text).toMatch(new RegExp(`${name} failed|${name} .*the connection broke`));
        console.log(`${name} lost its power: told after ${(told.ms / 1000).toFixed(1)} s`);
        await machines[power === 'control' ? 0 : 1]!.powerOn();
        continue;
      }
      if (told.code === null) {
        kills += 1;
        continue;
      }
      well(told, `the last of ${kills + 1} runs, ${kills} of them killed`);
      break;
    }
    expect(cut).toEqual({ control: true, worker: true });
    expect(kills).toBeGreaterThan(all ? 15 : 2);
    console.log([...seen].join('\n'));
    expect(differences(undisturbed, await portrait(now))).toEqual([]);
    expect(needless(journal())).toEqual([]);
    const again = await type('init --yes');
    expect(again.text).toContain('Nothing to change.');
  }, 1_800_000);
});
