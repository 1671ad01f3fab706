/** Objects in the cluster: held against what the API server has, applied by it, and waited for. */
import { UserError } from '../errors.js';
import { ours } from '../install/packages.js';
import type { Pinned } from '../install/pins.js';
import { documentsOf, imagesIn, type KubeObject } from '../manifests/object.js';
import { type Action, tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result, World } from '../world.js';
import { ask, asRoot, kubectl, outwardly, run } from './at-node.js';
import { isHeld, manager } from './held.js';
import type { Brings, Machine } from './machine.js';
import { isRolledOut, type Workload } from './workloads.js';

/** The images of its pods. */
export const bringsObjects = (objects: readonly KubeObject[]): Brings => ({ images: imagesIn(documentsOf(objects)) });

/** Whether nothing would change. */
export const areApplied = (objects: readonly KubeObject[], world: World): Promise<boolean> =>
  isHeld({ documents: documentsOf(objects) }, world);

/** Fields that somebody else set are set to ours: what is written here is what shall be. */
const applyWords = ['apply', '--server-side', '--force-conflicts', manager, '-f'];

export const applyObjects = (objects: readonly KubeObject[]): Action =>
  run(kubectl([...applyWords, '-'], documentsOf(objects), 120_000));

/** Both at once: each is a question to the API server. */
export async function areRunning(objects: readonly KubeObject[], workload: Workload, world: World): Promise<boolean> {
  const both = await Promise.all([areApplied(objects, world), isRolledOut(workload, world)]);
  return both.every(Boolean);
}

const fileOf = ({ path }: Pinned): string => `${ours}/manifests/${path.split('/').slice(1).join('-')}`;

export const hashScript = '[ ! -e "$1" ] || sha256sum <"$1" | cut -d" " -f1';

/** Whether a manifest of others is there with its hash, and in effect. */
export async function isPinnedApplied(manifest: Pinned, world: World): Promise<boolean> {
  const file = fileOf(manifest);
  if ((await ask(world, hashScript, file)).stdout.trim() !== manifest.sha256) return false;
  return isHeld({ file }, world);
}

// $1: the place; $2: the address; $3: the hash.
export const fetchScript = `set -eu
[ "$(sha256sum <"$1" 2>/dev/null | cut -d' ' -f1)" != "$3" ] || exit 0
t=$(mktemp); trap 'rm -f "$t"' EXIT; trap 'exit 130' HUP INT TERM
curl -fsSL --retry 3 --connect-timeout 20 -o "$t" -- "$2" || exit 75
is=$(sha256sum <"$t" | cut -d' ' -f1); [ "$is" = "$3" ] || { echo "$is"; exit 76; }
mkdir -p -m 700 "\${1%/*}"; install -m 600 "$t" "$1"`;

const fetchFailed =
  (url: string) =>
  (result: Result): UserError => {
    const wrong = result.code === 76;
    const why = tail(result);
    return new UserError(
      'manifest.fetch',
      wrong
        ? say(
            `${url} is not what is pinned here: its sha256 is ${why}.`,
            `${url} 与固定内容不符，其 sha256 为 ${why}。`,
          )
        : say(`${url} could not be fetched: ${why}`, `无法获取 ${url}：${why}`),
      {
        exit: 'network',
        hint: say(
          'Check the network of the host; another address: mirrors.manifests (mirrors: cn in mainland China).',
          '请检查该主机的网络；可用 mirrors.manifests 换地址（中国大陆可用 mirrors: cn）。',
        ),
      },
    );
  };

/** Fetched by the control plane, its hash checked, applied. */
export function applyPinned(manifest: Pinned, machine: Machine): readonly Action[] {
  const file = fileOf(manifest);
  const url = `${machine.cluster.sources.manifests}/${manifest.path}`;
  const fetch = asRoot(fetchScript, [file, url, manifest.sha256], 300_000);
  return [run(outwardly(machine, fetch), fetchFailed(url)), run(kubectl([...applyWords, file], undefined, 300_000))];
}
