import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether an Authorization header carries the key; everybody may when there is none. Takes the same time for any guess. */
export function allowed(authorization: string | undefined, key: string | undefined): boolean {
  if (key === undefined) return true;
  const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return given !== undefined && timingSafeEqual(digest(given), digest(key));
}
