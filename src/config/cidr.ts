/** Ranges of IPv4 addresses. */
export interface Range {
  readonly from: number;
  /** The last one, included. */
  readonly to: number;
}

/** As a number; undefined for what is no IPv4 address. */
export function addressNumber(text: string): number | undefined {
  const parts = text.split('.');
  const bytes = parts.map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  if (bytes.length !== 4 || bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** '10.244.0.0/16'; bits behind the prefix do not matter. Undefined for what is no range. */
export function rangeOf(text: string): Range | undefined {
  const [address = '', bits = ''] = text.split('/');
  const from = addressNumber(address);
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : 33;
  if (from === undefined || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  const first = Math.floor(from / size) * size;
  return { from: first, to: first + size - 1 };
}

export const overlap = (a: Range, b: Range): boolean => a.from <= b.to && b.from <= a.to;
