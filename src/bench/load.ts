/** Sends what the pacer says, stamps what comes back, hands over one sample a request. Effects: http and clock. */
import type { Clock, Http } from '../world.js';
import { Flight, type FlightPlan, micro } from './flight.js';
import type { Pacer } from './pace.js';
import type { EndLine, Sample } from './record.js';
import { Spread } from './spread.js';

export interface LoadPlan {
  readonly pacer: Pacer;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body of request `n`. */
  readonly body: (n: number) => string;
  /** For a whole answer, in ms. */
  readonly timeoutMs: number;
  /** The number of the first request. */
  readonly first?: number;
  /** Marks the samples as warm-up. */
  readonly warm?: boolean;
  /** The stamp that every sample's `at` counts from. Default: now. */
  readonly epoch?: number;
}

/** How often timeouts are looked for and the client's own lateness is sampled, in ms. */
const tickMs = 20;

class Load {
  readonly #flights = new Set<Flight>();
  readonly #lag = new Spread();
  readonly #idle = new AbortController();
  readonly #begun: number;
  readonly #flight: FlightPlan;
  #sent = 0;
  #failedInRow = 0;
  #why: EndLine['why'] | undefined;
  #pumping = false;
  #settle: () => void = () => {};

  constructor(
    readonly world: { readonly http: Http; readonly clock: Clock },
    readonly plan: LoadPlan,
    readonly onSample: (sample: Sample) => void,
    readonly signal: AbortSignal,
  ) {
    this.#begun = world.clock.monotonic();
    const { warm = false, timeoutMs, epoch = this.#begun } = plan;
    this.#flight = { warm, timeoutMs, epoch };
  }

  async run(): Promise<EndLine> {
    const interrupt = (): void => {
      this.#why = 'interrupted';
      for (const flight of this.#flights) flight.end('cut');
      this.#over();
    };
    const settled = new Promise<void>((resolve) => {
      this.#settle = resolve;
    });
    if (this.signal.aborted) interrupt();
    else this.signal.addEventListener('abort', interrupt, { once: true });
    const watching = this.#watch();
    this.#pump();
    try {
      await settled;
    } finally {
      this.signal.removeEventListener('abort', interrupt);
      this.#idle.abort();
      await watching;
    }
    const ms = (p: number): number => (this.#lag.n > 0 ? micro(this.#lag.quantile(p)) : 0);
    return { kind: 'end', why: this.#why ?? 'done', lag: { p50: ms(0.5), p99: ms(0.99), max: ms(1) } };
  }

  /** Sends while the pacer says so. A request that fails at once calls back in here: the outer loop goes on. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#why === undefined) {
      const pace = this.plan.pacer({
        elapsed: this.world.clock.monotonic() - this.#begun,
        sent: this.#sent,
        inFlight: this.#flights.size,
        failedInRow: this.#failedInRow,
      });
      if (pace.act === 'hold') break;
      if (pace.act === 'stop') this.#why = pace.why;
      else this.#send();
    }
    this.#pumping = false;
    this.#over();
  }

  #over(): void {
    if (this.#why !== undefined && this.#flights.size === 0) this.#settle();
  }

  #send(): void {
    const n = (this.plan.first ?? 0) + this.#sent;
    this.#sent += 1;
    const body = this.plan.body(n);
    const flight = new Flight(n, this.world.clock.monotonic(), this.#landed);
    this.#flights.add(flight);
    const { url, headers } = this.plan;
    this.world.http.stream({ method: 'POST', url, headers, body, timeoutMs: 0, signal: flight.signal }, flight);
  }

  readonly #landed = (flight: Flight, at: number, error: Error | undefined): void => {
    this.#flights.delete(flight);
    const sample = flight.sample(at, error, this.#flight);
    if (sample.failure) this.#failedInRow += 1;
    else if (!sample.cut) this.#failedInRow = 0;
    this.onSample(sample);
    this.#pump();
  };

  /** Requests lie in the order they were sent, and all have the same time: the first that may go on ends the look. */
  async #watch(): Promise<void> {
    const { clock } = this.world;
    while (!this.#idle.signal.aborted) {
      const due = clock.monotonic() + tickMs;
      await clock.sleep(tickMs, this.#idle.signal).catch(() => {});
      const now = clock.monotonic();
      if (this.#idle.signal.aborted) return;
      this.#lag.add(Math.max(0, now - due));
      for (const flight of this.#flights) {
        if (now - flight.start < this.plan.timeoutMs) break;
        flight.end('timeout');
      }
    }
  }
}

/**
 * Runs until the pacer stops and the last request is over; an aborted signal ends those in flight (`cut`).
 * @param onSample called in the order the requests end; must be quick
 */
export const load = (
  world: { readonly http: Http; readonly clock: Clock },
  plan: LoadPlan,
  onSample: (sample: Sample) => void,
  signal: AbortSignal,
): Promise<EndLine> => new Load(world, plan, onSample, signal).run();
