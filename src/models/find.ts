import { nearest } from '../config/near.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import { catalogue } from './catalogue.js';
import type { Gguf, Model } from './model.js';

const ownFile = say('A GGUF file of your own: --model-file FILE.gguf', '使用自备的 GGUF 文件：--model-file FILE.gguf');

/** @throws UserError `model.unknown`, exit 'usage' */
export function findModel(id: string): Model {
  const found = catalogue.find((model) => model.id === id);
  if (found) return found;
  const ids = catalogue.map((model) => model.id);
  const meant = nearest(id, ids);
  const known = say(`Known are: ${ids.join(', ')}`, `已知的模型：${ids.join('、')}`);
  throw new UserError('model.unknown', say(`There is no model ${id} in the catalogue.`, `目录中没有模型 ${id}。`), {
    hint: meant === undefined ? known : say(`Did you mean ${meant}?`, `您是想用 ${meant} 吗？`),
    details: meant === undefined ? [] : [known],
    exit: 'usage',
  });
}

/**
 * The file of the model that llama.cpp serves.
 * @throws UserError `model.no-gguf` when the catalogue has none, `model.quantisation` when it has not that one
 */
export function chooseGguf(model: Model, quantisation?: string): Gguf {
  const [first] = model.gguf;
  if (!first) {
    const { en, zh } = { en: model.fits.join(', '), zh: model.fits.join('、') };
    throw new UserError(
      'model.no-gguf',
      say(
        `${model.title} is not in the catalogue as a file that one machine without GPUs can serve (it takes ${en}).`,
        `目录中没有可供无 GPU 单机运行的 ${model.title} 文件（它需要 ${zh}）。`,
      ),
      { hint: ownFile, exit: 'usage' },
    );
  }
  const found = quantisation === undefined ? first : model.gguf.find((each) => each.quantisation === quantisation);
  if (found) return found;
  const all = model.gguf.map((each) => each.quantisation);
  throw new UserError(
    'model.quantisation',
    say(
      `${model.title} is not in the catalogue as ${quantisation}.`,
      `目录中没有 ${model.title} 的 ${quantisation} 版本。`,
    ),
    {
      hint: say(`There is: ${all.join(', ')}. ${ownFile.en}`, `现有：${all.join('、')}。${ownFile.zh}`),
      exit: 'usage',
    },
  );
}
