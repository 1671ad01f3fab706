/** IPv4 ranges: 10.244.0.0/16. */

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** An address alone is a range of one. Undefined for what is none. */
export function rangeOf(text: string): Range | undefined {
  const [, address, bits = '32'] = /^(\d{1,3}(?:\.\d{1,3}){3})(?:\/(\d{1,2}))?$/.exec(text) ?? [];
  const bytes = address?.split('.').map(Number);
  if (!bytes || bytes.some((byte) => byte > 255) || Number(bits) > 32) return undefined;
  const size = 2 ** (32 - Number(bits));
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const from = Math.floor(value / size) * size;
  return { from, to: from + size - 1 };
}

export function overlap(one: string, other: string): boolean {
  const [a, b] = [rangeOf(one), rangeOf(other)];
  return a !== undefined && b !== undefined && a.from <= b.to && b.from <= a.to;
}

export function within(inner: string, outer: string): boolean {
  const [a, b] = [rangeOf(inner), rangeOf(outer)];
  return a !== undefined && b !== undefined && b.from <= a.from && a.to <= b.to;
}
