import { say } from '../say.js';
import { either, object, oneOf, path, string } from './schema.js';

const id = string({
  says: say(
    'Which model to serve: an id of the catalogue, or demo (tiny, random weights, made offline).',
    '要部署的模型：目录中的 id，或 demo（极小、随机权重、离线生成）。',
  ),
  pattern: {
    regexp: '^[a-z0-9][a-z0-9.-]*$',
    means: say('lower-case letters, digits, dots and dashes', '小写字母、数字、点和连字符'),
  },
  max: 80,
  example: 'deepseek-r1-distill-qwen-1.5b',
  shown: true,
});

const mirror = string({
  says: say('A mirror that has the paths of Hugging Face', '与 Hugging Face 路径相同的镜像'),
  pattern: {
    regexp: '^https?://[^\\s/?#]+[^\\s?#]*$',
    means: say('the address of a mirror (https://…)', '镜像地址（https://…）'),
  },
  max: 500,
});

export const model = object(
  {
    id,
    file: path({
      says: say('A GGUF file of your own, instead of an id.', '自备的 GGUF 文件，代替 id。'),
      mustExist: true,
      example: './model.gguf',
    }),
    hub: either([oneOf(['huggingface', 'modelscope'], { says: say('A hub', '模型站') }), mirror], {
      says: say('Where the weights are downloaded from.', '从何处下载权重。'),
      initial: 'huggingface',
    }),
    quantisation: string({
      says: say(
        'Which of the GGUF files of the model; the first in the catalogue when it is left out.',
        '选用该模型的哪个 GGUF 量化版本；省略时取目录中的第一个。',
      ),
      pattern: { regexp: '^[A-Z0-9_]+$', means: say('a name such as Q4_K_M or Q8_0', '形如 Q4_K_M、Q8_0 的名称') },
      max: 20,
      example: 'Q4_K_M',
    }),
  },
  { says: say('The model.', '模型。'), exclusive: [['id', 'file']] },
);
