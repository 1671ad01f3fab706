/** The bundle that a configuration names: whose it is, what it is for, and whether it was looked at since it changed. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { format, type Manifest } from '../../src/bundle/manifest.js';
import { writeBundle } from '../../src/bundle/write.js';
import { load, merge } from '../../src/config/load.js';
import { bundleOf } from '../../src/fleet/bundle.js';
import { localFiles } from '../../src/hosts/files.js';
import type { World } from '../../src/world.js';
import { sha256 } from '../models/hub-server.js';
import { fakeWorld } from '../world/fake.js';

const folder = mkdtempSync(`${tmpdir()}/dd-bundle-of-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = `${folder}/one.bundle`;
const weights = `${path}.weights/m/model.gguf`;
const fake = fakeWorld();
const world: World = { ...fake, files: localFiles, places: { ...fake.places, home: `${folder}/home` } };
const digest = (text: string): string => sha256(Buffer.from(text));
const manifest: Manifest = {
  ...{ kind: 'deepseek-deploy bundle', format, createdAt: '', target: 'local', systems: [], images: [] },
  weights: [{ id: 'm', form: 'gguf', from: '', files: [{ path: 'model.gguf', bytes: 5, sha256: digest('model') }] }],
  files: [{ path: 'engine/e.tgz', bytes: 6, sha256: digest('engine') }],
};

let key: string;
beforeAll(async () => {
  const contents = new Map([['engine/e.tgz', { text: 'engine' }]]);
  key = (await writeBundle(path, manifest, contents, world, () => {})).key;
  await localFiles.makeDir(`${path}.weights/m`);
  writeFileSync(weights, 'model');
});

async function taken(target: Manifest['target'], signer = key): Promise<string | undefined> {
  const yaml = `version: 1\ntarget: ${target}\nbundle: {file: ${path}, key: ${signer}}`;
  const { config } = merge(await load(yaml, 'deepseek.yaml'), []);
  return (await bundleOf(config, world))?.path;
}

test('made for another target, or signed by somebody else, it is refused', async () => {
  await expect(taken('kubernetes')).rejects.toMatchObject({ id: 'bundle.target', exit: 'usage' });
  await expect(taken('local', `${'A'.repeat(43)}=`)).rejects.toMatchObject({ id: 'bundle.key' });
});

test('it is read whole once, and again when weights beside it or a byte of it changed', async () => {
  expect(await taken('local')).toBe(path);
  const hash = () => Promise.reject(new Error('read again'));
  const { config } = merge(await load(`version: 1\nbundle: {file: ${path}, key: ${key}}`, 'deepseek.yaml'), []);
  await bundleOf(config, { ...world, files: { ...localFiles, hash } });
  writeFileSync(weights, 'MODEL');
  await expect(taken('local')).rejects.toMatchObject({ id: 'bundle.hash' });
  writeFileSync(weights, 'model');
  const bytes = readFileSync(path);
  bytes.write('ENGINE', bytes.lastIndexOf('engine'));
  writeFileSync(path, bytes);
  await expect(taken('local')).rejects.toMatchObject({ id: 'bundle.hash' });
});
