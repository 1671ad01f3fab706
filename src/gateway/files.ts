/** The gateway's folder, as values: what stands in it and how nginx is started there. */
import type { Command } from '../command.js';
import type { World } from '../world.js';
import { type NginxBuild, type NginxOptions, renderNginx } from './nginx.js';
import { openapiText } from './openapi.js';
import { type Secrets, type Settings, settingsText } from './settings.js';

export interface GatewayPlan extends Omit<NginxOptions, 'build'> {
  /** Absolute; nginx's prefix. Nothing is written outside. */
  readonly directory: string;
  readonly build: NginxBuild;
}

export interface GatewayFile {
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

export const gatewayDirectory = (home: string): string => `${home}/gateway`;
export const settingsFile = (directory: string): string => `${directory}/settings.json`;
export const secretsFile = (directory: string): string => `${directory}/secrets.json`;
export const auditFolder = (directory: string): string => `${directory}/audit`;
/** Lists of requests in hand; after a kill, what is due to the audit log. */
export const inHandFolder = (directory: string): string => `${directory}/in-hand`;

/** Folders that must be there first; 0755 lets workers that run as nobody read beneath a home that nobody may enter. */
export const gatewayFolders = (plan: GatewayPlan): readonly { path: string; mode: number }[] =>
  ['', '/lua', '/lua/core', '/lua/policies', '/lua/endpoints', '/tmp'].map((path) => ({
    path: `${plan.directory}${path}`,
    mode: 0o755,
  }));

/** What a new version of this package replaces: nginx.conf and the Lua. Keys are file names under lua/. */
export const gatewayFiles = (plan: GatewayPlan, lua: Readonly<Record<string, string>>): readonly GatewayFile[] => [
  ...Object.entries(lua).map(([name, content]) => ({ path: `${plan.directory}/lua/${name}`, mode: 0o644, content })),
  { path: `${plan.directory}/nginx.conf`, mode: 0o644, content: renderNginx(plan) },
  { path: `${plan.directory}/openapi.json`, mode: 0o644, content: openapiText() },
];

/** One word for all that nginx's master reads: what runs tells it at the admin port, so that a reload can be seen. */
export const madeFile = (directory: string, made: string): GatewayFile => ({
  path: `${directory}/made`,
  mode: 0o644,
  content: made,
});

/** Settings are readable by the workers; they hold hashes and no secret. */
export const settingsAsFile = (directory: string, settings: Settings): GatewayFile => ({
  path: settingsFile(directory),
  mode: 0o644,
  content: settingsText(settings),
});

export const secretsAsFile = (directory: string, secrets: Secrets): GatewayFile => ({
  path: secretsFile(directory),
  mode: 0o600,
  content: `${JSON.stringify(secrets)}\n`,
});

const nginx = (plan: Pick<GatewayPlan, 'build' | 'directory'>, ...more: string[]): readonly [string, ...string[]] => [
  ...plan.build.command,
  '-p',
  plan.directory,
  '-c',
  'nginx.conf',
  '-e',
  'stderr',
  ...more,
];

/** In the foreground, errors on standard error; SIGQUIT ends it when its requests are done, SIGTERM at once. */
export const gatewayCommand = (plan: Pick<GatewayPlan, 'build' | 'directory'>): Command => ({ argv: nginx(plan) });

/** Whether nginx accepts the configuration. */
export const testCommand = (plan: Pick<GatewayPlan, 'build' | 'directory'>): Command => ({ argv: nginx(plan, '-t') });

/** The package's Lua, by name under templates/gateway. */
export async function readLua(world: Pick<World, 'files' | 'places'>): Promise<Readonly<Record<string, string>>> {
  const root = `${world.places.package}/templates/gateway`;
  const found: Record<string, string> = {};
  for (const folder of ['', 'core/', 'policies/', 'endpoints/']) {
    for (const name of await world.files.list(`${root}/${folder}`)) {
      if (name.endsWith('.lua')) found[folder + name] = await world.files.read(`${root}/${folder}${name}`);
    }
  }
  return found;
}
