/** Prometheus text under vLLM's metric names: https://docs.vllm.ai/en/latest/usage/metrics.html */
import { engineMetrics as names } from '../engines/embedded.js';
import type { Ending, Load } from './work.js';

const seconds = {
  firstToken: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160],
  token: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5],
  request: [0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960],
};
const tokenCounts = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];

class Histogram {
  private readonly counts: number[];
  private sum = 0;
  private total = 0;

  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly bounds: readonly number[],
  ) {
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.sum += value;
    this.total++;
    for (let i = 0; i < this.bounds.length; i++) {
      if (value > this.bounds[i]!) continue;
      this.counts[i]!++;
      return;
    }
  }

  lines(label: string): string[] {
    let below = 0;
    const buckets = this.bounds.map((bound, i) => {
      below += this.counts[i]!;
      return `${this.name}_bucket{${label},le="${bound}"} ${below}`;
    });
    return [
      `# HELP ${this.name} ${this.help}`,
      `# TYPE ${this.name} histogram`,
      ...buckets,
      `${this.name}_bucket{${label},le="+Inf"} ${this.total}`,
      `${this.name}_sum{${label}} ${this.sum}`,
      `${this.name}_count{${label}} ${this.total}`,
    ];
  }
}

/** vLLM's reasons; each is there from the start, so that rates have a zero to begin from. */
const reasons: readonly Ending[] = ['stop', 'length', 'abort', 'error'];

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

export class Metrics {
  private readonly label: string;
  private readonly ended = new Map<Ending, number>(reasons.map((reason) => [reason, 0]));
  promptTokens = 0;
  generationTokens = 0;
  prefixQueries = 0;
  prefixHits = 0;
  readonly firstToken = new Histogram(names.firstToken, 'Seconds from arrival to the first token.', seconds.firstToken);
  readonly interToken = new Histogram(names.interToken, 'Seconds from one token to the next.', seconds.token);
  readonly perOutputToken = new Histogram(
    names.perOutputToken,
    'Seconds per token after the first, one value a request.',
    seconds.token,
  );
  readonly endToEnd = new Histogram(names.endToEnd, 'Seconds from arrival to the last token.', seconds.request);
  readonly queueTime = new Histogram(names.queueTime, 'Seconds a request waited for a sequence.', seconds.request);
  readonly prefillTime = new Histogram(names.prefillTime, 'Seconds from sequence to first token.', seconds.request);
  readonly decodeTime = new Histogram(names.decodeTime, 'Seconds from first to last token.', seconds.request);
  readonly promptLength = new Histogram('vllm:request_prompt_tokens', 'Prompt tokens a request.', tokenCounts);
  readonly answerLength = new Histogram('vllm:request_generation_tokens', 'Generated tokens a request.', tokenCounts);

  constructor(model: string) {
    this.label = `model_name="${escaped(model)}"`;
  }

  countEnd(ending: Ending): void {
    this.ended.set(ending, (this.ended.get(ending) ?? 0) + 1);
  }

  text(load: Load): string {
    const { label } = this;
    const single = (name: string, type: string, help: string, value: number): string[] => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      `${name}{${label}} ${value}`,
    ];
    const lines = [
      ...single(names.running, 'gauge', 'Requests being computed.', load.running),
      ...single(names.waiting, 'gauge', 'Requests waiting for a sequence.', load.waiting),
      ...single(names.cacheUsage, 'gauge', 'Used part of the key-value cache, 0 to 1.', load.cacheUsage),
      ...single(names.promptTokens, 'counter', 'Prompt tokens read.', this.promptTokens),
      ...single(names.generationTokens, 'counter', 'Tokens generated.', this.generationTokens),
      ...single(names.prefixQueries, 'counter', 'Prompt tokens looked up in the cache.', this.prefixQueries),
      ...single(names.prefixHits, 'counter', 'Prompt tokens found in the cache.', this.prefixHits),
      `# HELP ${names.success} Requests that ended, by reason.`,
      `# TYPE ${names.success} counter`,
      ...[...this.ended].map(([reason, count]) => `${names.success}{${label},finished_reason="${reason}"} ${count}`),
      ...[this.firstToken, this.interToken, this.perOutputToken, this.endToEnd].flatMap((one) => one.lines(label)),
      ...[this.queueTime, this.prefillTime, this.decodeTime].flatMap((one) => one.lines(label)),
      ...[this.promptLength, this.answerLength].flatMap((one) => one.lines(label)),
    ];
    return `${lines.join('\n')}\n`;
  }
}
