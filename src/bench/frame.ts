/**
 * The events of one stream differ in one string only: what stands around it is learned from one that was parsed, and
 * compared after that. A tenth of what JSON.parse costs, so the client takes less from a server on the same machine.
 */

const quote = 34;
const backslash = 92;
const control = 32;

const encoder = new TextEncoder();

export class Frame {
  constructor(
    readonly before: Uint8Array,
    readonly after: Uint8Array,
  ) {}

  /**
   * Where the event that begins at `from` ends, when it is this one with another text; else -1. It has no text when it
   * is as long as the frame.
   */
  match(bytes: Uint8Array, from: number): number {
    const { before, after } = this;
    if (from + before.length + after.length > bytes.length || !same(bytes, from, before)) return -1;
    const close = closing(bytes, from + before.length);
    if (close < 0 || close + after.length > bytes.length || !same(bytes, close, after)) return -1;
    return close + after.length;
  }

  get length(): number {
    return this.before.length + this.after.length;
  }
}

function same(bytes: Uint8Array, from: number, part: Uint8Array): boolean {
  // From the end: ids and indexes that change stand there as often as in front.
  for (let at = part.length - 1; at >= 0; at -= 1) if (bytes[from + at] !== part[at]) return false;
  return true;
}

/** The quote that ends the JSON string whose text begins here; -1 when a byte comes that no JSON string holds. */
function closing(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte === quote) return at;
    if (byte === backslash) at += 1;
    else if (byte < control) return -1;
  }
  return -1;
}

const probe = 'ds-frame-probe';

/**
 * The frame of an event around the string under `key` of its first choice's delta. That the string was found at the
 * right place is proved: with another text there, the event must parse to that text.
 * @param text an event's data, JSON
 */
export function frameOf(text: string, key: string): Frame | undefined {
  const found = new RegExp(`"${key}"\\s*:\\s*"`).exec(text);
  if (!found) return undefined;
  const from = found.index + found[0].length;
  const bytes = encoder.encode(text.slice(from));
  const close = closing(bytes, 0);
  if (close < 0) return undefined;
  const before = text.slice(0, from);
  const after = new TextDecoder().decode(bytes.subarray(close));
  if (textUnder(before + probe + after, key) !== probe) return undefined;
  return new Frame(encoder.encode(`data: ${before}`), encoder.encode(`${after}\n\n`));
}

function textUnder(text: string, key: string): unknown {
  try {
    const event = JSON.parse(text) as { choices?: { delta?: Record<string, unknown> }[] };
    return event.choices?.[0]?.delta?.[key];
  } catch {
    return undefined;
  }
}
