/** llama.cpp, installed once for all tests as `init` installs it. */
import { mkdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { installActions, type RuntimeBuild, runtimeDir, runtimeFor, runtimeReady } from '../../src/engines/runtime.js';
import { localFiles } from '../../src/hosts/files.js';
import { localHost } from '../../src/hosts/local.js';
import { systemProcesses } from '../../src/hosts/processes.js';
import { perform } from '../../src/plan/perform.js';
import type { World } from '../../src/world.js';
import { builtEngine } from './built.js';

const cache = process.env.DEEPSEEK_DEPLOY_TEST_CACHE ?? join(homedir(), '.cache/deepseek-deploy-test');

export async function testMeans(cacheFolder = cache) {
  const places = { home: cacheFolder, cache: cacheFolder, package: await builtEngine(), node: process.execPath };
  return { host: localHost, files: localFiles, processes: systemProcesses, places, env: process.env };
}

/** One test process installs, the others wait for it. */
async function locked<T>(work: () => Promise<T>): Promise<T> {
  const lock = join(cache, 'installing');
  await mkdir(cache, { recursive: true });
  for (let waited = 0; ; waited += 200) {
    try {
      await mkdir(lock);
      break;
    } catch {
      // Left behind by a run that was killed.
      if (waited > 60_000) await rm(lock, { recursive: true, force: true });
      await sleep(200);
    }
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** Does what the step `engine.runtime` says. */
export async function install(means: Awaited<ReturnType<typeof testMeans>>, build: RuntimeBuild): Promise<void> {
  const world = { ...means, stop: new AbortController().signal } as unknown as World;
  for (const action of await installActions(build, means)) await perform(action, world, () => {});
}

let installed: Promise<string> | undefined;

/** The runtime's folder. */
export function testRuntime(): Promise<string> {
  installed ??= (async () => {
    const means = await testMeans();
    const build = await runtimeFor(means);
    const dir = runtimeDir(means.places, build);
    if (!(await runtimeReady(means, build))) {
      await locked(async () => ((await runtimeReady(means, build)) ? undefined : install(means, build)));
    }
    return dir;
  })();
  return installed;
}
