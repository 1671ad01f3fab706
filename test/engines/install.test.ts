/** The runtime as it is really installed: by npm, from the registry this machine uses. */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runtimeDir, runtimeFor, runtimeReady } from '../../src/engines/runtime.js';
import { install, testMeans } from '../embedded/runtime.js';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'runtime-'));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}

describe('installing the runtime', () => {
  it('brings the one package this machine can use, which loads', async () => {
    const means = await testMeans(cache);
    const build = await runtimeFor(means);
    const dir = runtimeDir(means.places, build);
    expect(await runtimeReady(means, build)).toBe(false);
    await install(means, build);
    expect(await readdir(join(cache, 'runtime'))).toEqual([dir.split('/').at(-1)]);
    expect(await readdir(join(dir, 'node_modules'))).toEqual(['.package-lock.json', '@node-llama-cpp']);
    expect(await readdir(join(dir, 'node_modules/@node-llama-cpp'))).toHaveLength(1);
    expect(await runtimeReady(means, build)).toBe(true);

    expect(await sizeOf(dir)).toBeLessThan(build.installedMB * 1.1 * 1e6);
  }, 120_000);

  it('is installed once by two homes at once', async () => {
    const one = await testMeans(cache);
    const other = { ...one, places: { ...one.places, home: `${cache}/other` } };
    const build = await runtimeFor(one);
    await Promise.all([install(one, build), install(other, build)]);
    expect(await runtimeReady(one, build)).toBe(true);
    expect(await readdir(join(cache, 'runtime'))).toHaveLength(1);
  }, 120_000);

  it('says so when the registry cannot be reached, and the next try starts anew', async () => {
    const means = await testMeans(cache);
    const build = await runtimeFor(means);
    const host = {
      ...means.host,
      run: (command: Parameters<typeof means.host.run>[0]) =>
        means.host.run(
          command.argv.includes('ci')
            ? { ...command, env: { npm_config_registry: 'http://127.0.0.1:1/', npm_config_cache: cache } }
            : command,
        ),
    };
    const began = performance.now();
    await expect(install({ ...means, host }, build)).rejects.toMatchObject({
      id: 'engine.runtime',
      exit: 'network',
      hint: { en: expect.stringContaining('npm config set registry') },
    });
    expect(performance.now() - began).toBeLessThan(30_000);
    await install(means, build);
    expect(await readdir(join(cache, 'runtime'))).toHaveLength(1);
  }, 60_000);

  it('is not fooled by a package with another content', async () => {
    const means = await testMeans(cache);
    const build = await runtimeFor(means);
    const other = { ...build, integrity: `sha512-${'A'.repeat(86)}==` };
    await expect(install(means, other)).rejects.toMatchObject({
      exit: 'network',
      message: expect.stringContaining('another content'),
    });
  }, 60_000);

  it('is not fooled by a folder that holds no library', async () => {
    const means = await testMeans(cache);
    const build = await runtimeFor(means);
    const dir = runtimeDir(means.places, build);
    const inside = join(dir, 'node_modules/@node-llama-cpp/linux-x64/bins/linux-x64');
    await mkdir(inside, { recursive: true });
    await writeFile(join(inside, 'llama-addon.node'), 'no library');
    expect(await runtimeReady(means, build)).toBe(false);
    await install(means, build);
    expect(await runtimeReady(means, build)).toBe(true);
  }, 60_000);
});
