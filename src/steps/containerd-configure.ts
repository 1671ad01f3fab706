/** CRI on, systemd's control groups, the right pause image, mirrors of registries: held against what is in effect. */
import {
  certsFolder,
  configFile,
  configFolder,
  configText,
  dumpScript,
  hostsFiles,
  isConfigured,
  readDump,
} from '../install/containerd.js';
import type { Action } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { ask, asRoot, containerdWish, holds, run } from './at-node.js';
import type { Machine, NodeStep } from './machine.js';

/** What is in effect; empty when the daemon does not run with its files. */
export async function containerdDump(world: World): Promise<ReadonlyMap<string, string>> {
  const { code, stdout } = await ask(world, dumpScript);
  return code === 0 ? readDump(stdout) : new Map();
}

export const restartContainerd: Action = run(
  asRoot('systemctl enable -q containerd && systemctl restart containerd', [], 120_000),
);

const before = `${configFile}.before-deepseek-deploy`;
// The packaged file, or somebody's own, is kept once.
const keepScript = '[ ! -e "$1" ] || [ -e "$2" ] || cp -a -- "$1" "$2"';
const bringBackScript = '[ ! -e "$2" ] || mv -f -- "$2" "$1"; systemctl try-restart containerd';

async function mirrorsThere(machine: Machine, world: World): Promise<boolean> {
  const files = hostsFiles(machine.cluster.sources);
  const there = await Promise.all(files.map(({ path, content }) => holds(world, path, content)));
  return !there.includes(false);
}

export const containerdConfigure: NodeStep = {
  id: 'containerd.configure',
  title: say('containerd: CRI, control groups, mirrors', 'containerd 配置：CRI、cgroup、镜像站'),
  on: 'every',
  async done(machine, world) {
    const [dump, mirrors] = await Promise.all([containerdDump(world), mirrorsThere(machine, world)]);
    return mirrors && isConfigured(dump, containerdWish(machine));
  },
  async apply(machine) {
    const files = hostsFiles(machine.cluster.sources);
    return [
      { kind: 'dir', path: '/etc/containerd', mode: 0o755 },
      { kind: 'dir', path: configFolder, mode: 0o755 },
      { kind: 'dir', path: certsFolder, mode: 0o755 },
      ...files.flatMap(({ path, content }): Action[] => [
        { kind: 'dir', path: path.slice(0, path.lastIndexOf('/')), mode: 0o755 },
        { kind: 'write', path, mode: 0o644, content },
      ]),
      run(asRoot(keepScript, [configFile, before])),
      { kind: 'write', path: configFile, mode: 0o644, content: configText(containerdWish(machine)) },
      restartContainerd,
    ];
  },
  async undo({ cluster }) {
    return [
      ...hostsFiles(cluster.sources).map(({ path }): Action => ({ kind: 'remove', path })),
      run(asRoot(bringBackScript, [configFile, before])),
    ];
  },
};
