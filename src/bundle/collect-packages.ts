/** Packages of a bundle, with all that they depend on, brought into the cache. */
import type { Distribution } from '../install/distribution.js';
import { pinning } from '../install/nvidia.js';
import { type RepositoryName, repositoryOf } from '../install/sources.js';
import { download } from '../models/fetch.js';
import { allDone, many } from '../plan/many.js';
import { say } from '../say.js';
import type { Machine } from '../steps/machine.js';
import { wantsDriver } from '../steps/repositories.js';
import type { World } from '../world.js';
import { Apt, type Deb, fileName, localPath } from './apt.js';
import { type Contents, type Note, noteOf } from './contents.js';
import { collectRpms } from './dnf.js';
import { type Manifest, packagesFolder, systemId } from './manifest.js';
import type { Needs } from './needs.js';

const repositoryNames = (machine: Machine): readonly RepositoryName[] => [
  'docker',
  'kubernetes',
  ...(machine.gpu && machine.cluster.settings.gpuLayer !== 'none' ? (['toolkit'] as const) : []),
  ...(wantsDriver(machine) ? (['driver'] as const) : []),
];

const places = (world: World) => ({
  apt: (system: string) => `${world.places.cache}/bundle/apt/${system}`,
  dnf: (system: string) => `${world.places.cache}/bundle/dnf/${system}`,
  debs: `${world.places.cache}/bundle/debs`,
});

/** Where a deb lies once it is here. */
const placeOf = (deb: Deb, world: World): string => localPath(deb) ?? `${places(world).debs}/${deb.sha256}.deb`;

interface Brought {
  readonly system: Manifest['systems'][number];
  /** Where its package lies; undefined where no cluster is installed. */
  readonly kubeadm: string | undefined;
}

async function fetchDebs(debs: readonly Deb[], world: World, note: Note): Promise<void> {
  const named = debs.map((deb, at) => ({ ...deb, name: deb.file, at }));
  const outcomes = await many(
    named,
    3,
    async ({ url, file, sha256: hash, bytes, at }) => {
      const path = placeOf(debs[at]!, world);
      if (localPath(debs[at]!) === undefined)
        await download(world, { url, path, sha256: hash, bytes }, noteOf(note, `${at + 1}/${debs.length} ${file}`));
    },
    { signal: world.stop, stopAtFailure: true },
  );
  allDone(outcomes.filter(({ state }) => state !== 'skipped'));
  world.stop.throwIfAborted();
}

/** The driver's branch, and not the newest: what a host has by installing this package first. */
async function keepToBranch(apt: Apt, world: World, note: Note): Promise<void> {
  const debs = (await apt.resolve([{ name: pinning }])).filter(({ file }) => file.startsWith(`${pinning}_`));
  await fetchDebs(debs, world, note);
  await apt.prefer(placeOf(debs[0]!, world));
}

/** The packages of one system; their files and their list are among the contents then. */
export async function collectPackages(
  machine: Machine,
  distribution: Distribution,
  needs: Needs,
  contents: Contents,
  world: World,
  note: Note,
  names: readonly RepositoryName[] = repositoryNames(machine),
): Promise<Brought> {
  const id = systemId(distribution);
  const { sources, settings } = machine.cluster;
  const repositories = names.map((name) => repositoryOf(name, sources, distribution, settings.version));
  if (distribution.family === 'dnf')
    return collectRpms(places(world).dnf(id), distribution, repositories, needs.packages, contents, world, note);
  const apt = new Apt(places(world).apt(id), distribution, world);
  note(say('reading lists', '读取软件包列表'));
  await apt.open(repositories, sources.systems);
  if (needs.packages.some(({ name }) => name === pinning)) await keepToBranch(apt, world, note);
  const debs = await apt.resolve(needs.packages);
  await fetchDebs(debs, world, note);
  const { list, packages } = await apt.list(debs);
  for (const deb of debs) contents.file(packagesFolder(id) + fileName(deb), placeOf(deb, world), deb.bytes, deb.sha256);
  contents.text(`${packagesFolder(id)}Packages`, list);
  const kubeadm = debs.find(({ file }) => file.startsWith('kubeadm_'));
  return { system: { id, packages }, kubeadm: kubeadm && placeOf(kubeadm, world) };
}
