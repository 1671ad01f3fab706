import type { Sink } from '../world.js';
import { type Line, ndjson } from './record.js';

/** A line is some hundred bytes. */
const linesAtOnce = 256;

/** Lines go to memory first and to the file in large pieces: writing must not hold up whoever stamps what arrives. */
export class Keeper {
  #lines: string[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(readonly sink: Sink) {}

  add(line: Line): void {
    this.#lines.push(ndjson(line));
    if (this.#lines.length >= linesAtOnce) this.#flush();
  }

  /** Rejects with the first error of any write: a full disk. */
  async close(): Promise<void> {
    this.#flush();
    await this.#writing.finally(() => this.sink.close());
  }

  #flush(): void {
    const bytes = new TextEncoder().encode(this.#lines.join(''));
    this.#lines = [];
    this.#writing = this.#writing.then(() => this.sink.write(bytes));
    // It is told by close(), not as an unhandled rejection in the middle of the run.
    this.#writing.catch(() => {});
  }
}
