import { expect, it } from 'vitest';
import { hostJournal, journalFile } from '../../src/plan/journal.js';
import { fakeWorld } from '../world/fake.js';

it('entries travel to the host together, and at the end nobody waits for more', async () => {
  const here = fakeWorld();
  const host = fakeWorld();
  for (const { files, places } of [here, host]) await files.makeDir(places.home);
  const signals: AbortSignal[] = [];
  const sleep = (_: number, signal?: AbortSignal): Promise<void> =>
    new Promise((_resolve, reject) => {
      signals.push(signal!);
      signal!.addEventListener('abort', () => reject(signal!.reason));
    });
  const journal = hostJournal('a', host, { ...here, clock: { ...here.clock, sleep } }, 'ops@laptop');
  await journal.add({ step: 'one', event: 'start' });
  await journal.add({ step: 'one', event: 'done' });
  const there = () => host.files.readIfAny(journalFile(host.places.home));
  expect(await there()).toBeUndefined();
  await journal.flush();
  expect(signals).toHaveLength(1);
  expect((await there())?.trim().split('\n')).toHaveLength(2);
});
