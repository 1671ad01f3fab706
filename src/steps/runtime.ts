import {
  installCommand,
  installFailed,
  loadFailed,
  runtimeDir,
  runtimeFiles,
  runtimeFor,
  runtimeProbe,
} from '../engines/runtime.js';
import type { Step } from '../plan/step.js';
import { say } from '../say.js';
import type { Setup } from './setup.js';

export const runtime: Step<Setup> = {
  id: 'engine.runtime',
  title: say('The embedded engine, llama.cpp', '内置引擎 llama.cpp'),
  // The folder is moved to its place only after its library has been loaded.
  done: async ({ places }, world) =>
    (await world.files.stat(runtimeDir(places, await runtimeFor(world)))) !== undefined,
  async apply({ places }, world) {
    const build = await runtimeFor(world);
    const dir = runtimeDir(places, build);
    const draft = `${dir}.part`;
    const { packageJson, lock } = runtimeFiles(build);
    return [
      { kind: 'remove', path: draft },
      { kind: 'dir', path: draft, mode: 0o700 },
      { kind: 'write', path: `${draft}/package.json`, mode: 0o600, content: packageJson },
      { kind: 'write', path: `${draft}/package-lock.json`, mode: 0o600, content: lock },
      {
        kind: 'run',
        command: installCommand(draft, places, world.env),
        failed: (result) => installFailed(result, build),
      },
      { kind: 'run', command: runtimeProbe(draft, places), failed: loadFailed },
      { kind: 'move', from: draft, to: dir },
    ];
  },
};
