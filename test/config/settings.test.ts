import { expect, test } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { withPaths, wrongWith } from '../../src/config/paths.js';
import * as is from '../../src/config/schema.js';
import { settingsOf } from '../../src/config/settings.js';
import { say } from '../../src/say.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';

const model = (
  file: string,
  world: FakeWorld,
  overrides: Parameters<typeof settingsOf>[2] = [],
): Promise<Config['model']> => settingsOf(world, file, overrides).then(({ config }) => config.model);

async function worldWith(files: Readonly<Record<string, string>>): Promise<FakeWorld> {
  const world = fakeWorld();
  for (const path of ['/work/conf', '/models']) await world.files.makeDir(path);
  for (const [path, content] of Object.entries(files)) await world.files.write(path, content);
  return world;
}

test('without a file there are the defaults, and no YAML is read', async () => {
  const { config, given } = await settingsOf(fakeWorld(), undefined, []);
  expect([config.name, given.size]).toEqual(['default', 0]);
});

test('a path of the file starts at its folder, one of a flag at ours', async () => {
  const world = await worldWith({
    '/work/conf/d.yaml': 'version: 1\nmodel: {file: a.gguf}\n',
    '/work/conf/a.gguf': 'x',
    '/work/b.gguf': 'x',
  });
  expect((await model('conf/d.yaml', world)).file).toBe('/work/conf/a.gguf');
  expect(
    (await model('conf/d.yaml', world, [{ path: 'model.file', value: 'b.gguf', flag: '--model-file' }])).file,
  ).toBe('/work/b.gguf');
});

test('a file that must be there and is not is a problem of its line, or of its flag', async () => {
  const world = await worldWith({ '/work/d.yaml': 'version: 1\nmodel:\n  file: no.gguf\n' });
  await expect(settingsOf(world, 'd.yaml', [])).rejects.toMatchObject({
    id: 'config.invalid',
    details: [{ en: 'd.yaml:3:3 model.file: there is no file /work/no.gguf' }],
  });
  await expect(
    settingsOf(world, undefined, [{ path: 'model.file', value: '/models', flag: '--model-file' }]),
  ).rejects.toMatchObject({
    details: [{ en: '--model-file: /models is a folder; a file is needed' }],
  });
});

test('a configuration that is not there is said to be missing', async () => {
  await expect(settingsOf(fakeWorld(), 'none.yaml', [])).rejects.toMatchObject({ id: 'config.missing', exit: 'usage' });
});

test('a secret that others may read is refused, with the cure', async () => {
  const world = await worldWith({ '/work/key': 'x' });
  const key = is.secretFile({ says: say('Key', '密钥') });
  expect(await wrongWith(world, key, '/work/key')).toBeUndefined();
  await world.files.chmod('/work/key', 0o640);
  expect((await wrongWith(world, key, '/work/key'))?.en).toMatch(/type: chmod 600 \/work\/key$/);
  expect(await wrongWith(world, is.path({ says: key.says }), '/work/key')).toBeUndefined();
});

test('paths are found in lists, maps and optional sections too', () => {
  const says = say('It', '它');
  const key = is.secretFile({ says });
  const keys = { regexp: '.', means: says };
  const node = is.object(
    {
      many: is.list(key, { says }),
      named: is.map(key, { says, keys }),
      tls: is.object({ key }, { says, optional: true }),
      n: is.integer({ says }),
    },
    { says },
  );
  const seen: string[] = [];
  const replace = (_: is.PathNode, value: string, path: string): string => `${seen.push(path)}${value}`;
  expect(withPaths(node, { many: ['a', 'b'], named: { x: 'c' }, tls: undefined, n: 1 }, '', replace)).toEqual({
    many: ['1a', '2b'],
    named: { x: '3c' },
    tls: undefined,
    n: 1,
  });
  expect(seen).toEqual(['many.0', 'many.1', 'named.x']);
});
