/** `keys` against a real gateway: what the command prints is what the gateway goes by. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verb } from '../../src/commands/keys.js';
import { UserError } from '../../src/errors.js';
import type { Value } from '../../src/verb.js';
import { startEngine, type TestEngine } from '../gateway/engine.js';
import { type Gateway, startGateway, testSettings } from '../gateway/harness.js';
import type { FakeWorld } from '../world/fake.js';
import { answerOf, gatewayHome } from './gateway-home.js';

let engine: TestEngine;
let gateway: Gateway;
beforeAll(async () => {
  engine = await startEngine();
  gateway = await startGateway(testSettings([engine.peer]));
});
afterAll(async () => {
  await gateway?.stop();
  await engine?.stop();
});

const homeOf = (adminPort: number): Promise<FakeWorld> => gatewayHome(adminPort, engine.peer);
const keys = (world: FakeWorld, words: string, options: Record<string, Value> = {}): Promise<unknown> =>
  answerOf(verb, world, words, options);

const asked = async (secret: string): Promise<number> => {
  const response = await gateway.post(
    { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
    { headers: { authorization: `Bearer ${secret}` } },
  );
  await response.text();
  return response.status;
};

describe('keys', () => {
  it('create lets in at once, revoke refuses at once', async () => {
    const world = await homeOf(gateway.admin.port);
    const made = (await keys(world, 'create ci', { expires: '1d' })) as { id: string; secret: string; live: boolean };
    expect(made).toMatchObject({ name: 'ci', state: 'active', live: true, expiresAt: '2026-11-25T00:00:00.000Z' });
    expect(await asked(made.secret)).toBe(200);
    expect(await keys(world, 'list')).toHaveLength(2);
    expect(world.disk.get(`${world.places.home}/gateway/settings.json`)!.content.toString()).not.toContain(made.secret);
    expect(await keys(world, 'revoke ci')).toMatchObject({ id: made.id, state: 'revoked', live: true });
    expect(await asked(made.secret)).toBe(401);
  });

  it('a key for one model is made only for a model that is served', async () => {
    const world = await homeOf(gateway.admin.port);
    expect(await keys(world, 'create x', { model: ['m'] })).toMatchObject({ models: ['m'] });
    await expect(keys(world, 'create x', { model: ['nope'] })).rejects.toMatchObject({ id: 'credentials.model' });
  });

  it('limits of a key hold at once, are shown, and change at once', async () => {
    const world = await homeOf(gateway.admin.port);
    const made = (await keys(world, 'create app', { limit: ['rpm=2', 'concurrent=3'] })) as {
      id: string;
      secret: string;
    };
    const statuses = async (count: number) => {
      const seen: number[] = [];
      for (let i = 0; i < count; i += 1) seen.push(await asked(made.secret));
      return seen;
    };
    expect(await statuses(3)).toEqual([200, 200, 429]);
    const list = (await keys(world, 'list')) as { id: string; limits: object | null }[];
    expect(list.find(({ id }) => id === made.id)?.limits).toEqual({ requestsPerMinute: 2, concurrent: 3 });
    expect(await keys(world, 'limit app rpm=none')).toMatchObject({
      limits: { requestsPerMinute: 'none', concurrent: 3 },
      live: true,
    });
    expect(await statuses(4)).toEqual([200, 200, 200, 200]);
    expect(await keys(world, 'limit app default')).toMatchObject({ limits: null });
    expect(await statuses(1)).toEqual([200]);
  });

  it('with the gateway down the file alone is changed, and that is said', async () => {
    const world = await homeOf(1);
    expect(await keys(world, 'create later')).toMatchObject({ live: false });
    expect(await keys(world, 'list')).toHaveLength(2);
  });

  it.each([
    ['revoke nobody', {}, 'keys.unknown'],
    ['create x', { tenant: 'a"b' }, 'credentials.tenant'],
    ['create x', { expires: 'never' }, 'keys.expiry'],
    ['create x', { limit: ['rps=1'] }, 'limits.words'],
    ['limit nobody rpm=1', {}, 'keys.unknown'],
    ['limit test rpm', {}, 'limits.words'],
  ])('%s %j is a usage error', async (words, options, id) => {
    const world = await homeOf(1);
    const error = await keys(world, words, options).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ id, exit: 'usage' });
  });
});
