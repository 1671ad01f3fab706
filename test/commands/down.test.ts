/** `down --purge` and the audit log: it stays, unless that is asked for and said yes to. */
import { expect, it } from 'vitest';
import { auditFolder, gatewayDirectory } from '../../src/gateway/files.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';
import { deployed, type } from './typed.js';

async function recorded(): Promise<{ world: FakeWorld; ledger: string }> {
  const world = fakeWorld();
  await deployed(world, 'http://127.0.0.1:1', 'key');
  const folder = auditFolder(gatewayDirectory(world.places.home));
  await world.files.makeDir(folder);
  await world.files.write(`${folder}/ledger.ndjson`, '{}\n');
  return { world, ledger: `${folder}/ledger.ndjson` };
}

it('stays, and where it is is told', async () => {
  const { world, ledger } = await recorded();
  const { code, shown } = await type('down --purge --yes', world);
  expect([code, [...world.disk.keys()]]).toEqual([0, [ledger]]);
  expect(shown.join('\n')).toContain(`The audit log stays: ${ledger.replace('/ledger.ndjson', '')}`);
  expect(JSON.parse((await type('down --purge --yes --json', world)).out)).toMatchObject({
    removed: [],
    left: [],
    auditLog: ledger.replace('/ledger.ndjson', ''),
  });
});

it('is still read afterwards', async () => {
  const { world } = await recorded();
  const { home } = world.places;
  await world.files.write(`${home}/gateway/secrets.json`, '{"auditSecret":"s","pepper":"p"}');
  await world.files.remove(`${auditFolder(gatewayDirectory(home))}/ledger.ndjson`);
  await world.files.write(`${auditFolder(gatewayDirectory(home))}/pruned.ndjson`, '');
  expect((await type('audit query --json', world)).code).toBe(0);
  expect((await type('down --purge --yes', world)).code).toBe(0);
  expect(await type('audit query --json', world)).toMatchObject({ code: 0, out: '[]\n' });
  expect((await type('down --purge --audit-log --yes', world)).code).toBe(0);
  expect((await type('audit query --json', world)).code).toBe(3);
});

it('goes when it is asked for, and nothing else speaks of it', async () => {
  const { world } = await recorded();
  const { code } = await type('down --purge --audit-log --yes', world);
  expect([code, [...world.disk.keys()]]).toEqual([0, []]);
});

it('wants a yes, and --purge beside it', async () => {
  const { world, ledger } = await recorded();
  const before = [...world.disk.keys()];
  expect((await type('down --audit-log --yes', world)).code).toBe(2);
  expect((await type('down --purge --audit-log', world)).code).toBe(2);
  expect([...world.disk.keys()]).toEqual(before);
  expect(before).toContain(ledger);
});
