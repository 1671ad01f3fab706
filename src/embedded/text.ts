/** How many bytes at the end begin a code point that is not whole yet. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return size > back ? back : 0;
  }
  return 0;
}

/** Joins the bytes of tokens to text: a code point is never handed on in parts; what is no UTF-8 becomes U+FFFD. */
export class Utf8Joiner {
  private pending: Uint8Array = new Uint8Array(0);

  /** @param piece text where the token is whole UTF-8 by itself, else its bytes. */
  push(piece: string | Uint8Array): string {
    if (typeof piece === 'string') return this.pending.length === 0 ? piece : this.flush() + piece;
    const bytes = Buffer.concat([this.pending, piece]);
    const end = bytes.length - unfinished(bytes);
    this.pending = bytes.subarray(end);
    return bytes.toString('utf8', 0, end);
  }

  /** What is left of a code point that never became whole. */
  flush(): string {
    const { pending } = this;
    this.pending = new Uint8Array(0);
    return pending.length === 0 ? '' : '\ufffd';
  }
}

/** How many characters at the end of the text could be the beginning of the mark; the mark itself is not in the text. */
export function begun(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}

/** Finds stop strings in text that comes in parts; what could be the beginning of one is held back. */
export class StopFinder {
  private held = '';
  found = false;

  constructor(private readonly stops: readonly string[]) {}

  push(text: string): string {
    if (this.stops.length === 0) return text;
    const all = this.held + text;
    let first = -1;
    for (const stop of this.stops) {
      const at = all.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) first = at;
    }
    if (first >= 0) {
      this.found = true;
      this.held = '';
      return all.slice(0, first);
    }
    const keep = Math.max(...this.stops.map((stop) => begun(all, stop)));
    this.held = all.slice(all.length - keep);
    return all.slice(0, all.length - keep);
  }

  /** What was held back, at the end of the answer. */
  flush(): string {
    const { held } = this;
    this.held = '';
    return held;
  }
}
