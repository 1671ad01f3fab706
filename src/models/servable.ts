import { say, type Text } from '../say.js';
import type { Gguf, Model } from './model.js';
import { bytesText } from './progress.js';

export interface Room {
  /** Main memory that one process here may use: what is free, or the cgroup's limit. */
  readonly memoryBytes: number;
}

/** As deepseek.yaml's `engine` has them. */
export interface Load {
  readonly contextSize: number;
  readonly sequences: number;
}

export interface Servable {
  readonly model: Model;
  /** The file that would be served; absent for `demo` and where there is none. */
  readonly gguf?: Gguf;
  readonly fits: boolean;
  readonly needBytes?: number;
  readonly why: Text;
}

/** llama.cpp's compute buffers: logits of a batch of 512 over 152,000 words at 4 bytes, and as much again for the rest. */
const buffers = 640e6;

/** Weights, key-value cache of all sequences, compute buffers. Bytes. */
export const memoryNeed = (gguf: Gguf, kvBytesPerToken: number, { contextSize, sequences }: Load): number =>
  gguf.bytes + kvBytesPerToken * contextSize * sequences + buffers;

/** Which models a machine without GPUs can serve, and why not the others; in the order of the catalogue. */
export function servable(models: readonly Model[], room: Room, load: Load): readonly Servable[] {
  return models.map((model) => {
    if (model.family === 'demo') return { model, fits: true, why: model.note ?? say('', '') };
    const [gguf] = model.gguf;
    if (!gguf || model.kvBytesPerToken === undefined) {
      return {
        model,
        fits: false,
        why: say(`needs GPUs: ${model.fits.join(', or ')}`, `需要 GPU：${model.fits.join(' 或 ')}`),
      };
    }
    const needBytes = memoryNeed(gguf, model.kvBytesPerToken, load);
    const [need, have] = [bytesText(needBytes), bytesText(room.memoryBytes)];
    const fits = needBytes <= room.memoryBytes;
    const why = fits
      ? say(
          `${need} of memory; ${bytesText(gguf.bytes)} to download`,
          `占用内存 ${need}；下载 ${bytesText(gguf.bytes)}`,
        )
      : say(`needs ${need} of memory; here are ${have}`, `需要 ${need} 内存；本机可用 ${have}`);
    return { model, gguf, fits, needBytes, why };
  });
}
