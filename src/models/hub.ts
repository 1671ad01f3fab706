import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Gguf, Hub } from './model.js';

type Env = Readonly<Record<string, string | undefined>>;

const huggingface = 'https://huggingface.co';
const modelscope = 'https://modelscope.cn';

const isHub = (hub: string): hub is Hub => hub === 'huggingface' || hub === 'modelscope';

/** HF_ENDPOINT is what Hugging Face's own tools take a mirror from. */
const baseOf = (hub: string, env: Env): string =>
  (hub === 'huggingface' ? env.HF_ENDPOINT || huggingface : hub).replace(/\/+$/, '');

/**
 * Where a file is downloaded from.
 * @param hub 'huggingface', 'modelscope', or the address of a mirror that has the paths of Hugging Face
 * @throws UserError `model.not-on-hub`
 */
export function fileUrl(gguf: Gguf, hub: string, env: Env): string {
  const place = gguf.at[isHub(hub) ? hub : 'huggingface'];
  if (!place) {
    throw new UserError(
      'model.not-on-hub',
      say(`${gguf.file} is not known to be on ${hub}.`, `未知 ${hub} 上有 ${gguf.file}。`),
      {
        hint: say(
          `It is on: ${Object.keys(gguf.at).join(', ')}. Or a mirror: --hub https://hf-mirror.com`,
          `可从此处下载：${Object.keys(gguf.at).join('、')}；或使用镜像：--hub https://hf-mirror.com`,
        ),
        exit: 'usage',
      },
    );
  }
  const { repo, revision } = place;
  return hub === 'modelscope'
    ? `${modelscope}/models/${repo}/resolve/${revision}/${gguf.file}`
    : `${baseOf(hub, env)}/${repo}/resolve/${revision}/${gguf.file}`;
}

/** The address that a hub's API is asked at. */
export const apiOf = (hub: string, env: Env): string => (hub === 'modelscope' ? modelscope : baseOf(hub, env));

/** HF_TOKEN goes to Hugging Face, or to the mirror that HF_ENDPOINT names, and to nobody else. */
export function tokenFor(url: string, env: Env): string | undefined {
  if (!env.HF_TOKEN) return undefined;
  return new URL(url).origin === new URL(baseOf('huggingface', env)).origin ? env.HF_TOKEN : undefined;
}
