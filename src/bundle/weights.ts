/**
 * Weights of models: hundreds of gigabytes that are not put into the archive. They lie beside it in `FILE.weights`, one
 * folder for each model, where `bundle create` downloads them to; the signed manifest has the hash of each file.
 */
import { createHash } from 'node:crypto';
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import type { Upload, World } from '../world.js';
import type { BundleWeights } from './manifest.js';
import type { Bundle } from './open.js';

/** @param bundle the path of the archive */
export const weightsFolder = (bundle: string): string => `${bundle}.weights`;

export interface WeightsFile {
  /** Where it lies on this machine. */
  readonly at: string;
  readonly model: string;
  /** Below the folder of the model. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export const weightsFiles = ({ path, manifest }: Pick<Bundle, 'path' | 'manifest'>): WeightsFile[] =>
  manifest.weights.flatMap(({ id, files }) =>
    files.map((file) => ({ ...file, model: id, at: `${weightsFolder(path)}/${id}/${file.path}` })),
  );

export const weightsBytes = (weights: readonly Pick<BundleWeights, 'files'>[]): number =>
  weights.flatMap(({ files }) => files).reduce((sum, { bytes }) => sum + bytes, 0);

const again = (folder: string): Text =>
  say(
    `Copy ${folder} from where it was made; deepseek-deploy bundle create carries on what is incomplete.`,
    `请从制作处复制 ${folder}；不完整的部分可由 deepseek-deploy bundle create 续传。`,
  );

const unlike = (id: string, bundle: string, text: Text, details: readonly Text[] = []): UserError =>
  new UserError(id, text, { hint: again(weightsFolder(bundle)), exit: 'network', details });

/**
 * All of them are there, with their sizes; nothing of them is read.
 * @throws UserError `bundle.weights`, exit 'network', with every file
 */
export async function checkWeightsThere(bundle: Pick<Bundle, 'path' | 'manifest'>, { files }: World): Promise<void> {
  const wrong = await Promise.all(
    weightsFiles(bundle).map(async ({ at, bytes }): Promise<Text[]> => {
      const size = (await files.stat(at))?.size;
      if (size === bytes) return [];
      return size === undefined
        ? [say(`${at} is not there`, `缺少 ${at}`)]
        : [say(`${at}: ${size} of ${bytes} bytes`, `${at}：${size} / ${bytes} 字节`)];
    }),
  );
  const details = wrong.flat();
  if (details.length === 0) return;
  const { path } = bundle;
  throw unlike(
    'bundle.weights',
    path,
    say(
      `The model weights of ${path} are not all beside it, in ${weightsFolder(path)}.`,
      `${path} 的模型权重未全部位于其旁的 ${weightsFolder(path)}。`,
    ),
    details,
  );
}

/**
 * Every file is read and held against its hash.
 * @throws UserError `bundle.weights`, `bundle.hash`, exit 'network'
 */
export async function checkWeights(bundle: Bundle, world: World, onBytes: (count: number) => void): Promise<void> {
  await checkWeightsThere(bundle, world);
  for (const { at, sha256 } of weightsFiles(bundle)) {
    const found = await world.files.hash(at, (count) => {
      world.stop.throwIfAborted();
      onBytes(count);
    });
    if (found !== sha256) throw unlike('bundle.hash', bundle.path, say(`${at} is damaged.`, `${at} 已损坏。`));
  }
}

/** Tells whether any of them was replaced since: sizes and times. */
export async function weightsStamp(bundle: Pick<Bundle, 'path' | 'manifest'>, { files }: World): Promise<string> {
  const stats = await Promise.all(weightsFiles(bundle).map(({ at }) => files.stat(at)));
  const lines = stats.map((stat) => `${stat?.size} ${stat?.mtimeMs}`);
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

const piece = 4 << 20;

export const weightsUpload = ({ at, bytes, sha256 }: WeightsFile, { files }: World): Upload => ({
  bytes,
  sha256,
  async *chunks() {
    for (let done = 0; done < bytes; done += piece)
      yield await files.readBytes(at, { from: done, length: Math.min(piece, bytes - done) });
  },
});
