/** From the lines of a run, one by one, to what a report says. */
import { type Metric, meets, metrics } from './metrics.js';
import type { Cause, EndLine, Line, RunLine, Sample } from './record.js';
import { Spread } from './spread.js';

export interface Totals {
  good: number;
  failed: number;
  /** Ended by ourselves, in no figure. */
  cut: number;
  warm: number;
  warmFailed: number;
  /** Good answers that said no usage: their tokens are unknown. */
  noUsage: number;
  oneToken: number;
  /** Good answers without content or reasoning. */
  empty: number;
  /** Over good answers that said their usage. */
  promptTokens: number;
  cachedTokens: number;
  outputTokens: number;
  chunks: number;
  /** Good, and within every service level. */
  withinSlo: number;
  /** ms that requests were in flight, summed. */
  busy: number;
}

export interface Summary {
  readonly run: RunLine | undefined;
  readonly end: EndLine | undefined;
  readonly totals: Readonly<Totals>;
  /** ms from the first request sent to the last one over, warm-up not counted: what all rates are divided by. */
  readonly span: number;
  /** ms of it after the load stopped being full: no more were sent and the first of the last was over. */
  readonly tail: number;
  readonly spreads: ReadonlyMap<Metric['id'], Spread>;
  /** ms until a connection was there. */
  readonly connect: Spread;
  readonly causes: ReadonlyMap<Cause, { readonly count: number; readonly detail: string }>;
}

/** Takes the lines of a run one by one; `summary()` at any time. Memory: 8 bytes a value, one value an event. */
export class Fold {
  #run: RunLine | undefined;
  #end: EndLine | undefined;
  readonly #totals: Totals = {
    ...{ good: 0, failed: 0, cut: 0, warm: 0, warmFailed: 0, noUsage: 0, oneToken: 0, empty: 0 },
    ...{ promptTokens: 0, cachedTokens: 0, outputTokens: 0, chunks: 0, withinSlo: 0, busy: 0 },
  };
  readonly #spreads = new Map(metrics.map(({ id }) => [id, new Spread()] as const));
  readonly #connect = new Spread();
  readonly #causes = new Map<Cause, { count: number; detail: string }>();
  readonly #ends: number[] = [];
  #firstStart = Infinity;
  #lastStart = -Infinity;

  add(line: Line): void {
    if (line.kind === 'run') this.#run = line;
    else if (line.kind === 'end') this.#end = line;
    else this.#sample(line);
  }

  #sample(sample: Sample): void {
    const totals = this.#totals;
    if (sample.warm) {
      totals.warm += 1;
      if (sample.failure) totals.warmFailed += 1;
      return;
    }
    this.#firstStart = Math.min(this.#firstStart, sample.at);
    this.#lastStart = Math.max(this.#lastStart, sample.at);
    if (sample.cut) {
      totals.cut += 1;
      return;
    }
    this.#ends.push(sample.at + sample.end);
    totals.busy += sample.end;
    if (sample.sent !== undefined) this.#connect.add(sample.sent);
    if (sample.failure) this.#failure(sample.failure.cause, sample.failure.detail);
    else this.#good(sample);
  }

  #failure(cause: Cause, detail: string): void {
    this.#totals.failed += 1;
    const known = this.#causes.get(cause);
    if (known) known.count += 1;
    else this.#causes.set(cause, { count: 1, detail });
  }

  #good(sample: Sample): void {
    const totals = this.#totals;
    totals.good += 1;
    if (sample.chunks.length === 0) totals.empty += 1;
    if (sample.tokens === undefined) totals.noUsage += 1;
    else {
      totals.promptTokens += sample.prompt ?? 0;
      totals.cachedTokens += sample.cached ?? 0;
      totals.outputTokens += sample.tokens;
      totals.chunks += sample.chunks.length;
      if (sample.tokens === 1) totals.oneToken += 1;
    }
    if (meets(sample, this.#run?.settings.slo ?? [])) totals.withinSlo += 1;
    for (const { id, values } of metrics) {
      const spread = this.#spreads.get(id)!;
      for (const value of values(sample)) spread.add(value);
    }
  }

  summary(): Summary {
    const lastEnd = this.#ends.reduce((last, end) => Math.max(last, end), -Infinity);
    const fullUntil = this.#ends.reduce(
      (first, end) => (end > this.#lastStart ? Math.min(first, end) : first),
      Infinity,
    );
    return {
      run: this.#run,
      end: this.#end,
      totals: { ...this.#totals },
      span: Math.max(0, lastEnd - this.#firstStart),
      tail: Math.max(0, lastEnd - fullUntil),
      spreads: this.#spreads,
      connect: this.#connect,
      causes: this.#causes,
    };
  }
}
