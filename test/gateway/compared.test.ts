/** Secrets are compared in a time that tells nothing of them: by libcrypto's CRYPTO_memcmp, whoever compares. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { onBoth } from './both.js';
import { sleep } from './engine.js';
import { ask, form, oauthSettings, signingKey, testClient, tokenOf, useKeys } from './oauth-client.js';

const crypto = readFileSync(fileURLToPath(new URL('../../templates/gateway/core/crypto.lua', import.meta.url)), 'utf8');

/** The same, and says how many bytes it compared, and what came of it. */
const telling = crypto.replace(
  /return M\s*$/,
  `local equal = M.equal
   function M.equal(a, b)
     local same = equal(a, b)
     ngx.log(ngx.WARN, "compared ", #a, " with ", #b, ": ", tostring(same))
     return same
   end
   return M`,
);

onBoth('secrets that are compared', { settings: oauthSettings, lua: { 'core/crypto.lua': telling } }, (both) => {
  /** What was compared while that was done. */
  async function compared(does: () => Promise<unknown>): Promise<string[]> {
    // What was said before has arrived by then.
    await sleep(100);
    const before = both.gateway.log().length;
    await does();
    await sleep(100);
    return [
      ...both.gateway
        .log()
        .slice(before)
        .matchAll(/compared (\d+ with \d+: \w+)/g),
    ].map(([, what]) => what!);
  }

  it('are compared whole, the right ones and the wrong ones', async () => {
    await useKeys(both.gateway, { current: signingKey });
    const { host, port, key } = both.gateway.admin;
    const admin = (bearer: string) => () =>
      fetch(`http://${host}:${port}/state`, { headers: { authorization: `Bearer ${bearer}` } });
    expect(await compared(admin(key))).toEqual(['32 with 32: true']);
    for (const wrong of ['x', `${key}x`, `${key.slice(0, -1)}x`]) {
      expect(await compared(admin(wrong)), wrong).toEqual(['32 with 32: false']);
    }

    let token = '';
    expect(
      await compared(async () => {
        token = await tokenOf(both.gateway);
      }),
    ).toContain('64 with 64: true');
    const secret = (client_id: string, client_secret: string) => () =>
      form(both.gateway, { grant_type: 'client_credentials', client_id, client_secret });
    // Nobody's name costs as many comparisons as a client's with a wrong secret.
    const wrong = await compared(secret(testClient().id, 'wrong'));
    expect(wrong.length).toBeGreaterThan(0);
    expect(wrong.every((one) => one === '64 with 64: false')).toBe(true);
    expect(await compared(secret('client_nobody', 'wrong'))).toEqual(wrong);

    const other = token.slice(0, -2) + (token.endsWith('AA') ? 'BA' : 'AA');
    expect(await compared(() => ask(both.gateway, other))).toEqual(['43 with 43: false']);
  });
});
