/** Weights of models, from beside the bundle to the disks of the hosts with GPUs: local reads load them the fastest. */
import { weightsFiles, weightsUpload } from '../bundle/weights.js';
import { UserError } from '../errors.js';
import { ours } from '../install/packages.js';
import { bytesText } from '../models/progress.js';
import type { Action } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { asRoot, run } from './at-node.js';
import type { Machine, NodeStep } from './machine.js';

/** A folder for each model, as a pod mounts it. */
export const modelsFolder = `${ours}/models`;

const wantedOn = ({ cluster }: Machine) => (cluster.bundle ? weightsFiles(cluster.bundle) : []);

const place = ({ model, path }: { readonly model: string; readonly path: string }): string => `${model}/${path}`;

/**
 * $1: the folder; standard input: `sha256 bytes path` of each file. Says of each that is not known to be right whether it
 * is `absent` or, its hash found right just now, `right`. Known are those that the record has with their size and time.
 */
export const unknownScript = `cd -- "$1" 2>/dev/null || { sed 's/^[^ ]* [^ ]* /absent /'; exit 0; }
while read -r hash bytes path; do
  is=$(stat -c '%s %Y' -- "$path" 2>/dev/null) || { echo "absent $path"; continue; }
  ! grep -qxF -- "$hash $is $path" .sha256 2>/dev/null || continue
  if [ "\${is% *}" = "$bytes" ] && [ "$(sha256sum <"$path" | cut -d' ' -f1)" = "$hash" ]; then echo "right $path"
  else echo "absent $path"; fi
done`;

// $1: the folder; $2: the hash that it was found to have; $3: the path. Another line of the same file goes.
export const recordScript = `set -eu
cd -- "$1"; is=$(stat -c '%s %Y' -- "$3")
{ grep -vE -- "^[^ ]* [^ ]* [^ ]* $(printf '%s' "$3" | sed 's/[.[\\*^$+?(){|]/\\\\&/g')$" .sha256 2>/dev/null || true; echo "$2 $is $3"; } >.sha256.new
mv -f .sha256.new .sha256`;

/** Reading a file to the end: a slow disk gives 200 MB/s. */
const readingMs = (bytes: number): number => 60_000 + bytes / 200_000;

/** Every file that the host does not have for sure; those that somebody else brought are looked at once. */
async function unknown(machine: Machine, world: World) {
  const all = wantedOn(machine);
  if (all.length === 0) return [];
  const stdin = all.map((file) => `${file.sha256} ${file.bytes} ${place(file)}\n`).join('');
  const ms = readingMs(all.reduce((sum, { bytes }) => sum + bytes, 0));
  const { stdout } = await world.host.run({ ...asRoot(unknownScript, [modelsFolder], ms), stdin });
  const lines = new Set(stdout.split('\n'));
  return all.flatMap((file) => {
    const state = (['absent', 'right'] as const).find((one) => lines.has(`${one} ${place(file)}`));
    return state ? [{ ...file, state }] : [];
  });
}

/** For logs, images and what else grows. */
const spareBytes = 10e9;

/** @throws UserError `model.weights`, exit 'unready' */
async function refuseFullDisk(name: string, bytes: number, { files }: World): Promise<void> {
  const free = await files.free(modelsFolder);
  if (free >= bytes + spareBytes) return;
  const [needs, has] = [bytesText(bytes + spareBytes), bytesText(free)];
  throw new UserError(
    'model.weights',
    say(
      `${name}: the disk of ${modelsFolder} has ${has} left; the weights take ${needs}.`,
      `${name}：${modelsFolder} 所在磁盘剩余 ${has}，而权重需要 ${needs}。`,
    ),
    {
      exit: 'unready',
      hint: say(`Mount a larger disk at ${modelsFolder}.`, `请将更大的磁盘挂载到 ${modelsFolder}。`),
    },
  );
}

export const modelWeights: NodeStep = {
  id: 'model.weights',
  title: say('Model weights of the bundle', '离线包中的模型权重'),
  on: 'gpu',
  needed: ({ cluster }) =>
    cluster.sources.bundle !== undefined && (!cluster.bundle || cluster.bundle.manifest.weights.length > 0),
  done: async (machine, world) => (await unknown(machine, world)).length === 0,
  async apply(machine, world) {
    const files = await unknown(machine, world);
    const absent = files.filter(({ state }) => state === 'absent');
    await refuseFullDisk(
      machine.name,
      absent.reduce((sum, { bytes }) => sum + bytes, 0),
      world,
    );
    // Whoever is cut off in between has lost one file, not the day. An upload is written only with its right hash.
    return files.flatMap((file): Action[] => {
      const one = { path: place(file), content: weightsUpload(file, machine.cluster.here) };
      const record = run(asRoot(recordScript, [modelsFolder, file.sha256, place(file)]));
      return file.state === 'absent' ? [{ kind: 'upload', folder: modelsFolder, files: [one] }, record] : [record];
    });
  },
  leaves: say(`model weights of the bundle, in ${modelsFolder}`, `${modelsFolder} 中来自离线包的模型权重`),
};
