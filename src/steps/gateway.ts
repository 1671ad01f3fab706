import {
  type GatewayFile,
  type GatewayPlan,
  gatewayDirectory,
  gatewayFiles,
  gatewayFolders,
  readLua,
  settingsAsFile,
  settingsFile,
} from '../gateway/files.js';
import { next, readSettings, type ServedModel, type Settings } from '../gateway/settings.js';
import { type Action, NotYet, type Step } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { auditOf } from './audit.js';
import { limitsOf, validationOf } from './limits.js';
import { findNginx } from './nginx.js';
import { type Setup, tlsFilesOf } from './setup.js';

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

export async function settingsHere(world: World, home: string): Promise<Settings | undefined> {
  const text = await world.files.readIfAny(settingsFile(gatewayDirectory(home)));
  return text === undefined ? undefined : readSettings(text);
}

/** What of the settings comes from the configuration. */
function configured(setup: Setup): Pick<Settings, 'models' | 'limits' | 'validation' | 'audit'> {
  const limits = limitsOf(setup.config);
  return {
    models: servedModels(setup),
    ...(limits ? { limits } : {}),
    validation: validationOf(setup.config),
    audit: auditOf(setup.config),
  };
}

export function withConfigured({ limits: _, ...settings }: Settings, setup: Setup): Settings {
  return next(settings, configured(setup));
}

function serves(settings: Settings | undefined, setup: Setup): boolean {
  if (settings === undefined) return false;
  const { models, limits, validation, audit } = configured(setup);
  const pairs = [
    [settings.models, models],
    [settings.limits, limits],
    [settings.validation, validation],
    [settings.audit, audit],
  ] as const;
  return pairs.every(([is, wanted]) => JSON.stringify(is) === JSON.stringify(wanted));
}

/** nginx.conf, the Lua and the routing table. */
export const gateway: Step<Setup> = {
  id: 'gateway.configure',
  title: say('Gateway configuration', '网关配置'),
  async done(setup, world) {
    if (!(await findNginx(world)).usable || !serves(await settingsHere(world, setup.places.home), setup)) return false;
    const files = await wantedFiles(setup, world);
    return !(await Promise.all(files.map((file) => differs(file, world)))).includes(true);
  },
  async apply(setup, world) {
    const directory = gatewayDirectory(setup.places.home);
    const settings = await settingsHere(world, setup.places.home);
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
