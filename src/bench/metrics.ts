/** What is measured of one answer, each a value of its own. */
import { say, type Text } from '../say.js';
import { lastChunk, type Sample, type Slo } from './record.js';

/** A distribution over good answers. */
export interface Metric {
  readonly id: 'ttft' | 'tpot' | 'itl' | 'e2e' | 'promptTokens' | 'outputTokens';
  readonly unit: 'ms' | 'tokens';
  readonly title: Text;
  readonly formula: string;
  /** No value where the answer has none: it is left out, never counted as 0. */
  values(sample: Sample): readonly number[];
}

const one = (value: number | undefined): readonly number[] => (value === undefined ? [] : [value]);

/** As vLLM, SGLang and AIPerf have it, but an event that only names the role, or is empty, is no token (vllm#15106). */
const ttft: Metric = {
  id: 'ttft',
  unit: 'ms',
  title: say('Time to first token', '首个 token 时延'),
  formula: 'first event with content or reasoning - sent',
  values: ({ chunks }) => (chunks.length > 0 ? [chunks[0]! / 1000] : []),
};

/** vLLM's TPOT, AIPerf's inter_token_latency. Tokens are the server's count: an event may hold several (vllm#27485). */
const tpot: Metric = {
  id: 'tpot',
  unit: 'ms',
  title: say('Time per output token after the first', '首个之后每个 token 的时间'),
  formula: '(last event with text - first) / (output tokens - 1); answers of one token have none',
  values({ chunks, tokens }) {
    if (tokens === undefined || tokens < 2 || chunks.length === 0) return [];
    let sum = 0;
    for (let at = 1; at < chunks.length; at += 1) sum += chunks[at]!;
    return [sum / 1000 / (tokens - 1)];
  },
};

/** vLLM's ITL, AIPerf's inter_chunk_latency: what a reader sees as stutter. */
const itl: Metric = {
  id: 'itl',
  unit: 'ms',
  title: say('Gap between events with text', '相邻文本事件的间隔'),
  formula: 'each gap between two events with text, over all answers',
  values: ({ chunks }) => chunks.slice(1).map((gap) => gap / 1000),
};

/** AIPerf's request_latency, vLLM's E2EL: the usage and [DONE] that follow carry no token. */
const e2e: Metric = {
  id: 'e2e',
  unit: 'ms',
  title: say('Whole answer', '完整回答'),
  formula: 'last event with text - sent; the end of the stream for an answer without text',
  values: (sample) => [lastChunk(sample) ?? sample.end],
};

const promptTokens: Metric = {
  id: 'promptTokens',
  unit: 'tokens',
  title: say('Prompt tokens', '提示 token 数'),
  formula: "the server's usage.prompt_tokens",
  values: ({ prompt }) => one(prompt),
};

const outputTokens: Metric = {
  id: 'outputTokens',
  unit: 'tokens',
  title: say('Output tokens', '输出 token 数'),
  formula: "the server's usage.completion_tokens, reasoning included",
  values: ({ tokens }) => one(tokens),
};

export const metrics: readonly Metric[] = [ttft, tpot, itl, e2e, promptTokens, outputTokens];

const latency = { ttft, tpot, e2e } as const;

/** An answer without text breaks `ttft`; one of a single token has no time between tokens that could be too long. */
export function meets(sample: Sample, slo: readonly Slo[]): boolean {
  return slo.every(({ metric, ms }) => {
    const [value] = latency[metric].values(sample);
    return value === undefined ? metric === 'tpot' && (sample.tokens ?? 0) > 0 : value <= ms;
  });
}
