/** A bundle on a real disk: written, read, signed, and everything that can be wrong with it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { format, type Manifest, readManifest } from '../../src/bundle/manifest.js';
import { checkBundle, openBundle } from '../../src/bundle/open.js';
import { partsFor } from '../../src/bundle/parts.js';
import { keyFile } from '../../src/bundle/seal.js';
import { trusted } from '../../src/bundle/trust.js';
import { writeBundle } from '../../src/bundle/write.js';
import { localFiles } from '../../src/hosts/files.js';
import type { World } from '../../src/world.js';
import { sha256 } from '../models/hub-server.js';
import { type FakeOptions, fakeWorld } from '../world/fake.js';

const folder = mkdtempSync(`${tmpdir()}/dd-bundle-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const worldOf = (home: string, options: FakeOptions = {}): World => {
  const world = fakeWorld(options);
  return { ...world, files: localFiles, places: { ...world.places, home: `${folder}/${home}` } };
};
const maker = worldOf('maker');

const texts: Readonly<Record<string, string>> = {
  'packages/debian12-amd64/a_1_amd64.deb': 'a deb',
  'packages/debian12-amd64/Packages': 'Package: a\n',
  'packages/ubuntu24.04-amd64/a_1_amd64.deb': 'another',
  'images/blobs/sha256/aa': 'z'.repeat(5000),
  'images.txt': '',
};
const manifest: Manifest = {
  kind: 'deepseek-deploy bundle',
  format,
  createdAt: '2026-11-24T00:00:00.000Z',
  target: 'kubernetes',
  kubernetes: '1.36.4',
  weights: [],
  systems: [{ id: 'debian12-amd64', packages: [{ name: 'a', version: '1' }] }],
  images: [{ name: 'a.example/pause:1', mediaType: '', digest: 'sha256:aa', size: 5000, blobs: ['sha256:aa'] }],
  files: Object.entries(texts).map(([path, text]) => ({
    path,
    bytes: text.length,
    sha256: sha256(Buffer.from(text)),
  })),
};
const contents = new Map(Object.entries(texts).map(([path, text]) => [path, { text }]));

let key: string;
const whole = `${folder}/whole`;
beforeAll(async () => {
  key = (await writeBundle(whole, manifest, contents, maker, () => {})).key;
});

const check = async (path: string): Promise<void> => checkBundle(await openBundle(path, maker), maker, () => {});

async function changed(change: (bytes: Buffer) => Buffer): Promise<string> {
  const path = `${folder}/changed`;
  writeFileSync(path, change(readFileSync(whole)));
  return path;
}

/** Of the same length, in the first place where it is. */
function replaced(bytes: Buffer, from: string, to: string): Buffer {
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  bytes.write(to, at);
  return bytes;
}

describe('what was written', () => {
  it('is read again, each file for itself', async () => {
    const bundle = await openBundle(whole, maker);
    expect(bundle.manifest).toEqual(manifest);
    expect(bundle.key).toBe(key);
    for (const file of manifest.files) {
      const parts: Uint8Array[] = [];
      for await (const chunk of bundle.content(file).chunks()) parts.push(chunk);
      expect(Buffer.concat(parts).toString()).toBe(texts[file.path]);
    }
    await check(whole);
  });

  it('is an archive for everybody', () => {
    const listed = execFileSync('tar', ['-tf', whole], { encoding: 'utf8' }).trim().split('\n');
    expect(listed).toEqual(['manifest.json', 'manifest.sig', ...Object.keys(texts)]);
  });

  it('is signed with a key that is its owner’s alone, and the same the next time', async () => {
    expect(statSync(keyFile(maker.places.home)).mode & 0o777).toBe(0o600);
    expect((await writeBundle(`${folder}/second`, manifest, contents, maker, () => {})).key).toBe(key);
    expect(readFileSync(`${folder}/second`).equals(readFileSync(whole))).toBe(true);
  });

  it('has for each system its own packages, and the rest for all', async () => {
    const parts = partsFor(await openBundle(whole, maker), 'debian12-amd64', { roles: ['worker'], gpu: false });
    expect(parts.map(({ path }) => path)).toEqual([
      'packages/a_1_amd64.deb',
      'packages/Packages',
      'images/blobs/sha256/aa',
      'images.txt',
    ]);
  });
});

describe('what is wrong', () => {
  it.each([
    ['is not there', async () => `${folder}/none`, 'bundle.missing'],
    ['is a folder', async () => folder, 'bundle.missing'],
    ['is empty', () => changed(() => Buffer.alloc(0)), 'bundle.not'],
    ['is some archive', () => changed(() => execFileSync('tar', ['-cf', '-', '-C', folder, 'second'])), 'bundle.not'],
    ['lacks its end', () => changed((bytes) => bytes.subarray(0, -1)), 'bundle.cut'],
    ['has too much', () => changed((bytes) => Buffer.concat([bytes, Buffer.from('x')])), 'bundle.cut'],
    ['is of an older format', () => changed((bytes) => replaced(bytes, '"format":2', '"format":1')), 'bundle.format'],
    ['says another version', () => changed((bytes) => replaced(bytes, '1.36.4', '1.36.5')), 'bundle.signature'],
    ['has no signature', () => changed((bytes) => replaced(bytes, '"signature"', '"signatura"')), 'bundle.unsigned'],
    ['has a file changed', () => changed((bytes) => replaced(bytes, 'a deb', 'A deb')), 'bundle.hash'],
  ])('one that %s', async (_, make, id) => {
    await expect(make().then(check)).rejects.toMatchObject({ name: 'UserError', id });
  });

  it('any cut is told, and any byte of a file that is another', async () => {
    const { size } = statSync(whole);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: size - 1 }), async (length) => {
        const path = await changed((bytes) => bytes.subarray(0, length));
        await expect(check(path)).rejects.toMatchObject({ name: 'UserError' });
      }),
      { numRuns: 60 },
    );
    const at = readFileSync(whole).indexOf('z'.repeat(100));
    await fc.assert(
      fc.asyncProperty(fc.nat(4999), async (offset) => {
        const path = await changed((bytes) => {
          bytes[at + offset] = 0x79;
          return bytes;
        });
        await expect(check(path)).rejects.toMatchObject({ id: 'bundle.hash' });
      }),
      { numRuns: 20 },
    );
  });

  it.each(['../x', '/etc/passwd', 'a//b', 'a/../b', 'a\nb', ''])('a manifest with the path %j is none', (path) => {
    const bad = { ...manifest, files: [{ path, bytes: 1, sha256: 'a'.repeat(64) }] };
    expect(() => readManifest(JSON.stringify(bad), 'x')).toThrow(/is no bundle/);
  });
});

describe('a manifest', () => {
  const one = { path: 'a', bytes: 1, sha256: 'a'.repeat(64) };
  const weights = (id: string, path: string) => [{ id, form: 'gguf', from: '', files: [{ ...one, path }] }];

  test('with weights is one', () => {
    expect(() => readManifest(JSON.stringify({ ...manifest, weights: weights('m', 'a/b') }), 'x')).not.toThrow();
  });
  test.each([
    ['weights of a model named ..', { weights: weights('..', 'a') }],
    ['weights of a model in a folder', { weights: weights('a/b', 'a') }],
    ['weights above their folder', { weights: weights('m', '../a') }],
    ['weights without a hash', { weights: [{ id: 'm', files: [{ ...one, sha256: '' }] }] }],
    ['another target', { target: 'moon' }],
    ['the same file twice', { files: [one, one] }],
  ])('with %s is none', (_, more) => {
    expect(() => readManifest(JSON.stringify({ ...manifest, ...more }), 'x')).toThrow(/is no bundle/);
  });
});

describe('whom to trust', () => {
  const other = `${'A'.repeat(43)}=`;

  test('the key of this home, and the one that is named', async () => {
    const bundle = await openBundle(whole, maker);
    expect((await trusted(bundle, undefined, maker)).en).toBe('made here');
    expect((await trusted(bundle, key, worldOf('elsewhere'))).en).toContain('named');
    await expect(trusted(bundle, other, maker)).rejects.toMatchObject({ id: 'bundle.key', exit: 'unready' });
  });

  test('nobody else, unless somebody says yes; that is remembered', async () => {
    const bundle = await openBundle(whole, maker);
    await expect(trusted(bundle, undefined, worldOf('alone'))).rejects.toMatchObject({
      id: 'bundle.key',
      hint: { en: expect.stringContaining(`--bundle-key ${key}`) },
    });
    const script = worldOf('alone', { interactive: false, answers: { Trust: true } });
    await expect(trusted(bundle, undefined, script)).rejects.toMatchObject({ id: 'bundle.key' });
    const no = worldOf('asked', { interactive: true, answers: { Trust: false } });
    await expect(trusted(bundle, undefined, no)).rejects.toMatchObject({ id: 'bundle.key' });
    await trusted(bundle, undefined, worldOf('asked', { interactive: true, answers: { Trust: true } }));
    expect((await trusted(bundle, undefined, worldOf('asked'))).en).toBe('trusted before');
  });
});
