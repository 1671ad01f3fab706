/** On a connected machine: everything that an install takes from outside, brought into the cache, then into one file. */
import type { Config } from '../config/config.js';
import { UserError } from '../errors.js';
import { nginxPackages } from '../gateway/install.js';
import type { Distribution } from '../install/distribution.js';
import type { Pinned } from '../install/pins.js';
import { sourcesOf } from '../install/sources.js';
import { imagesIn } from '../manifests/object.js';
import { tail } from '../plan/step.js';
import { say } from '../say.js';
import { systemOf } from '../steps/at-node.js';
import type { Machine, NodeStep } from '../steps/machine.js';
import { storageOf } from '../steps/storage-local-path.js';
import type { World } from '../world.js';
import { collectImages } from './collect-images.js';
import { collectEngine } from './collect-local.js';
import { collectPackages } from './collect-packages.js';
import { collectWeights, type WeightsPlan } from './collect-weights.js';
import { Contents, type Note, sha256 } from './contents.js';
import { kernelsOf, noKernel } from './kernels.js';
import { type BundleSystem, format, type Manifest } from './manifest.js';
import { lacking, type Needs, needsOf, together } from './needs.js';
import type { Content } from './write.js';

export interface Wanted {
  readonly config: Config;
  readonly target: Manifest['target'];
  /** The path of the archive: weights lie beside it. */
  readonly out: string;
  readonly weights: readonly WeightsPlan[];
  readonly systems: readonly Distribution[];
  readonly arch: Distribution['arch'];
  /** Of hosts with GPUs, as `uname -r` says it: '6.1.0-41-amd64', or 'debian12=6.1.0-41-amd64' where there are several systems. */
  readonly kernels: readonly string[];
  /** Whether any host has GPUs. */
  readonly gpu: boolean;
  readonly steps: readonly NodeStep[];
}

export interface Collected {
  readonly manifest: Manifest;
  /** By path in the bundle. */
  readonly contents: ReadonlyMap<string, Content>;
}

/**
 * A host of this system with every role: whatever any of them may need.
 * @param kernel `uname -r`; left out where none is known
 */
export function anyMachine(
  { config, gpu }: Pick<Wanted, 'config' | 'gpu'>,
  { id, version, arch }: Distribution,
  here: World,
  kernel = '',
): Machine {
  const peer = { name: 'any', address: '10.0.0.1', roles: ['control-plane', 'worker', 'storage'] as const, gpu };
  const roles = Object.values(config.hosts.machines).map((one) => ({ ...peer, roles: one.roles }));
  const storage = storageOf({ settings: config.kubernetes, machines: roles });
  const nowhere = (): never => {
    throw new Error('there is no host yet');
  };
  const arches = { amd64: 'x86_64', arm64: 'aarch64' } as const;
  return {
    ...peer,
    facts: { usable: {}, os: { id, version }, kernel: { name: 'Linux', release: kernel, arch: arches[arch] } },
    cluster: {
      name: config.name,
      settings: { ...config.kubernetes, storage },
      sources: sourcesOf(config.mirrors),
      machines: [peer],
      controlPlane: nowhere,
      here,
    },
  };
}

/** @throws UserError `bundle.driver` for what no bundle can hold */
export function refuseUnbundled(machine: Machine): void {
  if (!machine.gpu || machine.cluster.settings.driver !== 'install' || systemOf(machine).family === 'apt') return;
  throw new UserError(
    'bundle.driver',
    say('The NVIDIA driver of the RHEL family is not put into bundles.', '离线包不含 RHEL 系的 NVIDIA 驱动。'),
    {
      exit: 'usage',
      hint: say(
        'Install it by hand or with the image of the system, and set kubernetes.driver: check',
        '请手动安装或随系统镜像提供，并设置 kubernetes.driver: check',
      ),
    },
  );
}

// $1: the package, $2: the version. The program is for this machine's kind of processor.
const listScript = `set -eu
t=$(mktemp -d); trap 'rm -rf "$t"' EXIT; trap 'exit 130' HUP INT TERM
case $1 in
  *.deb) dpkg-deb --fsys-tarfile "$1" | tar -xf - -C "$t" ./usr/bin/kubeadm ;;
  *) cd "$t" && rpm2cpio "$1" | cpio -id --quiet ./usr/bin/kubeadm ;;
esac
"$t/usr/bin/kubeadm" config images list --kubernetes-version "$2"`;

/** The images that the very kubeadm of the bundle asks for. @throws UserError `bundle.kubeadm` */
export async function kubeadmImages(from: string, version: string, world: World): Promise<string[]> {
  const result = await world.host.run({
    argv: ['sh', '-c', listScript, 'images', from, `v${version}`],
    timeoutMs: 60_000,
  });
  const names = result.stdout.split('\n').filter(Boolean);
  if (result.code === 0 && names.length > 0) return names;
  throw new UserError(
    'bundle.kubeadm',
    say(
      `kubeadm ${version} does not say its images:\n${tail(result)}`,
      `kubeadm ${version} 未列出镜像：\n${tail(result)}`,
    ),
  );
}

/** A manifest of others, by its hash. @throws UserError `manifest.fetch` */
export async function fetchPinned({ path, sha256: hash }: Pinned, base: string, world: World): Promise<string> {
  const url = `${base}/${path}`;
  const answer = await world.http
    .request({ url, timeoutMs: 30_000, idleTimeoutMs: 60_000, signal: world.stop })
    .then(async (response) => ({ status: String(response.status), text: await response.text() }))
    .catch((error: unknown) => ({ status: error instanceof Error ? error.message : String(error), text: '' }));
  const right = answer.status === '200' && sha256(answer.text) === hash;
  if (right) return answer.text;
  const why = answer.status === '200' ? 'sha256' : answer.status;
  throw new UserError('manifest.fetch', say(`${url} could not be fetched: ${why}`, `无法获取 ${url}：${why}`), {
    exit: 'network',
  });
}

export type PartId = 'packages' | 'engine' | 'manifests' | 'images' | 'weights';
/** Runs one part of the work, heard of by whoever watches. */
export type DoPart = <T>(id: PartId, work: (note: Note) => Promise<T>) => Promise<T>;

/** The parts of a bundle, in their order. */
export const partsOf = ({ target, systems, weights }: Pick<Wanted, 'target' | 'systems' | 'weights'>): PartId[] => [
  ...(systems.length > 0 ? (['packages'] as const) : []),
  ...(target === 'local' ? (['engine'] as const) : (['manifests', 'images'] as const)),
  ...(weights.length > 0 ? (['weights'] as const) : []),
];

type Made = Pick<Manifest, 'systems' | 'images'>;

/** For each kernel that hosts of the system run. @throws UserError `bundle.kernel` */
function needsFor(wanted: Wanted, system: Distribution, world: World): Needs {
  const machine = anyMachine(wanted, system, world);
  const own = kernelsOf(system, wanted.kernels);
  if (own.length > 0)
    return together(own.map((kernel) => needsOf(wanted.steps, anyMachine(wanted, system, world, kernel))));
  if (machine.gpu && machine.cluster.settings.driver === 'install') throw noKernel(`${system.id}${system.version}`);
  return needsOf(wanted.steps, machine);
}

async function collectCluster(wanted: Wanted, contents: Contents, world: World, part: DoPart): Promise<Made> {
  const { config, systems } = wanted;
  const machines = systems.map((one) => ({ one, machine: anyMachine(wanted, one, world) }));
  for (const { machine } of machines) refuseUnbundled(machine);
  const { version } = config.kubernetes;
  const { sources } = machines[0]!.machine.cluster;
  const needs = systems.map((one) => needsFor(wanted, one, world));
  const packages = await part('packages', async (note) => {
    const found = [];
    for (const [at, { one, machine }] of machines.entries())
      found.push(await collectPackages(machine, one, needs[at]!, contents, world, note));
    return found;
  });
  const pinned = await part('manifests', async () => {
    const texts: string[] = [];
    for (const one of needs.flatMap(({ manifests }) => manifests)) {
      const text = await fetchPinned(one, sources.manifests, world);
      contents.text(`manifests/${one.path}`, text);
      texts.push(text);
    }
    return texts;
  });
  const images = await part('images', async (note) => {
    const own = await kubeadmImages(packages[0]!.kubeadm!, version, world);
    const names = [...new Set([...own, ...needs.flatMap((one) => one.images), ...pinned.flatMap(imagesIn)])];
    const means = { contents, folder: `${world.places.cache}/bundle/blobs`, world, note };
    return collectImages(names, systems[0]!.arch, sources, means);
  });
  const made = { systems: packages.map(({ system }) => system), images };
  // What a step says and what apt chose may differ by a mistake of ours alone.
  const lacks = made.systems.flatMap(({ id }, at) => lacking({ ...made, files: contents.files }, id, needs[at]!));
  if (lacks.length > 0) throw new Error(`collected without ${lacks.map(({ en }) => en).join(', ')}`);
  return made;
}

async function collectHere(wanted: Wanted, contents: Contents, world: World, part: DoPart): Promise<Made> {
  const packages = nginxPackages.map((name) => ({ name }));
  const systems: BundleSystem[] = [];
  if (wanted.systems.length > 0)
    await part('packages', async (note) => {
      for (const one of wanted.systems) {
        const needs = { packages, images: [], manifests: [] };
        const machine = anyMachine(wanted, one, world);
        systems.push((await collectPackages(machine, one, needs, contents, world, note, [])).system);
      }
    });
  await part('engine', () => collectEngine(wanted.arch, contents, world));
  return { systems, images: [] };
}

/** @throws UserError `bundle.*`, `download.*`, `manifest.fetch` */
export async function collect(wanted: Wanted, world: World, part: DoPart): Promise<Collected> {
  const { target, config, weights: plans, out } = wanted;
  const contents = new Contents();
  const made = await (target === 'local' ? collectHere : collectCluster)(wanted, contents, world, part);
  const weights = plans.length > 0 ? await part('weights', (note) => collectWeights(plans, out, world, note)) : [];
  const manifest: Manifest = {
    kind: 'deepseek-deploy bundle',
    format,
    createdAt: new Date(world.clock.now()).toISOString(),
    target,
    ...(target === 'kubernetes' ? { kubernetes: config.kubernetes.version } : {}),
    ...made,
    weights,
    files: contents.files,
  };
  return { manifest, contents: contents.contents };
}
