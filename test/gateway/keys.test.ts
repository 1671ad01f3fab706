import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/errors.js';
import { credentialState, credentialView } from '../../src/gateway/credential.js';
import { hashKey, makeKey, parseExpiry } from '../../src/gateway/keys.js';

const now = Date.UTC(2026, 10, 24) / 1000;
const bytes = new Uint8Array(38).map((_, i) => i);

describe('makeKey', () => {
  it('makes a secret of 256 bits, an id and a hash, and keeps no secret in the record', () => {
    const { secret, key } = makeKey(bytes, 'pepper', { name: 'ci', models: ['m'] }, now);
    expect(secret).toBe('sk-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8');
    expect(key).toEqual({
      id: 'key_202122232425',
      name: 'ci',
      hash: hashKey('pepper', secret),
      tenant: 'default',
      models: ['m'],
      createdAt: now,
    });
    expect(JSON.stringify(key)).not.toContain(secret.slice(3));
  });

  it('hashes as RFC 4231 does', () => {
    // Test case 2 of RFC 4231.
    expect(hashKey('Jefe', 'what do ya want for nothing?')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });
});

describe('parseExpiry', () => {
  it.each([
    ['30m', 1800],
    ['12h', 43_200],
    ['90d', 7_776_000],
    ['2w', 1_209_600],
    ['2026-11-25', 86_400],
    ['2026-11-24T01:00:00Z', 3600],
  ])('%s is %d s from now', (text, seconds) => {
    expect(parseExpiry(text, now)).toBe(now + seconds);
  });

  it.each(['', '0d', '5', '5y', '-1d', 'tomorrow', '2026-11-23', '2026-13-40', '1e9d'])('refuses %j', (text) => {
    expect(() => parseExpiry(text, now)).toThrow(UserError);
  });

  it('never gives a time that has passed', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseExpiry(text, now)).toBeGreaterThan(now);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
    );
  });
});

describe('what lists show', () => {
  const { key } = makeKey(bytes, 'pepper', { name: 'ci', expiresAt: now + 10 }, now);
  it.each([
    [key, now, 'active'],
    [key, now + 10, 'expired'],
    [{ ...key, revokedAt: now }, now, 'revoked'],
  ] as const)('tells the state', (one, at, state) => {
    expect(credentialState(one, at)).toBe(state);
    expect(credentialView(one, at)).toMatchObject({ state, expiresAt: '2026-11-24T00:00:10.000Z' });
    expect(credentialView(one, at)).not.toHaveProperty('hash');
  });
});
