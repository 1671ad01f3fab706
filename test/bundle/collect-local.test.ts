/** The engine's library from npm: only what has the pinned hash is taken, whoever put it there. */
import { expect, it } from 'vitest';
import { collectEngine } from '../../src/bundle/collect-local.js';
import { Contents } from '../../src/bundle/contents.js';
import { readRuntimeBuilds, runtimeBuildsFile, tarball } from '../../src/engines/runtime.js';
import { localFiles } from '../../src/hosts/files.js';
import { fakeWorld } from '../world/fake.js';

const filename = 'node-llama-cpp-linux-x64.tgz';
type Said = { readonly code?: number; readonly stdout?: string; readonly stderr?: string };

/** @param there whether another file stands in the tarball's place already */
async function collected(said: Said, there = false) {
  const world = fakeWorld({ commands: [[/npm.* pack .*--fetch-retries=3/, said]] });
  const file = runtimeBuildsFile(world.places);
  const text = await localFiles.read('templates/engine/runtime.json');
  await world.files.makeDir(file.slice(0, file.lastIndexOf('/')));
  await world.files.write(file, text);
  const build = readRuntimeBuilds(text).find(({ platform, arch }) => platform === 'linux' && arch === 'x64')!;
  const folder = `${world.places.cache}/bundle/engine`;
  await world.files.makeDir(folder);
  if (there) await world.files.write(`${folder}/${tarball(build)}`, 'cut');
  await world.files.write(`${folder}/${filename}`, 'other');
  const contents = new Contents();
  const error = await collectEngine('amd64', contents, world).catch((thrown) => thrown);
  expect(contents.files).toEqual([]);
  return error;
}

it.each([false, true])('a tarball with another hash is refused; one was there already: %s', async (there) => {
  expect(await collected({ stdout: JSON.stringify([{ filename }]) }, there)).toMatchObject({
    id: 'bundle.engine',
    exit: 'network',
    message: expect.stringMatching(/^@node-llama-cpp\/linux-x64@\S+ came with another content/),
    hint: { en: expect.stringContaining('npm cache clean --force') },
  });
});

it.each([
  ['there is no npm', { code: 127 }, 'unready', 'npm was not found.', 'comes with Node.js'],
  [
    'no network',
    { code: 1, stderr: 'npm error code ENOTFOUND' },
    'network',
    'Could not download',
    'npm config set proxy',
  ],
  ['a mirror lags behind', { code: 1, stderr: 'npm error code E404' }, 'network', 'has no', 'A mirror may lag'],
])('%s: it says so, and what to type', async (_, said, exit, message, hint) => {
  expect(await collected(said)).toMatchObject({
    id: 'bundle.engine',
    exit,
    message: expect.stringContaining(message),
    hint: { en: expect.stringContaining(hint) },
  });
});
