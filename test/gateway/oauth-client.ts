/** A client, its settings and its tokens, for the tests of OAuth2; a forger of tokens too. */
import { createHmac } from 'node:crypto';
import { putTokenKeys, tokenKeysOf } from '../../src/gateway/admin.js';
import { hashKey } from '../../src/gateway/keys.js';
import { type Client, oauthOptions, type SigningKey, type TokenKeys } from '../../src/gateway/oauth.js';
import type { Peer, Settings } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import { type Gateway, secrets, testSettings } from './harness.js';

export const clientSecret = 'cs-of-the-tests';

export const testClient = (more: Partial<Client> = {}, secret = clientSecret): Client => ({
  id: 'client_000000000001',
  name: 'app',
  hash: hashKey(secrets.pepper, secret),
  epoch: 1,
  tenant: 'apps',
  createdAt: 1_700_000_000,
  ...more,
});

export const signingKey: SigningKey = { kid: 'key-a', secret: 'a'.repeat(43) };
export const otherKey: SigningKey = { kid: 'key-b', secret: 'b'.repeat(43) };

/** Models 'm' and 'n' by the same peers. */
export const oauthSettings = (peers: readonly Peer[], clients: readonly Client[] = [testClient()]): Settings => ({
  ...testSettings(peers),
  models: ['m', 'n'].map((id) => ({ id, versions: [{ name: 'blue', weight: 100, peers }] })),
  clients,
  oauth: oauthOptions('tests'),
});

let version = 0;

/** Puts signing keys; the version is always a higher one. */
export async function useKeys(gateway: Gateway, keys: Omit<TokenKeys, 'version'>): Promise<readonly string[]> {
  version += 1;
  return (await tokenKeysOf(await systemHttp.request(putTokenKeys(gateway.admin, { version, ...keys })))).kids;
}

export const basic = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;

export const form = (gateway: Gateway, fields: Record<string, string> | string, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
  });

export async function tokenOf(gateway: Gateway, more: Record<string, string> = {}, id = testClient().id) {
  const grant = { grant_type: 'client_credentials', client_id: id, client_secret: clientSecret };
  const response = await form(gateway, { ...grant, ...more });
  const answer = (await response.json()) as { access_token: string; scope: string };
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer.access_token;
}

/** Asks the engine behind the gateway with a token: status and error code. */
export async function ask(gateway: Gateway, token: string, model = 'm'): Promise<{ status: number; code?: string }> {
  const body = { model, messages: [{ role: 'user', content: 'hi' }] };
  const response = await gateway.post(body, { headers: { authorization: `Bearer ${token}` } });
  const answer = (await response.json()) as { error?: { code: string } };
  return { status: response.status, ...(answer.error ? { code: answer.error.code } : {}) };
}

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export const decoded = (token: string): { header: Record<string, unknown>; claims: Record<string, unknown> } => {
  const [header, claims] = token
    .split('.')
    .slice(0, 2)
    .map((text) => JSON.parse(Buffer.from(text, 'base64url').toString()));
  return { header, claims };
};

/** A token signed with the key, whatever its header says. `hash` 'none' leaves the signature empty. */
export function forge(header: unknown, claims: unknown, key: SigningKey, hash = 'sha256'): string {
  const text = `${part(header)}.${part(claims)}`;
  if (hash === 'none') return `${text}.`;
  return `${text}.${createHmac(hash, Buffer.from(key.secret, 'base64url')).update(text).digest('base64url')}`;
}

/** The header the gateway writes, with its keys in the gateway's order. */
export const headerOf = (key: SigningKey) => ({ alg: 'HS256', typ: 'at+jwt', kid: key.kid });
