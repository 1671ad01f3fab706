/** Limits as they are meant, in plain words: what the shared memory and Redis are held against. */

export interface ModelBound {
  readonly kind: 'rate' | 'day' | 'open';
  readonly limit: number;
}

export interface State {
  readonly left: number;
  readonly wait: number;
}

const WINDOW = 60_000;

/** A bucket that holds a minute's worth and is filled evenly; a count; a set. All in ms. */
export class LimitModel {
  private readonly level: number[];
  private at = 0;

  constructor(private readonly bounds: readonly ModelBound[]) {
    this.level = bounds.map(({ limit }) => limit);
  }

  private advance(now: number): void {
    for (const [i, { kind, limit }] of this.bounds.entries()) {
      if (kind === 'rate') this.level[i] = Math.min(limit, this.level[i]! + ((now - this.at) * limit) / WINDOW);
    }
    this.at = now;
  }

  left(now: number): readonly number[] {
    this.advance(now);
    return this.level;
  }

  /** Exact: what is left, and how long until the cost fits (-1: time does not help). */
  take(costs: readonly number[], now: number): { readonly taken: boolean; readonly states: readonly State[] } {
    this.advance(now);
    const states = this.bounds.map(({ kind, limit }, i): State => {
      const missing = costs[i]! - this.level[i]!;
      if (missing <= 1e-6) return { left: this.level[i]! - costs[i]!, wait: 0 };
      return { left: this.level[i]!, wait: kind === 'rate' ? (missing * WINDOW) / limit : -1 };
    });
    const taken = states.every(({ wait }) => wait === 0);
    if (taken) for (const i of this.bounds.keys()) this.level[i]! -= costs[i]!;
    return { taken, states };
  }

  /** `more`: the difference to what was taken; open ones end. */
  settle(more: readonly number[], now: number): void {
    this.advance(now);
    for (const [i, { kind, limit }] of this.bounds.entries()) {
      if (kind === 'open') this.level[i]! += 1;
      else if (kind === 'day') this.level[i]! -= more[i]!;
      else this.level[i] = Math.min(limit, this.level[i]! - more[i]!);
    }
  }
}
