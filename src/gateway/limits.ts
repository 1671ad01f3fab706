/** Settings of limits and of the check of parameters, whole: the Lua has no defaults of its own. */

/** Each of them is optional; absent: without bound. */
export interface LimitBounds {
  readonly requestsPerMinute?: number;
  /** Prompt and answer together. */
  readonly tokensPerMinute?: number;
  /** Prompt and answer together, from midnight to midnight UTC. */
  readonly tokensPerDay?: number;
  /** Requests and streams that are open at the same time. */
  readonly concurrent?: number;
}

/** Of one key or client: a bound that is named takes the place of the one that holds for every key; 'none': no bound. */
export type OwnLimits = { readonly [B in keyof LimitBounds]?: number | 'none' };

/**
 * With Redis the limits hold over all instances. Without it, and while it does not answer, each instance allows its
 * share: the limit divided by `instances`, rounded down, 1 at the least.
 */
export interface LimitOptions {
  /** Of each key. */
  readonly key?: LimitBounds;
  /** Of all keys of a tenant together. */
  readonly tenant?: LimitBounds;
  /** By tenant, in place of `tenant` as a whole. */
  readonly tenants?: Readonly<Record<string, LimitBounds>>;
  /** Requests that each engine of a version holds at the most, those in its own queue included; beyond it: 429 at once. */
  readonly perEngine?: number;
  /** Gateways that run beside one another. */
  readonly instances: number;
  /** Tokens of an answer that are reserved at the most, and for a request that names none. Settled when it has ended. */
  readonly reserveTokens: number;
}

export interface ValidationOptions {
  /** Outside of the recommended ranges: refused rather than warned about in X-DeepSeek-Warning. */
  readonly strict: boolean;
  /** Of the refusal: 400 as OpenAI has it, 422 as DeepSeek has it. */
  readonly status: 400 | 422;
  /** From and to. */
  readonly temperature: readonly [number, number];
  readonly topP: readonly [number, number];
  /** Up to so many bytes of `messages` their shape is looked at; beyond it the engine does. */
  readonly messagesBytes: number;
}

export const limitOptions = (given: Partial<LimitOptions> = {}): LimitOptions => ({
  instances: 1,
  reserveTokens: 1024,
  ...given,
});

export const validationOptions = (given: Partial<ValidationOptions> = {}): ValidationOptions => ({
  strict: false,
  status: 400,
  temperature: [0.1, 1],
  topP: [0.85, 0.95],
  messagesBytes: 16 * 1024,
  ...given,
});
