/** Ranges and addresses of IPv4 as texts; what is none of both never overlaps anything. */
import { addressNumber, overlap, type Range, rangeOf } from '../config/cidr.js';

/** An address alone is a range of one. */
const read = (text: string): Range | undefined => rangeOf(text.includes('/') ? text : `${text}/32`);

export const isAddress = (text: string): boolean => addressNumber(text) !== undefined;

export function overlapping(one: string, other: string): boolean {
  const [a, b] = [read(one), read(other)];
  return a !== undefined && b !== undefined && overlap(a, b);
}

export function within(inner: string, outer: string): boolean {
  const [a, b] = [read(inner), read(outer)];
  return a !== undefined && b !== undefined && b.from <= a.from && a.to <= b.to;
}
