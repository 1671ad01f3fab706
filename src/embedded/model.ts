/** The loaded model: its context, tokens, template and samplers. */
import { open } from 'node:fs/promises';
import { GgufTruncated, type MetaValue, readGgufMeta } from '../models/gguf.js';
import type { Addon, AddonContext, AddonModel, AddonSampler, SamplerConfig } from './addon.js';
import { pieceOf } from './pieces.js';
import type { Message, Sampling } from './request.js';
import { chunkFor } from './threads.js';

export interface ContextSize {
  readonly sequences: number;
  readonly contextSize: number;
}

const metaSteps = [1 << 20, 1 << 24, 1 << 27];

/** The metadata of a GGUF file, however long its vocabulary is. */
async function metadata(file: string): Promise<Map<string, MetaValue>> {
  const handle = await open(file);
  try {
    for (const size of metaSteps) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
      try {
        return readGgufMeta(buffer.subarray(0, bytesRead));
      } catch (error) {
        if (!(error instanceof GgufTruncated) || bytesRead < size) throw error;
      }
    }
    throw new Error('the metadata of the model file has no end');
  } finally {
    await handle.close();
  }
}

const templateOf = (meta: Map<string, MetaValue>): string | undefined => {
  const text = meta.get('tokenizer.chat_template');
  return typeof text === 'string' && text !== '' ? text : undefined;
};

interface Renderer {
  render(values: Record<string, unknown>): string;
}

/** Negative ids mean that the model has no such token. */
const tokenOrNone = (token: number): number | undefined => (token >= 0 ? token : undefined);

export class Model {
  private readonly pieces: (string | Uint8Array | undefined)[] = [];
  private readonly ends: (boolean | undefined)[] = [];
  private readonly vocabulary: number;
  readonly context: AddonContext;
  readonly trainedContext: number;
  readonly description: string;
  /** Whether the chat template speaks of <think>. */
  readonly thinker: boolean;
  /** Token ids are less than this; llama.cpp ends the process for others. */
  readonly tokens: number;

  private constructor(
    private readonly addon: Addon,
    private readonly model: AddonModel,
    context: AddonContext,
    private readonly template: Renderer | undefined,
    meta: Map<string, MetaValue>,
    /** Prompt tokens in one step, at most. */
    readonly chunk: number,
  ) {
    this.context = context;
    this.vocabulary = model.getVocabularyType();
    this.trainedContext = model.getTrainContextSize();
    this.description = model.getModelDescription();
    this.thinker = templateOf(meta)?.includes('<think>') ?? false;
    const tokens = meta.get('tokenizer.ggml.tokens');
    this.tokens = Array.isArray(tokens) ? tokens.length : 0;
  }

  /** @throws Error when the file is no model, or there is not enough memory for it. */
  static async load(addon: Addon, file: string, size: ContextSize, threads: number): Promise<Model> {
    const meta = await metadata(file);
    const gpu = addon.getGpuType() ? 999 : 0;
    const model = new addon.AddonModel(file, { addonExports: addon, gpuLayers: gpu, useMmap: true });
    if (!(await model.init())) throw new Error('llama.cpp does not take the model file');
    const chunk = gpu > 0 ? 256 : chunkFor(model.getTotalParameters(), threads);
    const context = new addon.AddonContext(model, {
      contextSize: size.contextSize * size.sequences,
      batchSize: chunk + size.sequences,
      sequences: size.sequences,
      threads,
      flashAttention: 'auto',
    });
    if (!(await context.init())) throw new Error('llama.cpp could not make a context; is there memory enough?');
    const template = templateOf(meta);
    const renderer = template === undefined ? undefined : new addon.AddonJinjaRenderer(template);
    return new Model(addon, model, context, renderer, meta, chunk);
  }

  /** What the token says; remembered, so that a token costs a look-up. */
  piece(token: number): string | Uint8Array {
    const known = this.pieces[token];
    if (known !== undefined) return known;
    const piece = pieceOf(this.vocabulary, this.model.getTokenString(token), this.model.getTokenAttributes(token));
    this.pieces[token] = piece;
    return piece;
  }

  isEnd(token: number): boolean {
    const known = this.ends[token];
    if (known !== undefined) return known;
    const end = this.model.isEogToken(token);
    this.ends[token] = end;
    return end;
  }

  /** @param special whether '<|…|>' in the text means the token: so in templates, not in what users write. */
  tokenize(text: string, special: boolean): Uint32Array {
    return this.begun(this.model.tokenize(text, special));
  }

  private begun(tokens: Uint32Array): Uint32Array {
    const begin = tokenOrNone(this.model.tokenBos());
    if (begin === undefined || !this.model.shouldPrependBosToken() || tokens[0] === begin) return tokens;
    const all = new Uint32Array(tokens.length + 1);
    all[0] = begin;
    all.set(tokens, 1);
    return all;
  }

  /** The chat as the model was trained to read it, or undefined when it was not trained on chats. @throws Error of the template */
  renderChat(messages: readonly Message[], variables: Readonly<Record<string, unknown>>): string | undefined {
    const name = (token: number): string => (token >= 0 ? this.model.getTokenString(token) : '');
    return this.template?.render({
      ...variables,
      messages,
      add_generation_prompt: true,
      bos_token: name(this.model.tokenBos()),
      eos_token: name(this.model.tokenEos()),
    });
  }

  /** Prefix and suffix with the model's marks around the gap, or undefined when it has none. */
  fillInMiddle(prefix: string, suffix: string): Uint32Array | undefined {
    const marks = [this.model.prefixToken(), this.model.suffixToken(), this.model.middleToken()].map(tokenOrNone);
    if (marks.includes(undefined)) return undefined;
    const [before, after, middle] = marks as [number, number, number];
    const plain = (text: string): Uint32Array => this.model.tokenize(text, false);
    return this.begun(Uint32Array.from([before, ...plain(prefix), after, ...plain(suffix), middle]));
  }

  /** Compiles GBNF; each call of the result is a state for one answer. @throws Error when it is no grammar */
  grammar(gbnf: string): () => object {
    const grammar = new this.addon.AddonGrammar(gbnf, { addonExports: this.addon, rootRuleName: 'root' });
    return () => new this.addon.AddonGrammarEvaluationState(this.model, grammar);
  }

  sampler(sampling: Sampling, seed: number, grammar?: () => object): AddonSampler {
    const sampler = new this.addon.AddonSampler(this.model);
    sampler.applyConfig(samplerConfig(sampling, seed, grammar?.()));
    return sampler;
  }
}

/** Temperature 0 is greedy. The penalties look at what was generated, over the whole answer. */
export function samplerConfig(sampling: Sampling, seed: number, grammar?: object): SamplerConfig {
  const { temperature, topP, topK, minP, repetition, presence, frequency, bias } = sampling;
  const penalised = repetition !== undefined || presence !== undefined || frequency !== undefined;
  return {
    temperature,
    topP,
    seed,
    ...(topK === undefined ? {} : { topK }),
    ...(minP === undefined ? {} : { minP }),
    ...(penalised && {
      repeatPenalty: repetition ?? 1,
      repeatPenaltyPresencePenalty: presence ?? 0,
      repeatPenaltyFrequencyPenalty: frequency ?? 0,
      repeatPenaltyMaxTokens: 4096,
      repeatPenaltyTokens: new Uint32Array(0),
    }),
    ...(bias !== undefined && {
      tokenBiasKeys: Uint32Array.from(bias, ([token]) => token),
      tokenBiasValues: Float32Array.from(bias, ([, amount]) => amount),
    }),
    ...(grammar === undefined ? {} : { grammarEvaluationState: grammar }),
  };
}
