import { cliKeyFile } from '../gateway/cli-key.js';
import { gatewayDirectory, secretsAsFile, secretsFile, settingsAsFile } from '../gateway/files.js';
import { makeKey, makeSecret } from '../gateway/keys.js';
import { noSettings, type Secrets, type Settings, withKey } from '../gateway/settings.js';
import type { Action, Step } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { settingsHere, withConfigured } from './gateway.js';
import { engineKeyFile, firstKeyFile, type Setup } from './setup.js';

const secretWrite = (path: string, name: string, content: string): Action => ({
  kind: 'write',
  path,
  mode: 0o600,
  content: { name, get: async () => content },
});

async function secretsHere(world: World, home: string): Promise<Secrets | undefined> {
  const text = await world.files.readIfAny(secretsFile(gatewayDirectory(home)));
  return text === undefined ? undefined : (JSON.parse(text) as Secrets);
}

const cliKey = (world: World, pepper: string) =>
  makeKey(world.random(38), pepper, { name: 'cli' }, Math.floor(world.clock.now() / 1000));

function all(setup: Setup, world: World): readonly Action[] {
  const { home } = setup.places;
  const directory = gatewayDirectory(home);
  const secret = (): string => makeSecret(world.random(32));
  const made = { pepper: secret(), adminKey: secret(), engineKey: secret(), auditSecret: secret() };
  const cli = cliKey(world, made.pepper);
  const first = makeKey(world.random(38), made.pepper, { name: 'first' }, Math.floor(world.clock.now() / 1000));
  const settings = withConfigured(withKey(withKey(noSettings, cli.key), first.key), setup);
  return [
    // settings.json comes last: a run cut short before it begins anew, with all secrets of one making.
    secretWrite(engineKeyFile(home), 'engine-key', made.engineKey),
    secretWrite(cliKeyFile(home), 'cli-key', cli.secret),
    secretWrite(firstKeyFile(home), 'first-key', first.secret),
    secretWrite(secretsFile(directory), 'gateway-secrets', secretsAsFile(directory, made).content),
    { kind: 'write', ...settingsAsFile(directory, settings) },
  ];
}

/** What of it got lost; the keys that people hold stay good. */
async function lost(home: string, secrets: Secrets, settings: Settings, world: World): Promise<readonly Action[]> {
  const file = secretsFile(gatewayDirectory(home));
  const gone = async (path: string): Promise<boolean> => (await world.files.stat(path)) === undefined;
  const actions: Action[] = [];
  // Made before there was an audit secret.
  if (!secrets.auditSecret) {
    const whole = { ...secrets, auditSecret: makeSecret(world.random(32)) };
    actions.push(secretWrite(file, 'gateway-secrets', secretsAsFile(gatewayDirectory(home), whole).content));
  }
  if (await gone(engineKeyFile(home))) {
    actions.push(secretWrite(engineKeyFile(home), 'engine-key', secrets.engineKey ?? ''));
  }
  if (await gone(cliKeyFile(home))) {
    const { key, secret } = cliKey(world, secrets.pepper);
    actions.push(
      { kind: 'write', ...settingsAsFile(gatewayDirectory(home), withKey(settings, key)) },
      secretWrite(cliKeyFile(home), 'cli-key', secret),
    );
  }
  return actions;
}

/** Pepper, admin key, engine key, the CLI's own key and the first key for a person: made once, kept for good. */
export const secrets: Step<Setup> = {
  id: 'gateway.secrets',
  title: say('Keys and secrets', '密钥'),
  async done({ places: { home } }, world) {
    const files = [secretsFile(gatewayDirectory(home)), cliKeyFile(home), engineKeyFile(home)];
    const found = await Promise.all(files.map((path) => world.files.stat(path)));
    if (found.includes(undefined) || (await settingsHere(world, home)) === undefined) return false;
    return Boolean((await secretsHere(world, home))?.auditSecret);
  },
  async apply(setup, world) {
    const { home } = setup.places;
    const [kept, settings] = await Promise.all([secretsHere(world, home), settingsHere(world, home)]);
    return [
      { kind: 'dir', path: `${home}/engine`, mode: 0o700 },
      { kind: 'dir', path: gatewayDirectory(home), mode: 0o755 },
      ...(kept && settings ? await lost(home, kept, settings, world) : all(setup, world)),
    ];
  },
};
