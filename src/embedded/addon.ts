/**
 * The native binding of node-llama-cpp, as far as we use it. It is driven directly, below node-llama-cpp's own API: one
 * batch for all sequences, sampled together, is what continuous batching needs, and no word is spent on what is not.
 * Source: https://github.com/withcatai/node-llama-cpp/tree/v3.22.1/llama/addon
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface AddonModel {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
  tokenize(text: string, specialTokens: boolean): Uint32Array;
  detokenize(tokens: Uint32Array, specialTokens?: boolean): string;
  getTrainContextSize(): number;
  getTotalSize(): number;
  getTotalParameters(): number;
  getModelDescription(): string;
  tokenBos(): number;
  tokenEos(): number;
  prefixToken(): number;
  middleToken(): number;
  suffixToken(): number;
  getTokenString(token: number): string;
  getTokenAttributes(token: number): number;
  isEogToken(token: number): boolean;
  getVocabularyType(): number;
  shouldPrependBosToken(): boolean;
}

export interface AddonSampler {
  applyConfig(config: SamplerConfig): void;
  dispose(): void;
}

export interface AddonGrammar {
  isTextCompatible(text: string): boolean;
}

export interface SamplerConfig {
  readonly temperature: number;
  readonly topP: number;
  readonly topK?: number;
  readonly minP?: number;
  /** 32 bits, unsigned. */
  readonly seed: number;
  readonly repeatPenalty?: number;
  readonly repeatPenaltyMaxTokens?: number;
  readonly repeatPenaltyTokens?: Uint32Array;
  readonly repeatPenaltyPresencePenalty?: number;
  readonly repeatPenaltyFrequencyPenalty?: number;
  readonly tokenBiasKeys?: Uint32Array;
  readonly tokenBiasValues?: Float32Array;
  readonly grammarEvaluationState?: object;
}

export interface AddonContext {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
  getContextSize(): number;
  /** Empties the batch and makes room for this many tokens. */
  initBatch(size: number): void;
  /** Answers where in the batch the wanted logits will lie. */
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logitsOf: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  /** -1 when nothing can follow. */
  sampleToken(logit: number, sampler: AddonSampler): Promise<number>;
  disposeSequence(sequence: number): void;
  removeTokenCellsFromSequence(sequence: number, start: number, end: number): boolean;
  setThreads(threads: number): void;
}

export interface Addon {
  AddonModel: new (file: string, params: { addonExports: Addon; gpuLayers: number; useMmap: boolean }) => AddonModel;
  AddonContext: new (
    model: AddonModel,
    params: {
      contextSize: number;
      batchSize: number;
      sequences: number;
      threads: number;
      flashAttention: boolean | 'auto';
    },
  ) => AddonContext;
  AddonSampler: new (model: AddonModel) => AddonSampler;
  AddonGrammar: new (gbnf: string, params: { addonExports: Addon; rootRuleName: string }) => AddonGrammar;
  AddonGrammarEvaluationState: new (model: AddonModel, grammar: AddonGrammar) => object;
  AddonJinjaRenderer: new (template: string) => { render(values: Record<string, unknown>): string };
  systemInfo(): string;
  setLogger(logger: (level: number, message: string) => void): void;
  setLoggerLogLevel(level: number): void;
  getGpuType(): string | false | undefined;
  init(): Promise<void>;
  loadBackends(folder?: string): void;
}

/** The folder of the one binding that is installed below a runtime folder. */
export function bindingFolder(runtime: string): string {
  const scope = join(runtime, 'node_modules', '@node-llama-cpp');
  const [name] = readdirSync(scope);
  if (name === undefined) throw new Error(`${scope} is empty`);
  return join(scope, name, 'bins', name);
}

const warnings = 3;

/** @param onLog llama.cpp's own words; level 2 is an error, 3 a warning. */
export async function loadAddon(runtime: string, onLog: (level: number, message: string) => void): Promise<Addon> {
  const folder = bindingFolder(runtime);
  const addon = createRequire(import.meta.url)(join(folder, 'llama-addon.node')) as Addon;
  addon.setLogger(onLog);
  addon.setLoggerLogLevel(warnings);
  addon.loadBackends();
  if (!addon.getGpuType()) addon.loadBackends(folder);
  await addon.init();
  return addon;
}
