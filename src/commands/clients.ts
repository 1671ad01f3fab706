import { changeSettings, storedSecrets, storedSettings } from '../gateway/change.js';
import { clientView, makeClient, rotateClient, withClient, withoutClient } from '../gateway/clients.js';
import { credentialState } from '../gateway/credential.js';
import { parseExpiry } from '../gateway/keys.js';
import { type Client, oauthOptions, rotateTokenKeys } from '../gateway/oauth.js';
import type { Settings } from '../gateway/settings.js';
import { changeTokenKeys } from '../gateway/signing.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import { type Deployment, needDeployment } from '../targets/deployment.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';
import { createOptions, json, limiting, listing, nowOf, pick, tellWhen, wantedOf } from './credentials.js';

interface Made {
  readonly client: Client;
  readonly secret: string;
  readonly live: boolean;
}

/** Keeps the client, and makes a signing key where there is none yet: without one its secret would be of no use. */
async function keep(world: World, { name, gateway }: Deployment, client: Client, now: number): Promise<boolean> {
  if (!(await storedSecrets(world)).tokenKeys) {
    await changeTokenKeys(world, gateway.adminPort, () => rotateTokenKeys(undefined, world.random(38), now, 0));
  }
  return (await changeSettings(world, gateway.adminPort, (before) => withClient(before, client, name))).live;
}

function show(world: World, input: Input, { client, secret, live }: Made, now: number): void {
  if (input.json) {
    json(world, { ...clientView(client, now), secret, live });
    return;
  }
  world.ui.out(`client_id=${client.id}\nclient_secret=${secret}\n`);
  world.ui.line(say('Shown this once; only its hash is kept.', '只显示这一次，系统只保存它的哈希值。'));
  tellWhen(world, live);
}

const create: Verb = {
  args: [{ name: '[name]', says: say('What the client is', '客户端的用途') }],
  options: createOptions,
  examples: [
    {
      line: 'deepseek-deploy clients create billing --tenant shop',
      says: say('A program of a tenant', '某个租户的程序'),
    },
  ],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const made = await locked(world, 'clients create', async (): Promise<Made> => {
      const wanted = wantedOf(input, await storedSettings(world), now);
      const { pepper } = await storedSecrets(world);
      const { secret, client } = makeClient(world.random(38), pepper, wanted, now);
      return { secret, client, live: await keep(world, deployment, client, now) };
    });
    show(world, input, made, now);
    return undefined;
  },
};

const chosen = ({ clients = [] }: Settings, wanted: string, now: number): Client =>
  pick(
    clients.filter((client) => credentialState(client, now) !== 'revoked'),
    wanted,
    say('client', '客户端'),
    'clients',
  );

const which = { name: '<client>', says: say('Its id, or its name', '客户端编号或名称') };

/** Seconds the old one is kept. */
function keptFor(input: Input, initialS: number, now: number): number {
  const { now: atOnce, keep: time } = input.options as { now?: boolean; keep?: string };
  if (atOnce) return 0;
  return time === undefined ? initialS : parseExpiry(time, now) - now;
}

const rotate: Verb = {
  args: [which],
  options: [
    {
      flags: '--keep <time>',
      says: say('How long the old secret is still taken', '旧密钥继续有效的时间'),
      initial: '24h',
    },
    { flags: '--now', says: say('End the old secret and its tokens at once', '旧密钥及其令牌立即失效') },
  ],
  examples: [{ line: 'deepseek-deploy clients rotate billing --now', says: say('After a leak', '泄露之后') }],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const keepS = keptFor(input, 24 * 3600, now);
    const made = await locked(world, 'clients rotate', async (): Promise<Made> => {
      const before = chosen(await storedSettings(world), input.args[0]!, now);
      const { pepper } = await storedSecrets(world);
      const { secret, client } = rotateClient(before, world.random(32), pepper, now, keepS);
      return { secret, client, live: await keep(world, deployment, client, now) };
    });
    show(world, input, made, now);
    return undefined;
  },
};

const list = listing(async (world) => {
  await needDeployment(world);
  return ((await storedSettings(world)).clients ?? []).map((client) => clientView(client, nowOf(world)));
});

const limit = limiting(which, async (world, wanted, limited) => {
  const deployment = await needDeployment(world);
  return locked(world, 'clients limit', async () => {
    const one = limited(chosen(await storedSettings(world), wanted, nowOf(world)));
    return { one, live: await keep(world, deployment, one, nowOf(world)) };
  });
});

const revoke: Verb = {
  args: [which],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const { client, live } = await locked(world, 'clients revoke', async () => {
      const found = chosen(await storedSettings(world), input.args[0]!, now);
      const change = (before: Settings) => withoutClient(before, found.id, now);
      return { client: found, ...(await changeSettings(world, deployment.gateway.adminPort, change)) };
    });
    if (input.json) json(world, { ...clientView({ ...client, revokedAt: now }, now), live });
    else {
      const { id, name } = client;
      world.ui.line(say(`${id} (${name}) and its tokens are revoked.`, `${id}（${name}）及其令牌已吊销。`));
      tellWhen(world, live);
    }
    return undefined;
  },
};

const rotateSigningKey: Verb = {
  options: [
    {
      flags: '--keep <time>',
      says: say(
        'How long tokens of the old key still hold; by default until the last has ended',
        '旧密钥签发的令牌继续有效的时间，默认直至最后一个到期',
      ),
    },
    { flags: '--now', says: say('End all tokens that were issued so far', '此前签发的全部令牌立即失效') },
  ],
  run: async (input, world) => {
    const { name, gateway } = await needDeployment(world);
    const now = nowOf(world);
    const { keys, live } = await locked(world, 'clients rotate-signing-key', async () => {
      const { ttlS, leewayS } = (await storedSettings(world)).oauth ?? oauthOptions(name);
      const keepS = keptFor(input, ttlS + leewayS, now);
      return changeTokenKeys(world, gateway.adminPort, (before) =>
        rotateTokenKeys(before, world.random(38), now, keepS),
      );
    });
    const { kid } = keys.current;
    if (input.json) json(world, { kid, previous: keys.previous?.kid ?? null, live });
    else {
      world.ui.line(say(`Tokens are signed with key ${kid} from now on.`, `从现在起使用签名密钥 ${kid} 签发令牌。`));
      tellWhen(world, live);
    }
    return undefined;
  },
};

export const verb: Verb = {
  verbs: [
    { name: 'create', says: say('Make an OAuth2 client', '创建 OAuth2 客户端'), verb: create },
    { name: 'list', says: say('Show the clients', '列出客户端'), verb: list },
    { name: 'limit', says: say('Change the limits of a client', '更改客户端的限额'), verb: limit },
    { name: 'rotate', says: say('Give a client another secret', '更换客户端的密钥'), verb: rotate },
    { name: 'revoke', says: say('Refuse a client and its tokens from now on', '吊销客户端及其令牌'), verb: revoke },
    {
      name: 'rotate-signing-key',
      says: say('Sign tokens with another key', '更换令牌的签名密钥'),
      verb: rotateSigningKey,
    },
  ],
};
