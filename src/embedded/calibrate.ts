import type { AddonContext } from './addon.js';
import { type CpuLimits, candidates, chooseThreads, type Measured, usableThreads } from './threads.js';

export interface Chosen {
  readonly threads: number;
  readonly why: string;
  readonly usable: number;
  readonly measured: readonly Measured[];
}

const first = Uint32Array.of(0);
/** For each number of threads and each width; a large model gets one step, whatever it takes. */
const budgetMs = 60;

/** Tokens a second of `width` sequences decoded together. */
async function speed(context: AddonContext, token: number, width: number): Promise<number> {
  const tokens = Uint32Array.of(token);
  let position = 0;
  const step = async (): Promise<void> => {
    context.initBatch(width);
    for (let sequence = 0; sequence < width; sequence++) context.addToBatch(sequence, position, tokens, first);
    await context.decodeBatch();
    position++;
  };
  await step();
  const start = performance.now();
  const begun = position;
  do await step();
  while (performance.now() - start < budgetMs && position < 48);
  const elapsed = performance.now() - start;
  for (let sequence = 0; sequence < width; sequence++) context.disposeSequence(sequence);
  return ((position - begun) * width * 1000) / elapsed;
}

/** Chooses by measuring, and leaves the context set to the choice and empty. */
export async function calibrate(
  context: AddonContext,
  token: number,
  sequences: number,
  limits: CpuLimits,
  wanted: number | 'auto',
): Promise<Chosen> {
  const usable = usableThreads(limits);
  const measured: Measured[] = [];
  const width = Math.min(4, sequences);
  const tried = wanted === 'auto' && usable > 1 ? candidates(usable) : [];
  for (const threads of tried) {
    context.setThreads(threads);
    const alone = await speed(context, token, 1);
    measured.push({ threads, alone: Math.round(alone), together: Math.round(await speed(context, token, width)) });
  }
  const threads = wanted !== 'auto' ? wanted : measured.length > 0 ? chooseThreads(measured) : usable;
  context.setThreads(threads);
  return { threads, why: why(wanted, limits, usable), usable, measured };
}

function why(wanted: number | 'auto', limits: CpuLimits, usable: number): string {
  if (wanted !== 'auto')
    return wanted > usable ? `configured, though only ${usable} can run undisturbed` : 'configured';
  const left = 'one core is left to the event loop and the gateway';
  if (usable > 1) return `the fastest of those measured; ${left}`;
  return limits.cores > 1 ? left : 'there is one core';
}
