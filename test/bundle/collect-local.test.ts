/** The engine's library from npm: only what has the pinned hash is taken, whoever put it there. */
import { expect, it } from 'vitest';
import { collectEngine } from '../../src/bundle/collect-local.js';
import { Contents } from '../../src/bundle/contents.js';
import { readRuntimeBuilds, runtimeBuildsFile, tarball } from '../../src/engines/runtime.js';
import { localFiles } from '../../src/hosts/files.js';
import { fakeWorld } from '../world/fake.js';

it.each([false, true])('a tarball with another hash is refused; one was there already: %s', async (there) => {
  const filename = 'node-llama-cpp-linux-x64.tgz';
  const world = fakeWorld({ commands: [[/npm.* pack/, { stdout: JSON.stringify([{ filename }]) }]] });
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
  await expect(collectEngine('amd64', contents, world)).rejects.toMatchObject({ id: 'bundle.engine', exit: 'network' });
  expect(contents.files).toEqual([]);
});
