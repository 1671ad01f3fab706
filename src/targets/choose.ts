/** The model of a wish: where its file lies, or shall lie. */
import type { Config } from '../config/config.js';
import { chooseGguf, findModel } from '../models/find.js';
import { fileUrl } from '../models/hub.js';
import type { World } from '../world.js';
import { type Chosen, idOfFile } from './decide.js';

/** What is served when nothing is said: small, and it answers sensibly. */
export const usualModel = 'deepseek-r1-distill-qwen-1.5b';

/** Another generator makes another file. */
const demoFile = 'demo-1.gguf';

/** @throws UserError `model.*`: unknown id, not servable here, not on that hub */
export function chooseModel({ model }: Config, { places, env }: Pick<World, 'places' | 'env'>): Chosen {
  if (model.file !== undefined) return { id: idOfFile(model.file), file: model.file, source: { kind: 'file' } };
  const folder = `${places.cache}/models`;
  const found = findModel(model.id ?? usualModel);
  if (found.family === 'demo') return { id: found.id, file: `${folder}/${demoFile}`, source: { kind: 'demo' } };
  const gguf = chooseGguf(found, model.quantisation);
  const { sha256, bytes } = gguf;
  const url = fileUrl(gguf, model.hub, env);
  return { id: found.id, file: `${folder}/${gguf.file}`, source: { kind: 'download', url, sha256, bytes } };
}
