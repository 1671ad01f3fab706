import type { AddonSampler } from './addon.js';
import type { Work } from './work.js';

export interface Slot {
  readonly id: number;
  job: Job | undefined;
  /** Tokens whose keys and values lie in the cache. */
  tokens: number[];
  /** Arrival of the last job, -1 for none. */
  usedBy: number;
}

export interface Job {
  readonly work: Work;
  readonly arrival: number;
  slot: Slot | undefined;
  sampler: AddonSampler | undefined;
  /** Prompt tokens computed, or being computed. */
  read: number;
  produced: number;
  readonly next: Uint32Array;
  /** Nothing more is to be computed or told. */
  over: boolean;
}

const shortestPrefix = 16;

/** How many tokens of the prompt the slot has computed already; the last one counts as not: its logits are wanted. */
function shared(prompt: Uint32Array, { tokens }: Slot): number {
  const end = Math.min(tokens.length, prompt.length - 1);
  let length = 0;
  while (length < end && tokens[length] === prompt[length]) length++;
  return length < shortestPrefix ? 0 : length;
}

/**
 * The sequence for a new prompt, and how many tokens of its cache to keep: the longest beginning in common, if `reuse`;
 * else the lowest free, for llama.cpp computes neighbours together; when all are free, the one unused for longest.
 */
export function pickSlot(
  prompt: Uint32Array,
  free: readonly Slot[],
  reuse: boolean,
  allFree: boolean,
): { readonly slot: Slot; readonly kept: number } {
  const ranked = (reuse ? free : []).map((slot) => ({ slot, kept: shared(prompt, slot) }));
  const best = ranked.sort((a, b) => b.kept - a.kept)[0];
  if (best !== undefined && best.kept > 0) return best;
  const slot = allFree ? free.reduce((oldest, next) => (next.usedBy < oldest.usedBy ? next : oldest)) : free[0]!;
  return { slot, kept: 0 };
}
