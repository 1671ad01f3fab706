import type { AddonSampler } from './addon.js';

export type Ending = 'stop' | 'length' | 'abort' | 'error';

/** Who wants the tokens. Called from the event loop, in order, never after `end`. */
export interface Sink {
  /** A sequence was given; `cached` tokens of the prompt need not be computed. */
  start(at: number, cached: number): void;
  /** False: enough, a stop string was found. */
  token(token: number, at: number): boolean;
  end(ending: Ending, at: number): void;
}

export interface Work {
  /** At least one token. */
  readonly prompt: Uint32Array;
  /** Prompt and answer fit into the context. */
  readonly maxTokens: number;
  readonly ignoreEos: boolean;
  /** Whether an earlier prompt's computed beginning may be used again; it was computed in other batches, so its last bits may differ. */
  readonly reuse: boolean;
  /** Called when a sequence is given; the scheduler disposes of it. */
  sampler(): AddonSampler;
  readonly sink: Sink;
}

export interface Limits {
  readonly sequences: number;
  readonly contextSize: number;
  /** Prompt tokens in one step, at most. */
  readonly chunk: number;
  readonly queue: number;
}

export interface Load {
  readonly running: number;
  readonly waiting: number;
  /** 0 to 1. */
  readonly cacheUsage: number;
}

export interface Ticket {
  cancel(): void;
}
