/** Removing what we made, and nothing else: each path by its name, folders only when they are empty afterwards. */
import { createHash } from 'node:crypto';
import { auditFolder, gatewayDirectory, inHandFolder, secretsFile } from '../gateway/files.js';
import type { Action } from '../plan/step.js';
import type { Places, World } from '../world.js';

/** Everything `init` and the processes it starts put into the home. */
const homeEntries = [
  ...['deployment.json', 'journal.ndjson', 'run', 'logs', 'gateway', 'engine', 'models', 'bundle'],
  'known_hosts',
  'bundle-checked.json',
  'bundle-keys',
] as const;

/** What deployments share in the cache: runtimes of the engine, models. */
const cacheEntries = ['runtime', 'models'] as const;

/** One file per home that uses the cache, holding its path. */
const usersFolder = (cache: string): string => `${cache}/users`;

const userFile = ({ home, cache }: Places): string =>
  `${usersFolder(cache)}/${createHash('sha256').update(home).digest('hex').slice(0, 16)}`;

/** Says that this home uses the cache, so that the purge of another leaves it alone. */
export const useCache = ({ places }: World): readonly Action[] => [
  { kind: 'dir', path: usersFolder(places.cache), mode: 0o700 },
  { kind: 'write', path: userFile(places), mode: 0o600, content: `${places.home}\n` },
];

export const isUsingCache = async ({ files, places }: World): Promise<boolean> =>
  (await files.stat(userFile(places))) !== undefined;

/** Other homes that still stand and use the cache. */
async function otherUsers(world: World): Promise<string[]> {
  const names = await world.files.list(usersFolder(world.places.cache));
  const homes = await Promise.all(
    names.map(async (name) => (await world.files.readIfAny(`${usersFolder(world.places.cache)}/${name}`))?.trim()),
  );
  const standing = await Promise.all(homes.map(async (home) => home && (await world.files.stat(home)) && home));
  return standing.filter((home): home is string => Boolean(home) && home !== world.places.home);
}

export interface Purge {
  readonly paths: readonly string[];
  /** Homes for whose sake the cache stays. */
  readonly keptFor: readonly string[];
  /** The folder of the audit log that stays, with the secret it is read with. */
  readonly audit?: string;
}

export interface Left {
  readonly folder: string;
  readonly names: readonly string[];
}

/** The audit log of this home; undefined where nothing was put on record. */
export async function auditLogHere({ files, places }: World): Promise<string | undefined> {
  const folder = auditFolder(gatewayDirectory(places.home));
  return (await files.list(folder)).length > 0 ? folder : undefined;
}

/** All of the gateway's folder but the audit log, what is still due to it, and the file with its secret. */
async function besideAudit({ files, places }: World): Promise<string[]> {
  const gateway = gatewayDirectory(places.home);
  const due = inHandFolder(gateway);
  const stays = new Set([auditFolder(gateway), secretsFile(gateway)]);
  if ((await files.list(due)).length > 0) stays.add(due);
  return (await files.list(gateway)).map((name) => `${gateway}/${name}`).filter((path) => !stays.has(path));
}

/** What `down --purge` would remove now. @param options.audit whether the audit log goes too */
export async function purgeable(world: World, options: { readonly audit: boolean }): Promise<Purge> {
  const { home, cache } = world.places;
  const keptFor = await otherUsers(world);
  const audit = options.audit ? undefined : await auditLogHere(world);
  const gateway = gatewayDirectory(home);
  const wanted = [
    ...homeEntries.map((name) => `${home}/${name}`).filter((path) => !audit || path !== gateway),
    ...(audit ? await besideAudit(world) : []),
    ...(keptFor.length > 0 ? [userFile(world.places)] : cacheEntries.map((name) => `${cache}/${name}`)),
    ...(keptFor.length > 0 ? [] : [usersFolder(cache)]),
  ];
  const there = await Promise.all(wanted.map(async (path) => (await world.files.stat(path)) !== undefined));
  return { paths: wanted.filter((_, at) => there[at]), keptFor, ...(audit ? { audit } : {}) };
}

/** Of the gateway's secrets one stays: it opens the audit log and proves it, and the next `init` goes on with it. */
async function forgetSecrets({ files, places }: World): Promise<void> {
  const path = secretsFile(gatewayDirectory(places.home));
  const text = await files.readIfAny(path);
  if (text === undefined) return;
  const { auditSecret } = JSON.parse(text) as { auditSecret?: string };
  await files.write(path, `${JSON.stringify({ auditSecret })}\n`);
}

export async function purge(world: World, { paths, audit }: Purge): Promise<void> {
  for (const path of paths) await world.files.remove(path);
  if (audit) await forgetSecrets(world);
}

/**
 * The two folders themselves; once the lock in the home is released.
 * @returns those that stay, with the names of what lies in them and is not ours to remove (a key that signs bundles is its owner's)
 */
export async function sweep(world: World, { keptFor, audit }: Purge): Promise<Left[]> {
  const left: Left[] = [];
  const { home, cache } = world.places;
  for (const folder of [...(audit ? [] : [home]), ...(keptFor.length > 0 ? [] : [cache])]) {
    if (!(await world.files.removeEmpty(folder))) left.push({ folder, names: await world.files.list(folder) });
  }
  return left;
}
