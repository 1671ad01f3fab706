import type { Served } from './answering.js';
import { notReady } from './problem.js';

/** Without a step for so long, with work to do, the scheduler counts as stuck: milliseconds. */
const stuckAfterMs = 120_000;

/** Where the engine stands; the transports ask it before they do anything. */
export class State {
  private served: Served | undefined;
  private reason = 'the model is loading';

  ready(served: Served): void {
    this.served = served;
    this.reason = '';
  }

  /** No further requests; running ones go on. */
  refuse(reason: string): void {
    this.reason = reason;
  }

  /** Why the engine does not answer, or undefined when it does. */
  trouble(): string | undefined {
    if (this.reason !== '') return this.reason;
    const stuck = this.served!.scheduler.stuckFor();
    return stuck > stuckAfterMs ? `no step was computed for ${Math.round(stuck / 1000)} s` : undefined;
  }

  /** @throws Problem 503 */
  need(): Served {
    const trouble = this.trouble();
    if (trouble !== undefined || this.served === undefined) throw notReady(trouble ?? 'the model is loading');
    return this.served;
  }

  /** For metrics, also while no requests are taken. */
  any(): Served | undefined {
    return this.served;
  }
}
