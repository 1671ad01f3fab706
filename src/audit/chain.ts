/** Chained lines as core/audit_chain.lua writes them: who has not the key cannot change, drop, move or add one unnoticed. */
import { createHmac, timingSafeEqual } from 'node:crypto';

const macBytes = 18;
const ending = /^(.*),"seq":(\d{1,15}),"mac":"([A-Za-z0-9+/]{24})"\}$/s;

/** 32 bytes for one purpose and one file. */
export const keyOf = (secret: string, purpose: 'chain' | 'sealed' | 'content', name: string): Buffer =>
  createHmac('sha256', secret).update(`${purpose}:${name}`).digest();

/** Where a chain stands: number and MAC of its last line; 0 and '' at its start. */
export interface Link {
  readonly seq: number;
  readonly mac: string;
}

export const start: Link = { seq: 0, mac: '' };

/** What is wrong with a line, as seen from the one before it. */
export type Fault =
  /** No line of ours. */
  | { readonly kind: 'unreadable' }
  /** Its text is not what was written. */
  | { readonly kind: 'changed' }
  /** So many lines before it are not there. */
  | { readonly kind: 'missing'; readonly lines: number }
  /** It stood elsewhere, or stands here twice. */
  | { readonly kind: 'moved' };

export interface Checked {
  readonly fault?: Fault;
  /** Where the chain stands after the line: mostly where the line says, so that one fault is told once. */
  readonly link: Link;
}

const macOf = (key: Buffer, before: string, text: string): string =>
  createHmac('sha256', key).update(before).update(text).digest().subarray(0, macBytes).toString('base64');

const equal = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

/** @param line without its newline */
export function check(key: Buffer, before: Link, line: string): Checked {
  const [, text, number, mac] = ending.exec(line) ?? [];
  if (text === undefined || mac === undefined) {
    return { fault: { kind: 'unreadable' }, link: before };
  }
  const link = { seq: Number(number), mac };
  if (link.seq <= before.seq) return { fault: { kind: 'moved' }, link: before };
  const missing = link.seq - before.seq - 1;
  if (missing > 0) return { fault: { kind: 'missing', lines: missing }, link };
  return equal(macOf(key, before.mac, `${text},"seq":${number}`), mac)
    ? { link }
    : { fault: { kind: 'changed' }, link };
}

/** @param text a JSON object without its closing brace */
export function chained(key: Buffer, before: Link, text: string): { readonly line: string; readonly link: Link } {
  const seq = before.seq + 1;
  const whole = `${text},"seq":${seq}`;
  const mac = macOf(key, before.mac, whole);
  return { line: `${whole},"mac":"${mac}"}\n`, link: { seq, mac } };
}
