/** A bundle on the host's own disk in place of the network: its packages and its images. */

import { UserError } from '../errors.js';
import { refresh, sourceFile, sourceText } from '../install/repositories.js';
import { type Repository, repositoryOf } from '../install/sources.js';
import { tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result } from '../world.js';
import { ask, asRoot, holds, run, systemOf } from './at-node.js';
import type { Machine, NodeStep } from './machine.js';

const hasBundle = ({ cluster }: Machine): boolean => cluster.sources.bundle !== undefined;

/** The one repository there is then; undefined where the network is asked. */
export const bundleOf = (machine: Machine): Repository | undefined =>
  hasBundle(machine)
    ? repositoryOf('kubernetes', machine.cluster.sources, systemOf(machine), machine.cluster.settings.version)
    : undefined;

export const bundleRepository: NodeStep = {
  id: 'bundle.repository',
  title: say('Packages of the bundle', '离线包中的软件包'),
  on: 'every',
  needed: hasBundle,
  async done(machine, world) {
    const [one, system] = [bundleOf(machine)!, systemOf(machine)];
    return holds(world, sourceFile(one, system), sourceText(one, system));
  },
  async apply(machine) {
    const [one, system] = [bundleOf(machine)!, systemOf(machine)];
    return [
      { kind: 'write', path: sourceFile(one, system), mode: 0o644, content: sourceText(one, system) },
      run(refresh(system, { from: one })),
    ];
  },
  undo: async (machine) => [{ kind: 'remove', path: sourceFile(bundleOf(machine)!, systemOf(machine)) }],
};

// $1: the bundle. images.txt has the name of each image; prints those that containerd lacks.
export const lackingScript = `set -eu
have=$(ctr -n k8s.io images ls -q)
while read -r image; do printf '%s\\n' "$have" | grep -qxF -- "$image" || echo "$image"; done <"$1/images.txt"`;

// A layer that is there already costs nothing.
export const importScript = `set -eu
for archive in "$1"/images/*.tar; do ctr -n k8s.io images import "$archive"; done`;

const failed =
  (host: string) =>
  (result: Result): UserError =>
    new UserError(
      'bundle.images',
      say(
        `${host}: images of the bundle could not be imported:\n${tail(result)}`,
        `${host}：无法导入离线包中的镜像：\n${tail(result)}`,
      ),
    );

export const bundleImages: NodeStep = {
  id: 'bundle.images',
  title: say('Images of the bundle', '离线包中的镜像'),
  on: 'every',
  needed: hasBundle,
  async done({ cluster }, world) {
    const { code, stdout } = await ask(world, lackingScript, cluster.sources.bundle!);
    return code === 0 && stdout.trim() === '';
  },
  apply: async ({ name, cluster }) => [run(asRoot(importScript, [cluster.sources.bundle!], 3_600_000), failed(name))],
};
