/** When the next request is due, without a clock: vegeta's Pacer. Another arrival pattern is another function. */

/** The run as it stands. */
export interface Moment {
  /** ms since the measurement began. */
  readonly elapsed: number;
  readonly sent: number;
  readonly inFlight: number;
  /** Failures since the last good answer. */
  readonly failedInRow: number;
}

export type Pace =
  | { readonly act: 'send' }
  /** Ask again when a request is over. */
  | { readonly act: 'hold' }
  /** Send no more; what is in flight runs to its end. */
  | { readonly act: 'stop'; readonly why: 'done' | 'gave_up' };

export type Pacer = (moment: Moment) => Pace;

export interface Closed {
  /** Requests in flight at any time. */
  readonly concurrency: number;
  readonly requests?: number;
  readonly durationMs?: number;
  /** So many failures in a row end the run: a server that refuses at once would be asked as fast as we can. */
  readonly giveUpAfter?: number;
}

/** Closed loop: the next request is sent when one is over, so a slow server is asked less. */
export function closed({
  concurrency,
  requests = Infinity,
  durationMs = Infinity,
  giveUpAfter = Infinity,
}: Closed): Pacer {
  return ({ elapsed, sent, inFlight, failedInRow }) => {
    if (failedInRow >= giveUpAfter) return { act: 'stop', why: 'gave_up' };
    if (sent >= requests || elapsed >= durationMs) return { act: 'stop', why: 'done' };
    return inFlight < concurrency ? { act: 'send' } : { act: 'hold' };
  };
}
