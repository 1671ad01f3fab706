import { describe, expect, it } from 'vitest';
import { perform } from '../../src/plan/perform.js';
import { purge, purgeable, sweep, useCache } from '../../src/targets/purge.js';
import type { World } from '../../src/world.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';

async function using(world: World): Promise<void> {
  for (const action of useCache(world)) await perform(action, world, () => {});
}

async function deployed(world: FakeWorld): Promise<void> {
  const { home, cache } = world.places;
  for (const folder of [`${home}/gateway/lua`, `${home}/run`, `${cache}/runtime/x`, `${cache}/models`]) {
    await world.files.makeDir(folder);
    await world.files.write(`${folder}/file`, 'x');
  }
  for (const name of ['deployment.json', 'bundle-checked.json', 'bundle-keys'])
    await world.files.write(`${home}/${name}`, '{}');
  await using(world);
}

it('removes all that we made', async () => {
  const world = fakeWorld();
  await deployed(world);
  const what = await purgeable(world, { audit: false });
  await purge(world, what);
  expect(await sweep(world, what)).toEqual([]);
  expect([...world.disk.keys()]).toEqual([]);
  expect([...world.folders.keys()].filter((path) => path.startsWith('/home/u/'))).toEqual([]);
});

it('leaves what is not ours, and says where', async () => {
  const world = fakeWorld();
  await deployed(world);
  await world.files.write(`${world.places.home}/notes.txt`, 'mine');
  const what = await purgeable(world, { audit: false });
  await purge(world, what);
  expect(await sweep(world, what)).toEqual([{ folder: world.places.home, names: ['notes.txt'] }]);
  expect([...world.disk.keys()]).toEqual([`${world.places.home}/notes.txt`]);
});

it('leaves the cache to another home that uses it', async () => {
  const world = fakeWorld();
  await deployed(world);
  const other = { ...world, places: { ...world.places, home: '/home/u/other' } };
  await other.files.makeDir(other.places.home);
  await using(other);
  const what = await purgeable(world, { audit: false });
  expect(what.keptFor).toEqual(['/home/u/other']);
  await purge(world, what);
  expect(world.disk.has(`${world.places.cache}/models/file`)).toBe(true);
  expect((await purgeable(other, { audit: false })).keptFor).toEqual([]);
});

it('finds nothing the second time', async () => {
  const world = fakeWorld();
  await deployed(world);
  await purge(world, await purgeable(world, { audit: false }));
  expect((await purgeable(world, { audit: false })).paths).toEqual([]);
});

describe('an audit log', () => {
  const gateway = (world: World) => `${world.places.home}/gateway`;
  async function recorded(): Promise<FakeWorld> {
    const world = fakeWorld();
    await deployed(world);
    await world.files.makeDir(`${gateway(world)}/audit`);
    await world.files.makeDir(`${gateway(world)}/in-hand`);
    await world.files.write(`${gateway(world)}/audit/ledger.ndjson`, '{}\n');
    await world.files.write(`${gateway(world)}/secrets.json`, '{"pepper":"p","auditSecret":"s","adminKey":"a"}\n');
    return world;
  }

  it('stays, with the one secret it is read with', async () => {
    const world = await recorded();
    const what = await purgeable(world, { audit: false });
    await purge(world, what);
    expect(what.audit).toBe(`${gateway(world)}/audit`);
    expect(await sweep(world, what)).toEqual([]);
    const paths = [`${gateway(world)}/audit/ledger.ndjson`, `${gateway(world)}/secrets.json`];
    expect([...world.disk.keys()].sort()).toEqual(paths);
    expect(await world.files.read(paths[1]!)).toBe('{"auditSecret":"s"}\n');
    expect((await purgeable(world, { audit: false })).paths).toEqual([]);
  });

  it('keeps what a killed gateway still owes it', async () => {
    const world = await recorded();
    await world.files.write(`${gateway(world)}/in-hand/7-ab.list`, 'x');
    await purge(world, await purgeable(world, { audit: false }));
    expect([...world.disk.keys()]).toContain(`${gateway(world)}/in-hand/7-ab.list`);
  });

  it('goes when it is asked for', async () => {
    const world = await recorded();
    await purge(world, await purgeable(world, { audit: true }));
    expect([...world.disk.keys()]).toEqual([]);
  });
});
