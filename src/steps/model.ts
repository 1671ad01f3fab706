import type { Action, Step } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import type { Setup } from './setup.js';

async function actions({ model, places }: Setup): Promise<readonly Action[]> {
  const folder: Action = { kind: 'dir', path: `${places.cache}/models`, mode: 0o700 };
  switch (model.source.kind) {
    case 'file':
      return [];
    case 'demo': {
      const make = async (): Promise<Uint8Array> => (await import('../models/demo.js')).demoModel();
      const content = { name: 'a tiny model with random weights', make };
      return [folder, { kind: 'write', path: model.file, mode: 0o600, content }];
    }
    case 'download': {
      const { url, sha256, bytes } = model.source;
      return [folder, { kind: 'fetch', url, sha256, bytes, path: model.file }];
    }
  }
}

async function there({ model }: Setup, world: World): Promise<boolean> {
  if (model.source.kind !== 'download') return (await world.files.stat(model.file)) !== undefined;
  const { verified } = await import('../models/fetch.js');
  return verified(world, { ...model.source, path: model.file });
}

export const model: Step<Setup> = {
  id: 'model.file',
  title: say('The model', '模型'),
  done: there,
  apply: actions,
};
