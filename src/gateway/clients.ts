/** OAuth2 clients as values: made, given another secret, revoked, shown. */
import { hashKey, type KeyState } from './keys.js';
import type { OwnLimits } from './limits.js';
import { type Client, oauthOptions } from './oauth.js';
import { next, type Settings } from './settings.js';

export interface NewClient {
  readonly name: string;
  readonly tenant?: string;
  readonly models?: readonly string[];
  readonly limits?: OwnLimits;
  readonly expiresAt?: number;
}

/** 'cs-' and 43 characters of base64url. */
const secretOf = (bytes: Uint8Array): string => `cs-${Buffer.from(bytes.subarray(0, 32)).toString('base64url')}`;

/**
 * @param bytes 38 random bytes: 32 make the secret, 6 the public id
 * @param now seconds since 1970
 */
export function makeClient(
  bytes: Uint8Array,
  pepper: string,
  wanted: NewClient,
  now: number,
): { secret: string; client: Client } {
  const secret = secretOf(bytes);
  const client: Client = {
    id: `client_${Buffer.from(bytes.subarray(32, 38)).toString('hex')}`,
    name: wanted.name,
    hash: hashKey(pepper, secret),
    epoch: 1,
    tenant: wanted.tenant ?? 'default',
    ...(wanted.models ? { models: wanted.models } : {}),
    ...(wanted.limits ? { limits: wanted.limits } : {}),
    createdAt: now,
    ...(wanted.expiresAt === undefined ? {} : { expiresAt: wanted.expiresAt }),
  };
  return { secret, client };
}

/**
 * Another secret. With `keepS` of 0 the old one and every token it got end at once.
 * @param bytes 32 random bytes
 * @param keepS how long the old secret is still taken, in seconds
 */
export function rotateClient(
  client: Client,
  bytes: Uint8Array,
  pepper: string,
  now: number,
  keepS: number,
): { secret: string; client: Client } {
  const secret = secretOf(bytes);
  const { previous: _, ...rest } = client;
  const rotated: Client =
    keepS > 0
      ? { ...rest, hash: hashKey(pepper, secret), previous: { hash: client.hash, endsAt: now + keepS } }
      : { ...rest, hash: hashKey(pepper, secret), epoch: client.epoch + 1 };
  return { secret, client: rotated };
}

/** Adds the client, or puts it in the place of the one with its id. @param name of the deployment */
export function withClient(settings: Settings, client: Client, name: string): Settings {
  const { clients = [], oauth = oauthOptions(name) } = settings;
  const known = clients.some(({ id }) => id === client.id);
  const all = known ? clients.map((one) => (one.id === client.id ? client : one)) : [...clients, client];
  return next(settings, { clients: all, oauth });
}

/** The revoked client stays in the list, for the lists and the audit log; its secret and its tokens are refused. */
export const withoutClient = (settings: Settings, id: string, now: number): Settings =>
  next(settings, {
    clients: (settings.clients ?? []).map((client) => (client.id === id ? { ...client, revokedAt: now } : client)),
  });

export const clientState = (client: Client, now: number): KeyState =>
  client.revokedAt !== undefined
    ? 'revoked'
    : client.expiresAt !== undefined && client.expiresAt <= now
      ? 'expired'
      : 'active';

const iso = (seconds: number | undefined): string | null =>
  seconds === undefined ? null : new Date(seconds * 1000).toISOString();

/** What `clients list --json` shows: no hash. */
export const clientView = (client: Client, now: number) => ({
  id: client.id,
  name: client.name,
  tenant: client.tenant,
  models: client.models ?? null,
  limits: client.limits ?? null,
  state: clientState(client, now),
  createdAt: iso(client.createdAt),
  expiresAt: iso(client.expiresAt),
  revokedAt: iso(client.revokedAt),
  oldSecretEndsAt: client.previous && client.previous.endsAt > now ? iso(client.previous.endsAt) : null,
});
