/** One request on its way: stamps first, then work; a sample at the end. */
import type { StreamHandler } from '../world.js';
import { AnswerReader, errorWords } from './answer.js';
import type { Failure, Sample } from './record.js';

/** Of a refusal's body, which nobody reads to its end. */
const bodyLimit = 4096;

class Ended extends Error {
  constructor(readonly how: 'timeout' | 'cut') {
    super(how);
  }
}

export interface FlightPlan {
  readonly warm: boolean;
  readonly timeoutMs: number;
  /** The stamp that `at` counts from. */
  readonly epoch: number;
}

export class Flight implements StreamHandler {
  readonly #reader = new AnswerReader();
  readonly #abort = new AbortController();
  #sent: number | undefined;
  #head: number | undefined;
  #status: number | undefined;
  #streams = false;
  #words = '';

  constructor(
    readonly n: number,
    readonly start: number,
    readonly over: (flight: Flight, at: number, error: Error | undefined) => void,
  ) {}

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  end(how: 'timeout' | 'cut'): void {
    this.#abort.abort(new Ended(how));
  }

  onSent(at: number): void {
    this.#sent = at - this.start;
  }

  onHeaders(status: number, headers: Readonly<Record<string, string>>, at: number): void {
    this.#head = at - this.start;
    this.#status = status;
    this.#streams = status === 200 && (headers['content-type'] ?? '').startsWith('text/event-stream');
  }

  onData(chunk: Uint8Array, at: number): void {
    if (this.#streams) this.#reader.push(chunk, at - this.start);
    else if (this.#words.length < bodyLimit) this.#words += new TextDecoder().decode(chunk.subarray(0, bodyLimit));
  }

  onEnd(at: number): void {
    this.#reader.end();
    this.over(this, at, undefined);
  }

  onError(error: Error, at: number): void {
    this.over(this, at, error);
  }

  sample(at: number, error: Error | undefined, plan: FlightPlan): Sample {
    const { chunks, counts, finish } = this.#reader;
    const cut = error instanceof Ended && error.how === 'cut';
    const failure = cut ? undefined : this.#failure(error, plan.timeoutMs);
    return {
      kind: 'request',
      n: this.n,
      ...(plan.warm ? { warm: true } : {}),
      at: micro(this.start - plan.epoch),
      ...(this.#sent === undefined ? {} : { sent: micro(this.#sent) }),
      ...(this.#head === undefined ? {} : { head: micro(this.#head) }),
      end: micro(at - this.start),
      ...(this.#status === undefined ? {} : { status: this.#status }),
      chunks,
      ...counts,
      ...(finish === undefined ? {} : { finish }),
      ...(failure ? { failure } : {}),
      ...(cut ? { cut } : {}),
    };
  }

  #failure(error: Error | undefined, timeoutMs: number): Failure | undefined {
    const said = this.#reader.failure;
    if (error instanceof Ended) return said ?? { cause: 'timeout', detail: `not whole after ${timeoutMs} ms` };
    if (this.#status !== undefined && this.#status !== 200) {
      return { cause: `http.${this.#status}`, detail: refusal(this.#words) };
    }
    // What broke after the last word took nothing away.
    if (error && !(this.#reader.done && this.#reader.finish !== undefined)) {
      if (said && said.cause !== 'truncated') return said;
      return { cause: this.#sent === undefined ? 'connect' : 'reset', detail: errorWords(error) };
    }
    if (!this.#streams) return { cause: 'not_sse', detail: refusal(this.#words) };
    return said;
  }
}

/** Thousandths of a ms are all that a stamp is good for. */
export const micro = (ms: number): number => Math.round(ms * 1000) / 1000;

function refusal(body: string): string {
  try {
    const value = JSON.parse(body) as { error?: unknown } | null;
    return errorWords(value?.error ?? value);
  } catch {
    return errorWords(body);
  }
}
