import type { Sample, Settings } from '../../src/bench/record.js';

export const settings: Settings = {
  url: 'http://127.0.0.1:8080/v1',
  model: 'demo',
  load: { kind: 'closed', concurrency: 2 },
  requests: 4,
  warmup: 2,
  maxTokens: 8,
  promptTokens: 16,
  timeoutMs: 1000,
  seed: 1,
  cacheable: false,
  ignoreEos: false,
  slo: [],
};

/** A good answer unless it is said otherwise; `end` lies half a ms behind the last chunk. */
export function sample(parts: Partial<Sample>): Sample {
  const chunks = parts.chunks ?? [10_000, 5_000];
  const last = chunks.reduce((a, b) => a + b, 0) / 1000;
  return {
    ...{ kind: 'request', n: 0, at: 0, sent: 0.05, head: 1, end: last + 0.5, status: 200, finish: 'length' },
    ...parts,
    chunks,
  };
}
