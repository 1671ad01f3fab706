import { expect, it } from 'vitest';
import { locked } from '../../src/plan/lock.js';
import { fakeWorld } from '../world/fake.js';

it('keeps a second one out while the first is at work, and says who it is', async () => {
  const world = fakeWorld();
  await locked(world, 'init', async () => {
    await expect(locked(world, 'down', async () => {})).rejects.toMatchObject({ id: 'lock.held', exit: 'busy' });
    await expect(locked(world, 'down', async () => {})).rejects.toThrow(/init, pid 1/);
  });
  await locked(world, 'down', async () => {});
  expect(await world.files.list(world.places.home)).toEqual([]);
});

it.each([
  ['a holder that died', JSON.stringify({ pid: 77, identity: 'boot:77', since: '', what: 'init' })],
  [
    'a pid that another process has now',
    JSON.stringify({ pid: 1, identity: 'earlier-boot:1', since: '', what: 'init' }),
  ],
  ['a lock cut short by a power failure', '{"pid":'],
])('takes over from %s', async (_, left) => {
  const world = fakeWorld();
  await world.files.makeDir(world.places.home);
  await world.files.write(`${world.places.home}/lock`, left);
  expect(await locked(world, 'init', async () => 'done')).toBe('done');
});

it('is released when the work fails', async () => {
  const world = fakeWorld();
  await expect(locked(world, 'init', async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await locked(world, 'init', async () => 'again')).toBe('again');
});
