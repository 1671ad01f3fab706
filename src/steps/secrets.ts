import { UserError } from '../errors.js';
import { secretsHere, settingsHere } from '../gateway/change.js';
import { cliKeyFile, newCliKey } from '../gateway/cli-key.js';
import { gatewayDirectory, secretsAsFile, settingsAsFile } from '../gateway/files.js';
import { makeKey, makeSecret } from '../gateway/keys.js';
import { noSettings, type Secrets, type Settings, withKey } from '../gateway/settings.js';
import type { Action, Step } from '../plan/step.js';
import { say } from '../say.js';
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

/** The password of Redis is a person's: it is read where they keep it, each time. */
async function redisPassword({ config }: Setup, world: World): Promise<Pick<Secrets, 'redisPassword'>> {
  const { nodes, passwordFile } = config.gateway.redis;
  if (nodes.length === 0 || passwordFile === undefined) return {};
  const password = (await world.files.read(passwordFile)).trim();
  if (password) return { redisPassword: password };
  throw new UserError('redis.password', say(`${passwordFile} is empty.`, `${passwordFile} 是空的。`), {
    hint: say('Write the password of Redis into it', '请将 Redis 的密码写入该文件'),
    exit: 'usage',
  });
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
    secretsWrite(home, { ...made, ...(await redisPassword(setup, world)) }),
    { kind: 'write', ...settingsAsFile(gatewayDirectory(home), settings) },
  ];
}

/** With what an older version did not make yet, and the password of Redis as it is now. */
async function whole(kept: Secrets, setup: Setup, world: World): Promise<Secrets> {
  const { redisPassword: _, ...ours } = kept;
  const secret = (is: string | undefined): string => is ?? makeSecret(world.random(32));
  const made = { auditSecret: secret(kept.auditSecret), cacheSecret: secret(kept.cacheSecret) };
  return { ...ours, ...made, ...(await redisPassword(setup, world)) };
}

const isWhole = async (kept: Secrets, setup: Setup, world: World): Promise<boolean> =>
  kept.auditSecret !== undefined &&
  kept.cacheSecret !== undefined &&
  kept.redisPassword === (await redisPassword(setup, world)).redisPassword;

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
