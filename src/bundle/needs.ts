/** What the steps of an install take from outside, and what of it a bundle lacks. */
import { fits, type Package } from '../install/packages.js';
import { say, type Text } from '../say.js';
import { type Brings, isOn, type Machine, type NodeStep } from '../steps/machine.js';
import type { Manifest } from './manifest.js';

export type Needs = Required<Brings>;

const unique = <T>(all: readonly T[], key: (one: T) => string): T[] => [
  ...new Map(all.map((one) => [key(one), one])).values(),
];

/** Everything that a host's steps may take, said by the steps themselves. */
export function needsOf(steps: readonly NodeStep[], machine: Machine): Needs {
  const brought = steps
    .filter((step) => isOn(step, machine) && (step.needed?.(machine) ?? true))
    .map((step) => step.brings?.(machine) ?? {});
  return together(brought);
}

export const together = (all: readonly Brings[]): Needs => ({
  packages: unique(
    all.flatMap(({ packages = [] }) => packages),
    ({ name, version = '' }) => `${name} ${version}`,
  ),
  images: [...new Set(all.flatMap(({ images = [] }) => images))],
  manifests: unique(
    all.flatMap(({ manifests = [] }) => manifests),
    ({ path }) => path,
  ),
});

const isIn = ({ name, version }: Package, has: Manifest['systems'][number]['packages']): boolean =>
  has.some((one) => one.name === name && fits(one.version, version));

/** @param system 'debian12-amd64' */
export function lacking(
  { systems, images, files }: Pick<Manifest, 'systems' | 'images' | 'files'>,
  system: string,
  needs: Needs,
): Text[] {
  const has = systems.find(({ id }) => id === system);
  const both = (text: string): Text => say(text, text);
  if (!has && systems.length === 0)
    return [say(`packages of ${system}: it has none`, `${system} 的软件包：其中没有任何软件包`)];
  if (!has)
    return [
      say(
        `packages of ${system}: it was made for ${systems.map(({ id }) => id).join(', ')}`,
        `${system} 的软件包：此离线包适用于 ${systems.map(({ id }) => id).join('、')}`,
      ),
    ];
  return [
    ...needs.packages
      .filter((one) => !isIn(one, has.packages))
      .map(({ name, version }) => both(version === undefined ? name : `${name} ${version}`)),
    ...needs.images.filter((name) => !images.some((one) => one.name === name)).map(both),
    ...needs.manifests
      .filter(({ path, sha256 }) => !files.some((one) => one.path === `manifests/${path}` && one.sha256 === sha256))
      .map(({ path }) => both(path)),
  ];
}
