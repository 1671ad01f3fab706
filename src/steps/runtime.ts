import { engineIn } from '../bundle/here.js';
import { installActions, runtimeFor, runtimeReady } from '../engines/runtime.js';
import type { Step } from '../plan/step.js';
import { say } from '../say.js';
import type { Setup } from './setup.js';

export const runtime: Step<Setup> = {
  id: 'engine.runtime',
  title: say('The embedded engine, llama.cpp', '内置引擎 llama.cpp'),
  done: async (_, world) => runtimeReady(world, await runtimeFor(world)),
  async apply({ bundle }, world) {
    const build = await runtimeFor(world);
    return installActions(build, world, bundle && engineIn(bundle, build));
  },
};
