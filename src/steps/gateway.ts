import { cliKeyFile } from '../gateway/cli-key.js';
import {
  type GatewayFile,
  type GatewayPlan,
  gatewayDirectory,
  gatewayFiles,
  gatewayFolders,
  readLua,
  secretsAsFile,
  secretsFile,
  settingsAsFile,
  settingsFile,
} from '../gateway/files.js';
import { makeKey, makeSecret } from '../gateway/keys.js';
import {
  next,
  noSettings,
  readSettings,
  type Secrets,
  type ServedModel,
  type Settings,
  withKey,
} from '../gateway/settings.js';
import { type Action, NotYet, type Step } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { limitsOf, validationOf } from './limits.js';
import { findNginx } from './nginx.js';
import { engineKeyFile, firstKeyFile, type Setup, tlsFilesOf } from './setup.js';

/** @throws NotYet until nginx is installed */
export async function gatewayPlan(setup: Setup, world: World): Promise<GatewayPlan> {
  const found = await findNginx(world);
  if (!found.usable) throw new NotYet('nginx.install');
  const { host, port, adminPort } = setup.gateway;
  return {
    directory: gatewayDirectory(setup.places.home),
    build: found.build,
    listen: { host, port },
    admin: { host: '127.0.0.1', port: adminPort },
    ...(setup.config.gateway.tls.mode !== 'off' ? { tls: tlsFilesOf(setup) } : {}),
    workers: 1,
    maxBody: setup.config.gateway.maxBodyBytes,
    ...(world.processes.uid === 0 ? { workerUser: found.workerUser } : {}),
  };
}

const servedModels = (setup: Setup): readonly ServedModel[] => [
  { id: setup.model.id, versions: [{ name: 'blue', weight: 100, peers: [setup.engine] }] },
];

/** Everything under the gateway's folder that a new configuration or a new version of us replaces. */
export async function wantedFiles(setup: Setup, world: World): Promise<readonly GatewayFile[]> {
  return gatewayFiles(await gatewayPlan(setup, world), await readLua(world));
}

const differs = async (file: GatewayFile, world: World): Promise<boolean> =>
  (await world.files.readIfAny(file.path)) !== file.content;

async function current(world: World, home: string): Promise<Settings | undefined> {
  const text = await world.files.readIfAny(settingsFile(gatewayDirectory(home)));
  return text === undefined ? undefined : readSettings(text);
}

/** What of the settings comes from the configuration. */
function configured(setup: Setup): Pick<Settings, 'models' | 'limits' | 'validation'> {
  const limits = limitsOf(setup.config);
  return { models: servedModels(setup), ...(limits ? { limits } : {}), validation: validationOf(setup.config) };
}

function withConfigured({ limits: _, ...settings }: Settings, setup: Setup): Settings {
  return next(settings, configured(setup));
}

function serves(settings: Settings | undefined, setup: Setup): boolean {
  if (settings === undefined) return false;
  const { models, limits, validation } = configured(setup);
  const pairs = [
    [settings.models, models],
    [settings.limits, limits],
    [settings.validation, validation],
  ] as const;
  return pairs.every(([is, wanted]) => JSON.stringify(is) === JSON.stringify(wanted));
}

async function secretsDone(setup: Setup, world: World): Promise<boolean> {
  const { home } = setup.places;
  const files = [secretsFile(gatewayDirectory(home)), cliKeyFile(home), engineKeyFile(home)];
  const found = await Promise.all(files.map((path) => world.files.stat(path)));
  return found.every((stat) => stat !== undefined) && (await current(world, home)) !== undefined;
}

/** Pepper, admin key, engine key, the CLI's own key and the first key for a person: made once, kept for good. */
export const secrets: Step<Setup> = {
  id: 'gateway.secrets',
  title: say('Keys and secrets', '密钥'),
  done: secretsDone,
  async apply(setup, world) {
    const { home } = setup.places;
    const directory = gatewayDirectory(home);
    const now = Math.floor(world.clock.now() / 1000);
    const secret = (): string => makeSecret(world.random(32));
    const made: Secrets = { pepper: secret(), adminKey: secret(), engineKey: secret() };
    const cli = makeKey(world.random(38), made.pepper, { name: 'cli' }, now);
    const first = makeKey(world.random(38), made.pepper, { name: 'first' }, now);
    const settings = withConfigured(withKey(withKey(noSettings, cli.key), first.key), setup);
    const write = (path: string, name: string, content: string): Action => ({
      kind: 'write',
      path,
      mode: 0o600,
      content: { name, get: async () => content },
    });
    return [
      { kind: 'dir', path: `${home}/engine`, mode: 0o700 },
      { kind: 'dir', path: directory, mode: 0o755 },
      // settings.json comes last: a run cut short before it begins anew, with all secrets of one making.
      write(engineKeyFile(home), 'engine-key', made.engineKey!),
      write(cliKeyFile(home), 'cli-key', cli.secret),
      write(firstKeyFile(home), 'first-key', first.secret),
      write(secretsFile(directory), 'gateway-secrets', secretsAsFile(directory, made).content),
      { kind: 'write', ...settingsAsFile(directory, settings) },
    ];
  },
};

/** nginx.conf, the Lua and the routing table. */
export const gateway: Step<Setup> = {
  id: 'gateway.configure',
  title: say('Gateway configuration', '网关配置'),
  async done(setup, world) {
    if (!(await findNginx(world)).usable || !serves(await current(world, setup.places.home), setup)) return false;
    const files = await wantedFiles(setup, world);
    return !(await Promise.all(files.map((file) => differs(file, world)))).includes(true);
  },
  async apply(setup, world) {
    const directory = gatewayDirectory(setup.places.home);
    const settings = await current(world, setup.places.home);
    const folders = gatewayFolders(await gatewayPlan(setup, world));
    return [
      ...folders.map((folder): Action => ({ kind: 'dir', ...folder })),
      ...(await wantedFiles(setup, world)).map((file): Action => ({ kind: 'write', ...file })),
      // Without any settings yet, the step before this one writes them, models included.
      ...(settings === undefined || serves(settings, setup)
        ? []
        : [{ kind: 'write', ...settingsAsFile(directory, withConfigured(settings, setup)) } as const]),
    ];
  },
};
