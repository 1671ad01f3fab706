import type { Text } from '../say.js';

export type Hub = 'huggingface' | 'modelscope';

/** Where a file lies on a hub; the revision is pinned wherever a source names one. */
export interface Place {
  /** 'unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF' */
  readonly repo: string;
  readonly revision: string;
}

/** One file that llama.cpp serves. Its hash stands in at least two independent public sources. */
export interface Gguf {
  /** 'Q4_K_M' */
  readonly quantisation: string;
  readonly file: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly at: { readonly [H in Hub]?: Place };
}

export type ServedBy = 'embedded' | 'vllm' | 'sglang';

export interface Model {
  /** What --model and deepseek.yaml name it by. */
  readonly id: string;
  readonly title: string;
  readonly family: 'v4.1' | 'v4' | 'v3' | 'r1' | 'r1-distill' | 'coder' | 'ocr' | 'demo';
  /** Thousand millions. */
  readonly parameters: { readonly total: number; readonly active: number };
  /** Of the published weights. */
  readonly precision: string;
  /** Of the published weights, in GB (1e9 bytes). */
  readonly weightGB: number;
  /** The least GPU memory that serves it, in GB: weights x 1.2, or what the engine's recipe says. */
  readonly vramGB: number;
  /** GPU sets it is known, or reckoned, to run on. */
  readonly fits: readonly string[];
  /** Tokens. */
  readonly context: number;
  readonly licence: string;
  readonly huggingface: string;
  readonly modelscope: string;
  readonly engines: readonly ServedBy[];
  /** Answers come after thoughts in <think>…</think>. */
  readonly thinks: boolean;
  /** Key and value cache at 16 bits: bytes for each token of context. Layers x KV heads x (key + value length) x 2. */
  readonly kvBytesPerToken?: number;
  /** The first is taken unless another is asked for. */
  readonly gguf: readonly Gguf[];
  readonly note?: Text;
}

/** A repository that DeepSeek has under the same name on both hubs. */
export const onBothHubs = (name: string): Pick<Model, 'huggingface' | 'modelscope'> => ({
  huggingface: `deepseek-ai/${name}`,
  modelscope: `deepseek-ai/${name}`,
});
