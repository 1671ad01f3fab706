/** What a bundle for one machine must have, and which of it that machine takes. */

import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { engineIn, ggufIn, lackingLocal, packagesHere } from '../../src/bundle/here.js';
import { format, type Manifest } from '../../src/bundle/manifest.js';
import type { Bundle } from '../../src/bundle/open.js';
import { load, merge } from '../../src/config/load.js';
import { readRuntimeBuilds, runtimeFiles } from '../../src/engines/runtime.js';
import { findModel } from '../../src/models/find.js';
import { fakeWorld } from '../world/fake.js';

const [build] = readRuntimeBuilds(readFileSync('templates/engine/runtime.json', 'utf8'));
const gguf = findModel('deepseek-r1-distill-qwen-1.5b').gguf[0]!;

const whole: Manifest = {
  ...{ kind: 'deepseek-deploy bundle', format, createdAt: '', target: 'local', images: [] },
  systems: [
    {
      id: 'debian12-amd64',
      packages: ['nginx', 'libnginx-mod-http-lua', 'lua-cjson'].map((name) => ({ name, version: '1' })),
    },
  ],
  weights: [{ id: 'deepseek-r1-distill-qwen-1.5b', form: 'gguf', from: '', files: [{ ...gguf, path: gguf.file }] }],
  files: [
    { path: 'packages/debian12-amd64/Packages', bytes: 1, sha256: 'a'.repeat(64) },
    { path: `engine/linux-x64-${build!.version}.tgz`, bytes: 3, sha256: 'b'.repeat(64) },
  ],
};
const bundleOf = (more: Partial<Manifest> = {}): Bundle => ({
  ...{ path: '/media/a b/x.bundle', key: '', manifest: { ...whole, ...more } },
  content: ({ bytes, sha256 }) => ({
    ...{ bytes, sha256 },
    async *chunks() {
      yield Buffer.from('t');
      yield Buffer.from('gz');
    },
  }),
});
const lacks = async (yaml: string, more: Partial<Manifest> = {}): Promise<string[]> => {
  const { config } = merge(await load(`version: 1\n${yaml}`, 'deepseek.yaml'), []);
  return lackingLocal(bundleOf(more), config).map(({ en }) => en);
};

describe('held against a configuration', () => {
  it.each(['', 'model: {id: deepseek-r1-distill-qwen-1.5b}', 'model: {id: demo}'])('%j: it has all', async (yaml) => {
    expect(await lacks(yaml)).toEqual([]);
  });

  it('each thing that is missing is named', async () => {
    expect(await lacks('model: {id: deepseek-r1-distill-qwen-1.5b, quantisation: Q8_0}')).toEqual([
      'the model DeepSeek-R1-Distill-Qwen-1.5B-Q8_0.gguf',
    ]);
    const [{ id, packages }] = whole.systems as [Manifest['systems'][number]];
    const less = { systems: [{ id, packages: packages.slice(1) }], weights: [], files: whole.files.slice(0, 1) };
    expect(await lacks('', less)).toEqual(['nginx', 'the engine', `the model ${gguf.file}`]);
    expect(await lacks('model: {id: demo}', { systems: [] })).toEqual(['packages: nginx with its Lua module']);
  });
});

test('the model lies beside it, wherever that is; another hash is another file', () => {
  const at = 'file:///media/a%20b/x.bundle.weights/deepseek-r1-distill-qwen-1.5b/';
  expect(ggufIn(bundleOf(), gguf)).toBe(`${at}${gguf.file}`);
  expect(ggufIn(bundleOf(), { sha256: 'c'.repeat(64) })).toBeUndefined();
});

test('the engine is handed to npm as it was packed, and its pinned hash stays', async () => {
  const made = engineIn(bundleOf(), build!)!;
  expect(Buffer.from(await made.make()).toString()).toBe('tgz');
  expect(engineIn(bundleOf({ files: [] }), build!)).toBeUndefined();
  const { packageJson, lock } = runtimeFiles(build!, true);
  const file = `file:linux-x64-${build!.version}.tgz`;
  expect(JSON.parse(packageJson).dependencies).toEqual({ [build!.package]: file });
  expect(JSON.parse(lock).packages[`node_modules/${build!.package}`]).toMatchObject({
    ...{ resolved: file, integrity: build!.integrity },
  });
});

test.each([
  ['ID=debian\nVERSION_ID="12"\n', ['packages/Packages']],
  ['ID=ubuntu\nVERSION_ID="24.04"\n', []],
  ['ID=alpine\nVERSION_ID=3.22\n', []],
])('%j: packages of its own system', async (release, paths) => {
  const world = fakeWorld({
    commands: [
      [/os-release/, { stdout: release }],
      [/uname/, { stdout: 'Linux 6.1.0 x86_64\n' }],
    ],
  });
  expect((await packagesHere(bundleOf(), world)).map(({ path }) => path)).toEqual(paths);
});
