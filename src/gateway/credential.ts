/** What API keys and OAuth2 clients have in common: a public id, the hash of a secret, a tenant, limits and an end. */
import type { OwnLimits } from './limits.js';

export interface NewCredential {
  readonly name: string;
  readonly tenant?: string;
  readonly models?: readonly string[];
  readonly limits?: OwnLimits;
  readonly expiresAt?: number;
}

export interface Credential extends NewCredential {
  /** Public: 'key_' or 'client_' and 12 hex digits; this is what logs and lists show. */
  readonly id: string;
  /** Lower-case hex HMAC-SHA256 of the secret with the gateway's pepper. */
  readonly hash: string;
  readonly tenant: string;
  /** Model ids it may use; absent: all. */
  readonly models?: readonly string[];
  /** Seconds since 1970, as all times here. */
  readonly createdAt: number;
  readonly revokedAt?: number;
}

/** @param id 6 random bytes; @param now seconds since 1970 */
export const makeCredential = (
  kind: 'key' | 'client',
  id: Uint8Array,
  hash: string,
  wanted: NewCredential,
  now: number,
): Credential => ({
  id: `${kind}_${Buffer.from(id).toString('hex')}`,
  name: wanted.name,
  hash,
  tenant: wanted.tenant ?? 'default',
  ...(wanted.models ? { models: wanted.models } : {}),
  ...(wanted.limits ? { limits: wanted.limits } : {}),
  createdAt: now,
  ...(wanted.expiresAt === undefined ? {} : { expiresAt: wanted.expiresAt }),
});

export const credentialState = (
  { revokedAt, expiresAt }: Pick<Credential, 'revokedAt' | 'expiresAt'>,
  now: number,
): 'active' | 'expired' | 'revoked' =>
  revokedAt !== undefined ? 'revoked' : expiresAt !== undefined && expiresAt <= now ? 'expired' : 'active';

export const iso = (seconds: number | undefined): string | null =>
  seconds === undefined ? null : new Date(seconds * 1000).toISOString();

/** What `keys list --json` shows, and with more `clients list --json`: no hash. */
export const credentialView = (one: Credential, now: number) => ({
  id: one.id,
  name: one.name,
  tenant: one.tenant,
  models: one.models ?? null,
  limits: one.limits ?? null,
  state: credentialState(one, now),
  createdAt: iso(one.createdAt),
  expiresAt: iso(one.expiresAt),
  revokedAt: iso(one.revokedAt),
});
