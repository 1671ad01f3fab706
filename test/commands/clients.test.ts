/** `clients` against a real gateway: what the command prints is what the gateway goes by. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verb } from '../../src/commands/clients.js';
import { systemClock } from '../../src/hosts/clock.js';
import type { Value } from '../../src/verb.js';
import { startEngine, type TestEngine } from '../gateway/engine.js';
import { type Gateway, secrets, startGateway, testSettings } from '../gateway/harness.js';
import { ask, decoded, form } from '../gateway/oauth-client.js';
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

/** The commands read the system's clock here: their times are held against the gateway's. */
const homeOf = (adminPort: number): Promise<FakeWorld> => gatewayHome(adminPort, engine.peer, { clock: systemClock });
const clients = <T>(world: FakeWorld, words: string, options: Record<string, Value> = {}): Promise<T> =>
  answerOf<T>(verb, world, words, options);

interface Made {
  readonly id: string;
  readonly secret: string;
  readonly live: boolean;
}

async function token({ id, secret }: Made, at = gateway): Promise<string | undefined> {
  const grant = { grant_type: 'client_credentials', client_id: id, client_secret: secret };
  const answer = (await (await form(at, grant)).json()) as { access_token?: string };
  return answer.access_token;
}

describe('clients', () => {
  it('from create to revoke, with two rotations between, each true at once', async () => {
    const world = await homeOf(gateway.admin.port);
    const made = await clients<Made>(world, 'create app', { tenant: 'shop', model: ['m'] });
    expect(made).toMatchObject({ name: 'app', tenant: 'shop', models: ['m'], state: 'active', live: true });
    const first = (await token(made))!;
    expect(await ask(gateway, first)).toEqual({ status: 200 });
    expect(decoded(first).claims).toMatchObject({ iss: 'urn:deepseek-deploy:d', tenant: 'shop', scope: 'model:m' });
    const kept = (file: string) => world.disk.get(`${world.places.home}/gateway/${file}`)!;
    expect(Buffer.from(kept('settings.json').content).toString()).not.toContain(made.secret);
    expect(kept('secrets.json').mode).toBe(0o600);

    const next = await clients<Made>(world, 'rotate app', { keep: '1h' });
    expect(next).toMatchObject({ id: made.id, oldSecretEndsAt: expect.any(String), live: true });
    expect(await Promise.all([token(made), token(next)])).toEqual([expect.any(String), expect.any(String)]);
    const last = await clients<Made>(world, 'rotate app', { now: true });
    expect(await Promise.all([token(made), token(next)])).toEqual([undefined, undefined]);
    expect(await ask(gateway, first)).toMatchObject({ status: 401 });

    const before = (await token(last))!;
    const turned = await clients<{ kid: string; previous: string }>(world, 'rotate-signing-key');
    expect(turned.previous).toBe(decoded(before).header.kid);
    const after = (await token(last))!;
    expect(decoded(after).header.kid).toBe(turned.kid);
    expect(await Promise.all([ask(gateway, before), ask(gateway, after)])).toEqual([{ status: 200 }, { status: 200 }]);
    expect(await clients(world, 'rotate-signing-key', { now: true })).toMatchObject({ previous: null, live: true });
    expect(await ask(gateway, after)).toMatchObject({ status: 401 });

    const held = (await token(last))!;
    expect(await clients(world, 'list')).toHaveLength(1);
    expect(await clients(world, 'revoke app')).toMatchObject({ id: made.id, state: 'revoked', live: true });
    expect([await token(last), await ask(gateway, held)]).toEqual([undefined, { status: 401, code: 'invalid_token' }]);
  });

  it('its limits hold for its tokens, and are kept when its secret is another', async () => {
    // One that has no signing key yet.
    const fresh = await startGateway(testSettings([engine.peer]));
    const world = await homeOf(fresh.admin.port);
    const made = await clients<Made>(world, 'create meter', { limit: ['rpm=1'] });
    const text = (await token(made, fresh))!;
    expect([await ask(fresh, text), await ask(fresh, text)]).toMatchObject([{ status: 200 }, { status: 429 }]);
    expect(await clients(world, 'rotate meter')).toMatchObject({ limits: { requestsPerMinute: 1 } });
    expect(await clients(world, 'limit meter rpm=none,tpm=50k')).toMatchObject({
      limits: { requestsPerMinute: 'none', tokensPerMinute: 50_000 },
    });
    expect([await ask(fresh, text), await ask(fresh, text)]).toMatchObject([{ status: 200 }, { status: 200 }]);
    await fresh.stop();
  });

  it('with the gateway down the files alone are changed, and that is said', async () => {
    const world = await homeOf(1);
    const made = await clients<Made>(world, 'create later');
    expect(made).toMatchObject({ live: false });
    const stored = JSON.parse(await world.files.read(`${world.places.home}/gateway/secrets.json`));
    expect(stored).toMatchObject({ ...secrets, tokenKeys: { version: 1 } });
  });

  it('shows a person the two words that a program needs, once', async () => {
    const world = await homeOf(1);
    const run = (name: string, args: string[]) =>
      verb.verbs!.find((sub) => sub.name === name)!.verb.run!(
        { args, options: {}, json: false, yes: true, verbose: false },
        world,
      );
    await run('create', ['x']);
    expect(world.out.join('')).toMatch(/^client_id=client_[0-9a-f]{12}\nclient_secret=cs-[\w-]{43}\n$/);
    await run('list', []);
    expect(world.shown.join('\n')).toMatch(/client_[0-9a-f]{12} +x +default +active/);
    expect(world.shown.join('\n')).not.toContain('cs-');
  });

  it.each([
    ['revoke nobody', {}, 'clients.unknown'],
    ['rotate nobody', {}, 'clients.unknown'],
    ['create x', { tenant: 'a"b' }, 'credentials.tenant'],
    ['create x', { model: ['nope'] }, 'credentials.model'],
    ['create x', { expires: 'never' }, 'keys.expiry'],
  ])('%s %j is a usage error', async (words, options, id) => {
    await expect(clients(await homeOf(1), words, options)).rejects.toMatchObject({ id, exit: 'usage' });
  });
});
