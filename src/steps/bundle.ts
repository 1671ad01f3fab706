/** A bundle on the host's own disk in place of the network: its packages and its images. */
import { systemId } from '../bundle/manifest.js';
import { type Part, partsFor } from '../bundle/parts.js';
import { UserError } from '../errors.js';
import { refresh, sourceFile, sourceText } from '../install/repositories.js';
import { type Repository, repositoryOf } from '../install/sources.js';
import { tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result, World } from '../world.js';
import { ask, asRoot, holds, run, systemOf } from './at-node.js';
import type { Machine, NodeStep } from './machine.js';

const hasBundle = ({ cluster }: Machine): boolean => cluster.sources.bundle !== undefined;

/** The one repository there is then; undefined where the network is asked. */
export const bundleOf = (machine: Machine): Repository | undefined =>
  hasBundle(machine)
    ? repositoryOf('kubernetes', machine.cluster.sources, systemOf(machine), machine.cluster.settings.version)
    : undefined;

// $1: the bundle; standard input: `sha256  path` of each file. Prints those that are not there, or are others.
export const absentFilesScript = `cd -- "$1" 2>/dev/null || { sed 's/^[0-9a-f]*  //'; exit 0; }
sha256sum -c --quiet - 2>/dev/null | sed -n 's/: FAILED.*$//p'`;

/** What is imported already is not sent again. */
async function absentFiles(machine: Machine, world: World): Promise<readonly Part[]> {
  const { bundle, sources } = machine.cluster;
  if (!bundle) throw new Error('the bundle was not opened');
  const all = partsFor(bundle, systemId(systemOf(machine)), machine);
  const list = all.map(({ content, path }) => `${content.sha256}  ${path}\n`).join('');
  const [files, images] = await Promise.all([
    world.host.run({ ...asRoot(absentFilesScript, [sources.bundle!], 600_000), stdin: list }),
    imagesAreThere(machine, world),
  ]);
  const absent = new Set(files.stdout.split('\n'));
  return all.filter(({ path }) => absent.has(path) && !(images && path.startsWith('images/')));
}

// The folder it lay in, when nothing else is there.
export const rmdirScript = `rmdir --ignore-fail-on-non-empty -- "\${1%/*}"`;

export const bundleUpload: NodeStep = {
  id: 'bundle.upload',
  title: say('The bundle, sent to the host', '离线包上传至主机'),
  on: 'every',
  needed: hasBundle,
  done: async (machine, world) => (await absentFiles(machine, world)).length === 0,
  async apply(machine, world) {
    const files = await absentFiles(machine, world);
    return [{ kind: 'upload', folder: machine.cluster.sources.bundle!, files }];
  },
  async undo({ cluster }, world) {
    const path = cluster.sources.bundle!;
    return (await world.files.stat(path)) ? [{ kind: 'remove', path }, run(asRoot(rmdirScript, [path]))] : [];
  },
};

// What apt and dnf keep of a list that is no more.
export const forgetScript =
  'rm -rf -- /var/lib/apt/lists/*_deepseek-deploy_bundle_* /var/cache/dnf/deepseek-deploy-bundle*';

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
  undo: async (machine, world) => {
    const file = sourceFile(bundleOf(machine)!, systemOf(machine));
    return (await world.files.stat(file)) ? [{ kind: 'remove', path: file }, run(asRoot(forgetScript))] : [];
  },
};

// $1: the bundle. images.txt has the name of each image; prints those that containerd lacks.
export const lackingScript = `set -eu
have=$(ctr -n k8s.io images ls -q)
while read -r image; do printf '%s\\n' "$have" | grep -qxF -- "$image" || echo "$image"; done <"$1/images.txt"`;

// images/ is one OCI layout of all of them. Pinned: kubelet would take those away that no pod uses when the disk fills,
// and nobody could pull them again. Once imported, the layout is of no more use.
export const importScript = `set -eu
tar -C "$1/images" -cf - . | ctr -n k8s.io images import -
while read -r image; do ctr -n k8s.io images label "$image" io.cri-containerd.pinned=pinned >/dev/null; done <"$1/images.txt"
rm -rf -- "$1/images"`;

async function imagesAreThere({ cluster }: Machine, world: World): Promise<boolean> {
  const { code, stdout } = await ask(world, lackingScript, cluster.sources.bundle!);
  return code === 0 && stdout.trim() === '';
}

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
  title: say('Images of the bundle that this host may run', '离线包中本机可能运行的镜像'),
  on: 'every',
  needed: hasBundle,
  done: imagesAreThere,
  apply: async ({ name, cluster }) => [run(asRoot(importScript, [cluster.sources.bundle!], 3_600_000), failed(name))],
};
