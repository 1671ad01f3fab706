/** What of the gateway's settings comes from the configuration; keys, clients and the revision are others' to change. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { runtimeBuildsFile } from '../engines/runtime.js';
import { dnsOptions } from '../gateway/dns.js';
import { next, type ServedModel, type Settings } from '../gateway/settings.js';
import type { World } from '../world.js';
import { auditOf } from './audit.js';
import { limitsOf, validationOf } from './limits.js';
import { breakerOf, cacheOf, cloudOf, corsOf, degradeOf, hostsIn, keepAliveOf, oauthOf, redisOf } from './policies.js';
import type { Setup } from './setup.js';

const names = [
  'models',
  'limits',
  'validation',
  'audit',
  'dns',
  'redis',
  'cache',
  'breaker',
  'degrade',
  'cloud',
  'cors',
  'oauth',
  'keepAliveS',
] as const;

/** Undefined in it: off. */
export type Configured = { readonly [N in (typeof names)[number]]: Settings[N] | undefined } & Pick<Settings, 'models'>;

/** Weights by their hash where they were downloaded, a file of one's own by what tells that it was replaced. */
async function weightsOf({ model }: Setup, world: World): Promise<string> {
  if (model.source.kind === 'download') return model.source.sha256;
  const stat = model.source.kind === 'file' ? await world.files.stat(model.file) : undefined;
  return `${model.file} ${stat?.size ?? ''} ${stat?.mtimeMs ?? ''}`;
}

/** What an answer depends on beside its request: the weights, the builds of the engine, the length of its context. */
export async function revisionOf(setup: Setup, world: World): Promise<string> {
  const builds = await world.files.read(runtimeBuildsFile(setup.places));
  const parts = [await weightsOf(setup, world), builds, String(setup.config.engine.contextSize)];
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
}

async function modelsOf(setup: Setup, world: World): Promise<readonly ServedModel[]> {
  const revision = await revisionOf(setup, world);
  const { host, port, grpcPort } = setup.engine;
  const asked = grpcPort === undefined ? {} : ({ protocol: 'grpc' } as const);
  const peers = [{ host, port: grpcPort ?? port }];
  return [{ id: setup.model.id, versions: [{ name: 'blue', revision, ...asked, weight: 100, peers }] }];
}

export async function configured(setup: Setup, world: World): Promise<Configured> {
  const { config } = setup;
  const { gateway } = config;
  const hosts = hostsIn((await world.files.readIfAny('/etc/hosts')) ?? '');
  return {
    models: await modelsOf(setup, world),
    limits: limitsOf(config),
    validation: validationOf(config),
    audit: auditOf(config),
    // There for names of Redis' nodes; where there are none it does nothing.
    dns: dnsOptions({ staleS: gateway.dns.stale / 1000 }),
    redis: redisOf(gateway, hosts),
    cache: cacheOf(gateway),
    breaker: breakerOf(gateway),
    degrade: degradeOf(gateway),
    cloud: cloudOf(gateway),
    cors: corsOf(gateway),
    oauth: oauthOf(config),
    keepAliveS: keepAliveOf(gateway),
  };
}

/** The settings with another revision; what is off is not in them. */
export function withConfigured(settings: Settings, wanted: Configured): Settings {
  const kept = Object.entries(settings).filter(([name]) => !(names as readonly string[]).includes(name));
  const on = Object.entries(wanted).filter(([, value]) => value !== undefined);
  return next(Object.fromEntries([...kept, ...on]) as unknown as Settings, {});
}

/** As JSON carries it: what is undefined is not there. */
const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

export const serves = (settings: Settings | undefined, wanted: Configured): boolean =>
  settings !== undefined && names.every((name) => isDeepStrictEqual(plain(settings[name]), plain(wanted[name])));
