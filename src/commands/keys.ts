import { changeSettings, storedSecrets, storedSettings } from '../gateway/change.js';
import { credentialState, credentialView } from '../gateway/credential.js';
import { makeKey } from '../gateway/keys.js';
import { type Key, type Settings, withKey, withKeyChanged, withoutKey } from '../gateway/settings.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import { needDeployment } from '../targets/deployment.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';
import { createOptions, json, limiting, listing, nowOf, pick, tellWhen, wantedOf } from './credentials.js';

const create: Verb = {
  args: [{ name: '[name]', says: say('What the key is for', '密钥的用途') }],
  options: createOptions,
  examples: [
    {
      line: 'deepseek-deploy keys create ci --expires 90d',
      says: say('A key that ends by itself', '一个会自动到期的密钥'),
    },
    {
      line: 'deepseek-deploy keys create app --limit rpm=60,tpm=10k',
      says: say('A key with limits of its own', '单独限额的密钥'),
    },
  ],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const { pepper } = await storedSecrets(world);
    const made = await locked(world, 'keys create', async () => {
      const wanted = wantedOf(input, await storedSettings(world), now);
      const { secret, key } = makeKey(world.random(38), pepper, wanted, now);
      const { live } = await changeSettings(world, deployment.gateway.adminPort, (before) => withKey(before, key));
      return { secret, key, live };
    });
    show(world, input, made, now);
    return undefined;
  },
};

function show(world: World, input: Input, made: { secret: string; key: Key; live: boolean }, now: number): void {
  if (input.json) {
    json(world, { ...credentialView(made.key, now), secret: made.secret, live: made.live });
    return;
  }
  world.ui.out(`${made.secret}\n`);
  world.ui.line(
    say(
      `${made.key.id}: shown this once; only its hash is kept.`,
      `${made.key.id}：只显示这一次，系统只保存它的哈希值。`,
    ),
  );
  tellWhen(world, made.live);
}

const list = listing(async (world) => {
  await needDeployment(world);
  return (await storedSettings(world)).keys.map((key) => credentialView(key, nowOf(world)));
});

const chosen = ({ keys }: Settings, wanted: string, now: number): Key =>
  pick(
    keys.filter((key) => credentialState(key, now) !== 'revoked'),
    wanted,
    say('key', '密钥'),
    'keys',
  );

const which = { name: '<key>', says: say('Its id, or its name', '密钥编号或名称') };

const limit = limiting(which, async (world, wanted, limited) => {
  const { gateway } = await needDeployment(world);
  return locked(world, 'keys limit', async () => {
    const one = limited(chosen(await storedSettings(world), wanted, nowOf(world)));
    return { one, ...(await changeSettings(world, gateway.adminPort, (before) => withKeyChanged(before, one))) };
  });
});

const revoke: Verb = {
  args: [which],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const { key, live } = await locked(world, 'keys revoke', async () => {
      const found = chosen(await storedSettings(world), input.args[0]!, now);
      const change = (before: Settings) => withoutKey(before, found.id, now);
      return { key: found, ...(await changeSettings(world, deployment.gateway.adminPort, change)) };
    });
    if (input.json) json(world, { ...credentialView({ ...key, revokedAt: now }, now), live });
    else {
      world.ui.line(say(`${key.id} (${key.name}) is revoked.`, `${key.id}（${key.name}）已吊销。`));
      tellWhen(world, live);
    }
    return undefined;
  },
};

export const verb: Verb = {
  verbs: [
    { name: 'create', says: say('Make an API key', '创建 API 密钥'), verb: create },
    { name: 'list', says: say('Show the keys', '列出密钥'), verb: list },
    { name: 'limit', says: say('Change the limits of a key', '更改密钥的限额'), verb: limit },
    { name: 'revoke', says: say('Refuse a key from now on', '吊销密钥'), verb: revoke },
  ],
};
