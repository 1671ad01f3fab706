/** Removing what we made, and nothing else: each path by its name, folders only when they are empty afterwards. */
import { createHash } from 'node:crypto';
import type { Action } from '../plan/step.js';
import type { Places, World } from '../world.js';

/** Everything `init` and the processes it starts put into the home. */
const homeEntries = [
  ...['deployment.json', 'journal.ndjson', 'run', 'logs', 'gateway', 'engine', 'models', 'bundle'],
  'known_hosts',
  'bundle-checked.json',
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
}

/** What `down --purge` would remove now. */
export async function purgeable(world: World): Promise<Purge> {
  const { home, cache } = world.places;
  const keptFor = await otherUsers(world);
  const wanted = [
    ...homeEntries.map((name) => `${home}/${name}`),
    ...(keptFor.length > 0 ? [userFile(world.places)] : cacheEntries.map((name) => `${cache}/${name}`)),
    ...(keptFor.length > 0 ? [] : [usersFolder(cache)]),
  ];
  const there = await Promise.all(wanted.map(async (path) => (await world.files.stat(path)) !== undefined));
  return { paths: wanted.filter((_, at) => there[at]), keptFor };
}

export async function purge(world: World, { paths }: Purge): Promise<void> {
  for (const path of paths) await world.files.remove(path);
}

/**
 * The two folders themselves; once the lock in the home is released.
 * @returns those that stay because something that is not ours lies in them
 */
export async function sweep(world: World, { keptFor }: Purge): Promise<string[]> {
  const left: string[] = [];
  const { home, cache } = world.places;
  for (const folder of keptFor.length > 0 ? [home] : [home, cache]) {
    if (!(await world.files.removeEmpty(folder))) left.push(folder);
  }
  return left;
}
