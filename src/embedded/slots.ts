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
 * The free sequence for a new prompt, and how many tokens of its cache to keep. The longest beginning in common, if
 * `reuse`; else one between or beside running ones, for llama.cpp computes neighbours in one go and each gap costs a
 * pass of its own; among equals the one unused for longest. Undefined when none is free.
 */
export function pickSlot(
  prompt: Uint32Array,
  slots: readonly Slot[],
  reuse: boolean,
): { readonly slot: Slot; readonly kept: number } | undefined {
  const neighbours = ({ id }: Slot): number =>
    Number(slots[id - 1]?.job !== undefined) + Number(slots[id + 1]?.job !== undefined);
  return slots
    .filter(({ job }) => job === undefined)
    .map((slot) => ({ slot, kept: reuse ? shared(prompt, slot) : 0, neighbours: neighbours(slot) }))
    .sort((a, b) => b.kept - a.kept || b.neighbours - a.neighbours || a.slot.usedBy - b.slot.usedBy)[0];
}
