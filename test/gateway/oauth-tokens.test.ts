/** Access tokens as callers show them: what is let in, and every way of making one that is not ours. */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { getTokenKeys, tokenKeysOf } from '../../src/gateway/admin.js';
import { rotateClient, withClient, withoutClient } from '../../src/gateway/clients.js';
import { readSettings } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import { onBoth } from './both.js';
import { secrets, until } from './harness.js';
import {
  ask,
  clientSecret,
  decoded,
  forge,
  form,
  headerOf,
  oauthSettings,
  otherKey,
  signingKey,
  testClient,
  tokenOf,
  useKeys,
} from './oauth-client.js';

const now = (): number => Math.floor(Date.now() / 1000);
const random = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32));
const invalid = { status: 401, code: 'invalid_token' };
const expired = { status: 401, code: 'expired_token' };

const claims = () => ({
  iss: 'urn:deepseek-deploy:tests',
  aud: 'deepseek-api',
  sub: testClient().id,
  tenant: 'apps',
  scope: 'model:*',
  epoch: 1,
  iat: now(),
  nbf: now(),
  exp: now() + 60,
});

const clients = [
  testClient(),
  testClient({ id: 'client_of_m', models: ['m'] }),
  testClient({ id: 'client_of_the_past', expiresAt: 1 }),
];

onBoth('tokens', { settings: (peers) => oauthSettings(peers, clients), workers: 2 }, (both) => {
  const settings = async () => readSettings(await (await systemHttp.request(settingsRequest())).text());
  const settingsRequest = () => {
    const { host, port, key } = both.gateway.admin;
    return { url: `http://${host}:${port}/settings`, headers: { authorization: `Bearer ${key}` } };
  };
  beforeEach(async () => {
    await useKeys(both.gateway, { current: signingKey, previous: { ...otherKey, endsAt: now() + 60 } });
  });

  it('let their client in, as its tenant, for its models', async () => {
    const token = await tokenOf(both.gateway);
    expect(await ask(both.gateway, token)).toEqual({ status: 200 });
    expect(await ask(both.gateway, token, 'n')).toEqual({ status: 200 });
    const headers = { authorization: `Bearer ${token}`, 'x-request-id': 'by-token', 'x-tenant': 'other' };
    await (await both.gateway.post({ model: 'm', messages: [] }, { headers })).text();
    expect(await both.gateway.auditOf('by-token')).toMatchObject({ key: testClient().id, tenant: 'apps' });
    expect(both.engine.seen.at(-1)!.headers.authorization).toBe('Bearer engine-key');
    const list = await fetch(`${both.gateway.url}/v1/models`, { headers });
    expect(((await list.json()) as { data: unknown[] }).data).toHaveLength(2);
    expect(JSON.stringify(await both.gateway.audit()) + both.gateway.log()).not.toContain(token);
  });

  it('of a narrower scope, or of a client with less, reach less', async () => {
    const narrow = await tokenOf(both.gateway, { scope: 'model:n' });
    expect(await ask(both.gateway, narrow, 'n')).toEqual({ status: 200 });
    expect(await ask(both.gateway, narrow, 'm')).toMatchObject({ status: 404 });
    const ofM = await tokenOf(both.gateway, {}, 'client_of_m');
    expect(await ask(both.gateway, ofM, 'm')).toEqual({ status: 200 });
    expect(await ask(both.gateway, ofM, 'n')).toMatchObject({ status: 404 });
    // The client was restricted after the token: the token says more than the client may have.
    const wide = forge(headerOf(signingKey), { ...claims(), sub: 'client_of_m' }, signingKey);
    expect(await ask(both.gateway, wide, 'n')).toMatchObject({ status: 404 });
  });

  it('are taken when we made them by hand: what follows is refused for its flaw alone', async () => {
    expect(await ask(both.gateway, forge(headerOf(signingKey), claims(), signingKey))).toEqual({ status: 200 });
    expect(await ask(both.gateway, forge(headerOf(otherKey), claims(), otherKey))).toEqual({ status: 200 });
  });

  const header = headerOf(signingKey);
  describe.each<[string, () => string, { status: number; code: string }]>([
    ['alg none', () => forge({ ...header, alg: 'none' }, claims(), signingKey, 'none'), invalid],
    ['alg none with our signature', () => forge({ ...header, alg: 'none' }, claims(), signingKey), invalid],
    ['no signature', () => forge(header, claims(), signingKey, 'none'), invalid],
    ['RS256 over our own secret', () => forge({ ...header, alg: 'RS256' }, claims(), signingKey), invalid],
    ['HS512', () => forge({ ...header, alg: 'HS512' }, claims(), signingKey, 'sha512'), invalid],
    ['HS512 under a header of HS256', () => forge(header, claims(), signingKey, 'sha512'), invalid],
    ['typ JWT', () => forge({ ...header, typ: 'JWT' }, claims(), signingKey), invalid],
    ['an unknown kid', () => forge({ ...header, kid: 'key-c' }, claims(), signingKey), invalid],
    ['no kid', () => forge({ alg: 'HS256', typ: 'at+jwt' }, claims(), signingKey), invalid],
    ['the kid of another key', () => forge(headerOf(otherKey), claims(), signingKey), invalid],
    ['a key in the header', () => forge({ ...header, jwk: { kty: 'oct', k: 'YQ' } }, claims(), signingKey), invalid],
    ['crit', () => forge({ ...header, crit: ['exp'] }, claims(), signingKey), invalid],
    ['a key of its own', () => forge(header, claims(), { kid: 'key-a', secret: 'c'.repeat(43) }), invalid],
    ['expired', () => forge(header, { ...claims(), exp: now() - 31 }, signingKey), expired],
    ['not yet', () => forge(header, { ...claims(), nbf: now() + 40 }, signingKey), invalid],
    ['made in the future', () => forge(header, { ...claims(), iat: now() + 40 }, signingKey), invalid],
    ['no exp', () => forge(header, { ...claims(), exp: undefined }, signingKey), invalid],
    ['exp as text', () => forge(header, { ...claims(), exp: '9999999999' }, signingKey), invalid],
    ['another audience', () => forge(header, { ...claims(), aud: 'other' }, signingKey), invalid],
    ['a list of audiences', () => forge(header, { ...claims(), aud: ['deepseek-api'] }, signingKey), invalid],
    ['another issuer', () => forge(header, { ...claims(), iss: 'urn:deepseek-deploy:x' }, signingKey), invalid],
    ['an unknown client', () => forge(header, { ...claims(), sub: 'client_2' }, signingKey), invalid],
    ['no client', () => forge(header, { ...claims(), sub: undefined }, signingKey), invalid],
    ['another epoch', () => forge(header, { ...claims(), epoch: 0 }, signingKey), invalid],
    ['no scope', () => forge(header, { ...claims(), scope: undefined }, signingKey), invalid],
    ['claims that are no object', () => forge(header, '"text"', signingKey), invalid],
    ['claims that are no JSON', () => forge(header, '{', signingKey), invalid],
    ['dots alone', () => '..', invalid],
  ])('%s', (_, make, refused) => {
    it(`is refused: ${refused.code}`, async () => {
      expect(await ask(both.gateway, make())).toEqual(refused);
    });
  });

  it('of a client whose time is over end with it, however long they say they hold', async () => {
    const token = forge(headerOf(signingKey), { ...claims(), sub: 'client_of_the_past' }, signingKey);
    expect(await ask(both.gateway, token)).toMatchObject(invalid);
  });

  it('are refused with any one character changed', async () => {
    const token = await tokenOf(both.gateway);
    const places = Array.from({ length: 60 }, (_, i) => Math.floor((i * (token.length - 1)) / 59));
    for (const at of places.filter((place) => token[place] !== '.')) {
      const other = token[at] === 'A' ? 'B' : 'A';
      expect((await ask(both.gateway, token.slice(0, at) + other + token.slice(at + 1))).status, `${at}`).toBe(401);
    }
    expect(await ask(both.gateway, `${token}=`)).toMatchObject({ status: 401 });
  });

  it('are as good the thousandth time, and a thousand others do not change that', async () => {
    const token = await tokenOf(both.gateway);
    expect(await ask(both.gateway, token)).toEqual({ status: 200 });
    const list = (text: string) =>
      fetch(`${both.gateway.url}/v1/models`, { headers: { authorization: `Bearer ${text}` } }).then(
        async (response) => {
          await response.text();
          return response.status;
        },
      );
    for (let i = 0; i < 1300; i += 50) {
      const others = Array.from({ length: 50 }, (_, j) => forge(header, { ...claims(), jti: `${i + j}` }, signingKey));
      expect(new Set(await Promise.all(others.map(list)))).toEqual(new Set([200]));
    }
    expect(await ask(both.gateway, token)).toEqual({ status: 200 });
    // A token that was good ends with its time, though its signature is known.
    const brief = forge(header, { ...claims(), exp: now() - 28 }, signingKey);
    expect(await list(brief)).toBe(200);
    await until('its end', async () => ((await list(brief)) === 401 ? true : undefined));
  }, 40_000);

  it('allow for clocks that differ by 30 s', async () => {
    const late = forge(header, { ...claims(), exp: now() - 20 }, signingKey);
    const early = forge(header, { ...claims(), nbf: now() + 20, iat: now() + 20 }, signingKey);
    expect([await ask(both.gateway, late), await ask(both.gateway, early)]).toEqual([{ status: 200 }, { status: 200 }]);
  });

  it('end with their client, on every worker, at once', async () => {
    const before = await settings();
    const client = testClient({ id: 'client_gone' });
    await both.gateway.put(withClient(before, client, 'tests'));
    const token = await tokenOf(both.gateway, {}, 'client_gone');
    expect(await ask(both.gateway, token)).toEqual({ status: 200 });
    await both.gateway.put(withoutClient(await settings(), 'client_gone', now()));
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(both.gateway, token)));
    expect(answers).toEqual(Array.from({ length: 30 }, () => invalid));
    const again = await form(both.gateway, {
      grant_type: 'client_credentials',
      client_id: 'client_gone',
      client_secret: clientSecret,
    });
    expect(again.status).toBe(401);
  });

  it('outlive a new secret, unless the old one is ended at once', async () => {
    const first = testClient({ id: 'client_turns' });
    await both.gateway.put(withClient(await settings(), first, 'tests'));
    const token = await tokenOf(both.gateway, {}, first.id);
    const kept = rotateClient(first, random(), secrets.pepper, now(), 3600);
    await both.gateway.put(withClient(await settings(), kept.client, 'tests'));
    expect(await ask(both.gateway, token)).toEqual({ status: 200 });
    expect(await ask(both.gateway, await tokenOf(both.gateway, {}, first.id))).toEqual({ status: 200 });
    const ended = rotateClient(kept.client, random(), secrets.pepper, now(), 0);
    await both.gateway.put(withClient(await settings(), ended.client, 'tests'));
    expect(await ask(both.gateway, token)).toEqual(invalid);
    for (const old of [clientSecret, kept.secret]) {
      await expect(tokenOf(both.gateway, { client_secret: old }, first.id)).rejects.toThrow('invalid_client');
    }
    const fresh = await tokenOf(both.gateway, { client_secret: ended.secret }, first.id);
    expect(await ask(both.gateway, fresh)).toEqual({ status: 200 });
  });

  it('settings whose clients could not be held to anything are not taken', async () => {
    const before = await settings();
    for (const change of [{ oauth: undefined }, { oauth: { issuer: 'x' } }, { clients: [{ id: 'c' }] }]) {
      const response = await both.gateway.put({ ...before, revision: before.revision + 1, ...change } as never);
      expect(response.status, JSON.stringify(change)).toBe(400);
    }
    expect(await settings()).toEqual(before);
  });

  it('of the key before hold until its end; of one that is gone, no more', async () => {
    const token = await tokenOf(both.gateway);
    const third = { kid: 'key-3', secret: 'd'.repeat(43) };
    expect(await useKeys(both.gateway, { current: third, previous: { ...signingKey, endsAt: now() + 60 } })).toEqual([
      'key-3',
      'key-a',
    ]);
    expect(decoded(await tokenOf(both.gateway)).header.kid).toBe('key-3');
    expect(await ask(both.gateway, token)).toEqual({ status: 200 });
    await useKeys(both.gateway, { current: third, previous: { ...signingKey, endsAt: now() - 31 } });
    expect(await ask(both.gateway, token)).toEqual(expired);
    await useKeys(both.gateway, { current: third });
    expect(await ask(both.gateway, token)).toEqual(invalid);
  });

  it('are verified by workers that came after a crash, with the keys of now', async () => {
    const third = { kid: 'key-4', secret: 'e'.repeat(43) };
    await useKeys(both.gateway, { current: third });
    const token = await tokenOf(both.gateway);
    const workers = (await readFile(`/proc/${both.gateway.pid}/task/${both.gateway.pid}/children`, 'utf8')).split(' ');
    for (const pid of workers.filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
    await until(
      'new workers',
      async () => (await ask(both.gateway, token).catch(() => ({ status: 0 }))).status === 200 || undefined,
    );
  });

  it('go by secrets.json after a reload, which is root-readable alone', async () => {
    const keys = { version: 1e6, current: { kid: 'from-file', secret: 'f'.repeat(43) } };
    const file = `${both.gateway.directory}/secrets.json`;
    await writeFile(file, JSON.stringify({ ...secrets, tokenKeys: keys }), { mode: 0o600 });
    expect(execFileSync('stat', ['-c', '%a', file], { encoding: 'utf8' }).trim()).toBe('600');
    both.gateway.process.kill('SIGHUP');
    await until('the key of the file', async () => {
      const token = await tokenOf(both.gateway).catch(() => undefined);
      return (token && decoded(token).header.kid === 'from-file') || undefined;
    });
    const live = await tokenKeysOf(await systemHttp.request(getTokenKeys(both.gateway.admin)));
    expect(live).toEqual({ version: 1e6, kids: ['from-file'] });
  });
});

onBoth('without a signing key', { settings: (peers) => oauthSettings(peers) }, (both) => {
  it('no token is issued, none is taken, and keys are let in as ever', async () => {
    await expect(tokenOf(both.gateway)).rejects.toThrow('no_signing_key');
    expect(await ask(both.gateway, forge(headerOf(signingKey), claims(), signingKey))).toEqual(invalid);
    expect(await ask(both.gateway, 'sk-of-the-tests')).toEqual({ status: 200 });
  });

  it('the admin port takes signing keys that are good, and shows none', async () => {
    const { host, port, key } = both.gateway.admin;
    const put = async (body: unknown, authorization = `Bearer ${key}`) => {
      const url = `http://${host}:${port}/token-keys`;
      const response = await fetch(url, { method: 'PUT', headers: { authorization }, body: JSON.stringify(body) });
      return [response.status, await response.text()] as const;
    };
    for (const body of [
      {},
      { version: 1 },
      { version: 1, current: { kid: 'a"b', secret: 'a'.repeat(43) } },
      { version: 1, current: { kid: 'a', secret: 'short' } },
      { version: 1, current: signingKey, previous: signingKey },
      { version: 1, current: signingKey, previous: { ...signingKey, endsAt: 1 } },
    ]) {
      expect((await put(body))[0], JSON.stringify(body)).toBe(400);
    }
    expect((await put({ version: 2, current: signingKey }, 'Bearer sk-of-the-tests'))[0]).toBe(401);
    expect(await put({ version: 2, current: signingKey })).toEqual([200, '{"version":2,"kids":["key-a"]}']);
    expect((await put({ version: 2, current: otherKey }))[0]).toBe(409);
    expect(await ask(both.gateway, await tokenOf(both.gateway))).toEqual({ status: 200 });
  });
});
