/** OAuth2 clients as values: made, given another secret, revoked, shown. */
import { credentialView, iso, makeCredential, type NewCredential } from './credential.js';
import { hashKey } from './keys.js';
import { type Client, oauthOptions } from './oauth.js';
import { next, type Settings } from './settings.js';

/** 'cs-' and 43 characters of base64url. */
const secretOf = (bytes: Uint8Array): string => `cs-${Buffer.from(bytes.subarray(0, 32)).toString('base64url')}`;

/**
 * @param bytes 38 random bytes: 32 make the secret, 6 the public id
 * @param now seconds since 1970
 */
export function makeClient(
  bytes: Uint8Array,
  pepper: string,
  wanted: NewCredential,
  now: number,
): { secret: string; client: Client } {
  const secret = secretOf(bytes);
  const made = makeCredential('client', bytes.subarray(32, 38), hashKey(pepper, secret), wanted, now);
  return { secret, client: { ...made, epoch: 1 } };
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

/** What `clients list --json` shows: no hash. */
export const clientView = (client: Client, now: number) => ({
  ...credentialView(client, now),
  oldSecretEndsAt: client.previous && client.previous.endsAt > now ? iso(client.previous.endsAt) : null,
});
