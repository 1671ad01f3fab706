/** POST /oauth2/token: RFC 6749's client credentials, by form body and HTTP Basic, and its errors. */
import { beforeAll, describe, expect, it } from 'vitest';
import { onBoth } from './both.js';
import { basic, clientSecret, decoded, form, oauthSettings, signingKey, testClient, useKeys } from './oauth-client.js';

const { id } = testClient();
const grant = { grant_type: 'client_credentials' };
const full = { ...grant, client_id: id, client_secret: clientSecret };

const clients = [
  testClient(),
  testClient({ id: 'client_one_model', models: ['m'] }),
  testClient({ id: 'client_revoked', revokedAt: 1 }),
  testClient({ id: 'client_expired', expiresAt: 1_700_000_001 }),
  testClient({ id: 'client_rotated', previous: { hash: testClient({}, 'cs-old').hash, endsAt: 4e9 } }),
  testClient({ id: 'client_late', previous: { hash: testClient({}, 'cs-old').hash, endsAt: 1_700_000_001 } }),
  testClient({ id: 'client:odd' }, 'a%b:c d+e'),
];

onBoth('the token endpoint', { settings: (peers) => oauthSettings(peers, clients) }, (both) => {
  beforeAll(async () => {
    await useKeys(both.gateway, { current: signingKey });
  });

  it('answers with a signed token of 24 h that no cache may keep', async () => {
    const response = await form(both.gateway, full);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('pragma')).toBe('no-cache');
    expect(response.headers.get('content-type')).toBe('application/json');
    const answer = (await response.json()) as Record<string, string>;
    expect(answer).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 86_400,
      scope: 'model:*',
    });
    const { header, claims } = decoded(answer.access_token!);
    expect(header).toEqual({ alg: 'HS256', typ: 'at+jwt', kid: signingKey.kid });
    expect(claims).toMatchObject({ iss: 'urn:deepseek-deploy:tests', aud: 'deepseek-api', sub: id, tenant: 'apps' });
    const { iat, nbf, exp, jti } = claims as Record<string, number>;
    expect([nbf! - iat!, exp! - iat!]).toEqual([0, 86_400]);
    expect(Math.abs(iat! - Date.now() / 1000)).toBeLessThan(5);
    expect(String(jti)).toMatch(/^[\w-]{22}$/);
  });

  it('gives every token another jti', async () => {
    const tokens = await Promise.all(
      [1, 2, 3].map(
        async () => ((await (await form(both.gateway, full)).json()) as { access_token: string }).access_token,
      ),
    );
    expect(new Set(tokens.map((token) => decoded(token).claims.jti)).size).toBe(3);
  });

  it.each([
    [id, clientSecret],
    ['client_rotated', 'cs-old'],
    ['client:odd', 'a%b:c d+e'],
  ])('takes HTTP Basic, form-encoded inside: %s', async (name, secret) => {
    const response = await form(both.gateway, grant, { authorization: basic(name, secret) });
    expect(await response.json()).toMatchObject({ token_type: 'Bearer' });
  });

  it('narrows the scope to what was asked for', async () => {
    const response = await form(both.gateway, { ...full, scope: 'model:n' });
    expect(await response.json()).toMatchObject({ scope: 'model:n' });
    const tidied = await form(both.gateway, { ...full, scope: 'model:n  model:m model:n' });
    expect(await tidied.json()).toMatchObject({ scope: 'model:m model:n' });
  });

  it('writes one audit line, with the client and never with a secret', async () => {
    const response = await form(both.gateway, full, { 'x-request-id': 'token-1' });
    const { access_token } = (await response.json()) as { access_token: string };
    const line = await both.gateway.auditOf('token-1');
    expect(line).toMatchObject({ route: 'token', key: id, tenant: 'apps', status: 200, outcome: 'complete' });
    await form(both.gateway, { ...full, client_secret: 'cs-guess' }, { 'x-request-id': 'token-2' });
    expect(await both.gateway.auditOf('token-2')).toMatchObject({ key: null, status: 401, code: 'invalid_client' });
    const all = JSON.stringify(await both.gateway.audit()) + both.gateway.log();
    for (const secret of [clientSecret, access_token, 'cs-guess']) expect(all).not.toContain(secret);
  });

  const bad = { 'content-type': 'application/json' };
  const authorization = basic(id, clientSecret);
  describe.each<[string, Record<string, string> | string, Record<string, string>, string]>([
    ['no grant type', { client_id: id, client_secret: clientSecret }, {}, 'invalid_request'],
    ['an empty grant type', { ...full, grant_type: '' }, {}, 'invalid_request'],
    ['a parameter twice', `${new URLSearchParams(full)}&grant_type=x`, {}, 'invalid_request'],
    ['JSON', JSON.stringify(full), bad, 'invalid_request'],
    ['an empty body', '', {}, 'invalid_request'],
    ['too many parameters', Array.from({ length: 20 }, (_, i) => `p${i}=1`).join('&'), {}, 'invalid_request'],
    ['two ways at once', full, { authorization }, 'invalid_request'],
    ['two ids', { ...grant, client_id: 'client_one_model' }, { authorization }, 'invalid_request'],
    ['another grant type', { ...full, grant_type: 'password' }, {}, 'unsupported_grant_type'],
    ['an unknown scope', { ...full, scope: 'admin' }, {}, 'invalid_scope'],
    ['an unknown model', { ...full, scope: 'model:m model:x' }, {}, 'invalid_scope'],
    ['a model beyond', { ...full, client_id: 'client_one_model', scope: 'model:n' }, {}, 'invalid_scope'],
    ['all models, of one', { ...full, client_id: 'client_one_model', scope: 'model:*' }, {}, 'invalid_scope'],
    ['no client', grant, {}, 'invalid_client'],
    ['no secret', { ...grant, client_id: id }, {}, 'invalid_client'],
    ['a wrong secret', { ...full, client_secret: 'cs-of-the-test' }, {}, 'invalid_client'],
    ['an unknown client', { ...full, client_id: 'client_2' }, {}, 'invalid_client'],
    ['a revoked client', { ...full, client_id: 'client_revoked' }, {}, 'invalid_client'],
    ['an expired client', { ...full, client_id: 'client_expired' }, {}, 'invalid_client'],
    [
      'an old secret after its time',
      { ...full, client_id: 'client_late', client_secret: 'cs-old' },
      {},
      'invalid_client',
    ],
    ['the hash as the secret', { ...full, client_secret: testClient().hash }, {}, 'invalid_client'],
    ['Basic that is not base64', grant, { authorization: 'Basic %%%' }, 'invalid_client'],
    ['Basic without a colon', grant, { authorization: `Basic ${btoa('x')}` }, 'invalid_client'],
    ['a bearer', grant, { authorization: 'Bearer sk-of-the-tests' }, 'invalid_client'],
  ])('%s', (_, fields, headers, error) => {
    it(`is ${error}`, async () => {
      const response = await form(both.gateway, fields, headers);
      expect(await response.json()).toEqual({ error, error_description: expect.any(String) });
      expect(response.status).toBe(error === 'invalid_client' ? 401 : 400);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('www-authenticate')?.startsWith('Basic realm=') ?? false).toBe(
        error === 'invalid_client',
      );
    });
  });

  it('reads no large body', async () => {
    const response = await form(both.gateway, { ...full, more: 'x'.repeat(9000) });
    expect([response.status, (await response.json()) as object]).toMatchObject([413, { error: {} }]);
  });

  it('is asked by POST alone, and its parameters are not read from the URL', async () => {
    expect((await fetch(`${both.gateway.url}/oauth2/token`)).status).toBe(405);
    const url = `${both.gateway.url}/oauth2/token?${new URLSearchParams(full)}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await fetch(url, { method: 'POST', headers, body: 'a=b' })).status).toBe(400);
  });
});
