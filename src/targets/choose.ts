/** The model of a wish: where its file lies, or shall lie. */
import { ggufIn } from '../bundle/here.js';
import type { Bundle } from '../bundle/open.js';
import type { Config } from '../config/config.js';
import { chooseGguf, findModel } from '../models/find.js';
import { fileUrl } from '../models/hub.js';
import { nameOf } from '../models/name.js';
import type { World } from '../world.js';
import type { Chosen } from './decide.js';

/** Another generator makes another file. */
const demoFile = 'demo-1.gguf';

/**
 * @param bundle what is installed from, in place of a hub
 * @throws UserError `model.*`: unknown id, not servable here, not on that hub
 */
export function chooseModel(
  { model }: Config,
  { places, env }: Pick<World, 'places' | 'env'>,
  bundle?: Pick<Bundle, 'path' | 'manifest'>,
): Chosen {
  if (model.file !== undefined) return { id: nameOf(model), file: model.file, source: { kind: 'file' } };
  const folder = `${places.cache}/models`;
  const found = findModel(nameOf(model));
  if (found.family === 'demo') return { id: found.id, file: `${folder}/${demoFile}`, source: { kind: 'demo' } };
  const gguf = chooseGguf(found, model.quantisation);
  const { sha256, bytes } = gguf;
  const url = (bundle && ggufIn(bundle, gguf)) ?? fileUrl(gguf, model.hub, env);
  return { id: found.id, file: `${folder}/${gguf.file}`, source: { kind: 'download', url, sha256, bytes } };
}
