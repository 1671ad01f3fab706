/** CRI on, systemd's control groups, the right pause image, mirrors of registries: held against what is in effect. */
import {
  certsFolder,
  configFile,
  configFolder,
  configText,
  dumpScript,
  hostsFiles,
  isConfigured,
} from '../install/containerd.js';
import { madePackages } from '../install/packages.js';
import { dropIn } from '../install/proxy.js';
import type { Action } from '../plan/step.js';
import { readToml, type Toml } from '../probes/toml-lines.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { ask, asRoot, containerdWish, holds, proxyDropIn, run } from './at-node.js';
import type { Machine, NodeStep } from './machine.js';

/** What is in effect; empty when the daemon does not run with its files. */
export async function containerdDump(world: World): Promise<Toml> {
  const { code, stdout } = await ask(world, dumpScript);
  return code === 0 ? readToml(stdout) : new Map();
}

export const restartContainerd: Action = run(
  asRoot('systemctl daemon-reload && systemctl enable -q containerd && systemctl restart containerd', [], 120_000),
);

const before = `${configFile}.before-deepseek-deploy`;
// The packaged file, or somebody's own, is kept once.
const keepScript = '[ ! -e "$1" ] || [ -e "$2" ] || cp -a -- "$1" "$2"';
// $3: the record of what we brought. A containerd of ours goes next: there is nothing to restart it for.
const bringBackScript = `[ ! -e "$2" ] || mv -f -- "$2" "$1"; systemctl daemon-reload
grep -qxF containerd.io "$3" 2>/dev/null || systemctl try-restart containerd`;

async function mirrorsThere(machine: Machine, world: World): Promise<boolean> {
  const files = hostsFiles(machine.cluster.sources);
  const there = await Promise.all(files.map(({ path, content }) => holds(world, path, content)));
  return !there.includes(false);
}

const proxyFile = dropIn('containerd');

/** The proxy that pulls go through, or none any more. */
export function throughProxy(unit: string, machine: Machine): readonly Action[] {
  const path = dropIn(unit);
  const content = proxyDropIn(machine);
  if (content === undefined) return [{ kind: 'remove', path }];
  return [
    { kind: 'dir', path: path.slice(0, path.lastIndexOf('/')), mode: 0o755 },
    // Its address may hold a password.
    { kind: 'write', path, mode: 0o600, content: { name: 'proxy', get: async () => content } },
  ];
}

export const containerdConfigure: NodeStep = {
  id: 'containerd.configure',
  title: say('containerd: CRI, control groups, mirrors', 'containerd 配置：CRI、cgroup、镜像站'),
  on: 'every',
  async done(machine, world) {
    const [dump, mirrors, way] = await Promise.all([
      containerdDump(world),
      mirrorsThere(machine, world),
      world.files.readIfAny(proxyFile),
    ]);
    return mirrors && way === proxyDropIn(machine) && isConfigured(dump, containerdWish(machine));
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
      ...throughProxy('containerd', machine),
      restartContainerd,
    ];
  },
  async undo({ cluster }) {
    return [
      ...hostsFiles(cluster.sources).map(({ path }): Action => ({ kind: 'remove', path })),
      { kind: 'remove', path: proxyFile },
      run(asRoot(bringBackScript, [configFile, before, madePackages])),
    ];
  },
};
