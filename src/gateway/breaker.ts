/** Settings of the circuit breakers and of what is done in their stead, whole: the Lua has no defaults of its own. */

/** One set for every peer and every version: each has a breaker of its own. */
export interface BreakerOptions {
  /** Seconds that are looked back on. */
  readonly windowS: number;
  /** Fewer requests than this within the window open nothing. */
  readonly minimum: number;
  /** Share of failures that opens it, above 0 and at most 1. */
  readonly rate: number;
  /** How long it stays open at first, in seconds; doubles with every probe that fails, up to `longestS`. */
  readonly openS: number;
  readonly longestS: number;
  /** A stream without its first byte, and any other answer without one, is a failure after so many seconds. */
  readonly streamSilenceS: number;
  readonly answerSilenceS: number;
}

/** What a request gets whose version is open, or gave no answer before the first byte. */
export type Degradation =
  /** Another version of the model with a weight above 0; also as a further try, where every peer failed fast. */
  | 'version'
  /** The first model of `models` that answers and that the key may use. */
  | 'model'
  /** The cloud's API, after cached answers as well: the last of the order. */
  | 'cloud';

export interface DegradeOptions {
  /** Tried in this order; when all is in vain the answer is 503 with Retry-After. */
  readonly order: readonly Degradation[];
  /** Smaller models that may answer in a model's place, by its id. */
  readonly models: Readonly<Record<string, readonly string[]>>;
}

export const breakerOptions = (given: Partial<BreakerOptions> = {}): BreakerOptions => ({
  windowS: 10,
  minimum: 10,
  rate: 0.5,
  openS: 5,
  longestS: 60,
  streamSilenceS: 60,
  answerSilenceS: 600,
  ...given,
});
