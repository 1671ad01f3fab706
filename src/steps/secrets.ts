import { UserError } from '../errors.js';
import { secretsHere, settingsHere } from '../gateway/change.js';
import { cliKeyFile, newCliKey } from '../gateway/cli-key.js';
import { gatewayDirectory, secretsAsFile, settingsAsFile } from '../gateway/files.js';
import { makeKey, makeSecret } from '../gateway/keys.js';
import { noSettings, type Secrets, type Settings, withKey } from '../gateway/settings.js';
import type { Action, Step } from '../plan/step.js';
import { say, type Text } from '../say.js';
import type { World } from '../world.js';
import { configured, withConfigured } from './settings.js';
import { engineKeyFile, firstKeyFile, type Setup } from './setup.js';

const secretWrite = (path: string, name: string, content: string): Action => ({
  kind: 'write',
  path,
  mode: 0o600,
  content: { name, get: async () => content },
});

const secretsWrite = (home: string, secrets: Secrets): Action => {
  const { path, content } = secretsAsFile(gatewayDirectory(home), secrets);
  return secretWrite(path, 'gateway-secrets', content);
};

const cliKey = (world: World, pepper: string) =>
  makeKey(world.random(38), pepper, newCliKey, Math.floor(world.clock.now() / 1000));

async function inFile(id: string, file: string, hint: Text, world: World): Promise<string> {
  const secret = (await world.files.read(file)).trim();
  if (secret) return secret;
  throw new UserError(id, say(`${file} is empty.`, `${file} 是空的。`), { hint, exit: 'usage' });
}

type Theirs = Pick<Secrets, 'redisPassword' | 'cloudKey'>;

/** The password of Redis and the key of a cloud are a person's: they are read where they keep them, each time. */
async function theirs({ config }: Setup, world: World): Promise<Theirs> {
  const { redis, cloud } = config.gateway;
  const password = redis.nodes.length > 0 ? redis.passwordFile : undefined;
  const key = cloud.baseUrl === undefined ? undefined : cloud.keyFile;
  const ofRedis = say('Write the password of Redis into it', '请将 Redis 的密码写入该文件');
  const ofCloud = say('Write the key of the API into it', '请将该 API 的密钥写入该文件');
  return {
    ...(password ? { redisPassword: await inFile('redis.password', password, ofRedis, world) } : {}),
    ...(key ? { cloudKey: await inFile('cloud.key', key, ofCloud, world) } : {}),
  };
}

/** @param kept of an earlier making; what was put on record under its audit secret must stay readable */
async function all(setup: Setup, kept: Secrets | undefined, world: World): Promise<readonly Action[]> {
  const { home } = setup.places;
  const secret = (): string => makeSecret(world.random(32));
  const made = {
    pepper: secret(),
    adminKey: secret(),
    engineKey: secret(),
    auditSecret: kept?.auditSecret ?? secret(),
    cacheSecret: secret(),
  };
  const cli = cliKey(world, made.pepper);
  const first = makeKey(world.random(38), made.pepper, { name: 'first' }, Math.floor(world.clock.now() / 1000));
  const wanted = await configured(setup, world);
  const settings = withConfigured(withKey(withKey(noSettings, cli.key), first.key), wanted);
  return [
    // settings.json comes last: a run cut short before it begins anew, with all secrets of one making.
    secretWrite(engineKeyFile(home), 'engine-key', made.engineKey),
    secretWrite(cliKeyFile(home), 'cli-key', cli.secret),
    secretWrite(firstKeyFile(home), 'first-key', first.secret),
    secretsWrite(home, { ...made, ...(await theirs(setup, world)) }),
    { kind: 'write', ...settingsAsFile(gatewayDirectory(home), settings) },
  ];
}

/** With what an older version did not make yet, and what is a person's as it is now. */
async function whole(kept: Secrets, setup: Setup, world: World): Promise<Secrets> {
  const { redisPassword: _, cloudKey: __, ...ours } = kept;
  const secret = (is: string | undefined): string => is ?? makeSecret(world.random(32));
  const made = { auditSecret: secret(kept.auditSecret), cacheSecret: secret(kept.cacheSecret) };
  return { ...ours, ...made, ...(await theirs(setup, world)) };
}

async function isWhole(kept: Secrets, setup: Setup, world: World): Promise<boolean> {
  const { redisPassword, cloudKey } = await theirs(setup, world);
  const ours = kept.auditSecret !== undefined && kept.cacheSecret !== undefined;
  return ours && kept.redisPassword === redisPassword && kept.cloudKey === cloudKey;
}

/** What of it got lost; the keys that people hold stay good. */
async function lost(setup: Setup, kept: Secrets, settings: Settings, world: World): Promise<readonly Action[]> {
  const { home } = setup.places;
  const gone = async (path: string): Promise<boolean> => (await world.files.stat(path)) === undefined;
  const actions: Action[] = [];
  if (!(await isWhole(kept, setup, world))) actions.push(secretsWrite(home, await whole(kept, setup, world)));
  if (await gone(engineKeyFile(home))) {
    actions.push(secretWrite(engineKeyFile(home), 'engine-key', kept.engineKey ?? ''));
  }
  if (await gone(cliKeyFile(home))) {
    const { key, secret } = cliKey(world, kept.pepper);
    actions.push(
      { kind: 'write', ...settingsAsFile(gatewayDirectory(home), withKey(settings, key)) },
      secretWrite(cliKeyFile(home), 'cli-key', secret),
    );
  }
  return actions;
}

/**
 * Pepper, admin key, engine key, the cache's secret, the CLI's own key and the first key for a person: made once, kept
 * for good. The gateway reads secrets.json when it starts or is reloaded; the step after this one sees to that.
 */
export const secrets: Step<Setup> = {
  id: 'gateway.secrets',
  title: say('Keys and secrets', '密钥'),
  async done(setup, world) {
    const { home } = setup.places;
    const files = [cliKeyFile(home), engineKeyFile(home)];
    const found = await Promise.all(files.map((path) => world.files.stat(path)));
    const [kept, settings] = await Promise.all([secretsHere(world), settingsHere(world)]);
    return !found.includes(undefined) && !!settings && !!kept && (await isWhole(kept, setup, world));
  },
  async apply(setup, world) {
    const { home } = setup.places;
    const [kept, settings] = await Promise.all([secretsHere(world), settingsHere(world)]);
    return [
      { kind: 'dir', path: `${home}/engine`, mode: 0o700 },
      { kind: 'dir', path: gatewayDirectory(home), mode: 0o755 },
      ...(kept && settings ? await lost(setup, kept, settings, world) : await all(setup, kept, world)),
    ];
  },
};
