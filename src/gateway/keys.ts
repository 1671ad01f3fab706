import { createHmac } from 'node:crypto';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import { makeCredential, type NewCredential } from './credential.js';
import type { Key } from './settings.js';

/** Base64url characters that `n` random bytes make. */
const word = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** A secret of 256 random bits or more, e.g. a pepper or the admin key. */
export const makeSecret = (bytes: Uint8Array): string => word(bytes);

/** What the gateway stores and looks up: lower-case hex HMAC-SHA256 of the whole key, 'sk-' included. */
export const hashKey = (pepper: string, secret: string): string =>
  createHmac('sha256', pepper).update(secret).digest('hex');

/**
 * @param bytes 38 random bytes: 32 make the secret, 6 the public id
 * @param now seconds since 1970
 */
export function makeKey(
  bytes: Uint8Array,
  pepper: string,
  wanted: NewCredential,
  now: number,
): { secret: string; key: Key } {
  const secret = `sk-${word(bytes.subarray(0, 32))}`;
  return { secret, key: makeCredential('key', bytes.subarray(32, 38), hashKey(pepper, secret), wanted, now) };
}

const units: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86400, w: 604800 };

/**
 * '90d', '12h', '30m', '2w' from now, or a date ('2027-01-31', ISO 8601 with a time too), to seconds since 1970.
 * @throws UserError `keys.expiry` for anything else and for the past.
 */
export function parseExpiry(text: string, now: number): number {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const date = /^\d{4}-\d\d-\d\d(T.+)?$/.test(text) ? Math.floor(Date.parse(text) / 1000) : Number.NaN;
  const at = count ? now + Number(count) * units[unit!]! : date;
  if (at > now) return at;
  throw new UserError(
    'keys.expiry',
    Number.isNaN(at)
      ? say(`'${text}' is not a time to expire at.`, `“${text}”不是有效的到期时间。`)
      : say(`'${text}' is in the past.`, `“${text}”已经过去了。`),
    { hint: say('Examples: 12h, 90d, 2027-01-31', '例如：12h、90d、2027-01-31'), exit: 'usage' },
  );
}
