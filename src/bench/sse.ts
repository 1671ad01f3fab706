/** Server-sent events as the WHATWG standard parses them, over bytes: a character may be cut between two reads. */

const LF = 10;
const CR = 13;
const space = 32;
const colon = 58;
const nothing = new Uint8Array();

/** Bytes of `data:`. */
const isData = (line: Uint8Array): boolean =>
  line.length >= 4 &&
  line[0] === 100 &&
  line[1] === 97 &&
  line[2] === 116 &&
  line[3] === 97 &&
  (line.length === 4 || line[4] === colon);

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/**
 * Calls `onEvent` with the data of each event (UTF-8, several data lines joined by LF) as soon as its empty line was
 * seen. The bytes are only good during the call. Comments, `id`, `event` and `retry` are passed over.
 */
export class SseReader {
  #rest = nothing;
  #data: Uint8Array | undefined;
  #atStart = true;
  /** The last chunk ended in CR: an LF that comes first in the next belongs to it. */
  #afterCr = false;

  constructor(readonly onEvent: (data: Uint8Array) => void) {}

  /** Nothing is begun: what comes next is the beginning of a line, and of an event. */
  get idle(): boolean {
    return this.#rest.length === 0 && this.#data === undefined;
  }

  push(chunk: Uint8Array): void {
    const text = this.#rest.length === 0 ? chunk : join(this.#rest, chunk);
    // Only the new part can hold a line's end.
    let look = this.#rest.length;
    let from = 0;
    if (this.#afterCr && chunk.length > 0) {
      this.#afterCr = false;
      if (chunk[0] === LF) {
        from = 1;
        look = 1;
      }
    }
    const carriage = text.indexOf(CR, look) >= 0;
    for (;;) {
      const end = carriage ? lineEnd(text, look) : text.indexOf(LF, look);
      if (end < 0) break;
      this.#line(text.subarray(from, end));
      from = end + 1;
      if (text[end] === CR) {
        if (from === text.length) this.#afterCr = true;
        else if (text[from] === LF) from += 1;
      }
      look = from;
    }
    // Copies: the reader's buffer may be used again once we return.
    this.#rest = from === text.length ? nothing : text.slice(from);
    if (this.#data !== undefined) this.#data = this.#data.slice();
  }

  /** An answer whose last empty line is missing still counts: many servers close right after `[DONE]`. */
  end(): void {
    if (this.#rest.length > 0) this.#line(this.#rest);
    this.#rest = nothing;
    this.#dispatch();
  }

  #line(raw: Uint8Array): void {
    const line = this.#atStart && isBom(raw) ? raw.subarray(3) : raw;
    this.#atStart = false;
    if (line.length === 0) this.#dispatch();
    else if (isData(line)) {
      const value = line.subarray(line[5] === space ? 6 : 5);
      this.#data = this.#data === undefined ? value : join(join(this.#data, Uint8Array.of(LF)), value);
    }
  }

  #dispatch(): void {
    const data = this.#data;
    this.#data = undefined;
    if (data !== undefined) this.onEvent(data);
  }
}

const isBom = (line: Uint8Array): boolean => line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf;

function lineEnd(text: Uint8Array, from: number): number {
  for (let at = from; at < text.length; at += 1) if (text[at] === LF || text[at] === CR) return at;
  return -1;
}
