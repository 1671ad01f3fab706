/** NVIDIA's container toolkit and the runtime that GPU pods name; nvidia-docker2 beside it when it is asked for. */
import { hasNvidia, nvidiaFile, nvidiaText } from '../install/containerd.js';
import { toolkitPackages } from '../install/nvidia.js';
import { say } from '../say.js';
import { ask, asRoot, containerdWish, run } from './at-node.js';
import { containerdDump, restartContainerd } from './containerd-configure.js';
import { areInstalled, installAll, removeAll } from './installed.js';
import type { Machine, NodeStep } from './machine.js';
import { repositoryFor } from './repositories.js';

/** Archived by NVIDIA: a package without content of its own that depends on the toolkit. */
const packages = ({ cluster }: Machine) => [
  ...toolkitPackages,
  ...(cluster.settings.nvidiaDocker2 ? [{ name: 'nvidia-docker2' }] : []),
];

const dockerScript = `command -v docker >/dev/null || exit 0
docker info --format '{{json .Runtimes}}' 2>/dev/null | grep -q '"nvidia"'`;
// nvidia-ctk merges into what daemon.json says already.
const dockerConfigure = `command -v docker >/dev/null || exit 0
nvidia-ctk runtime configure --runtime=docker && systemctl restart docker`;

export const nvidiaToolkit: NodeStep = {
  id: 'nvidia.toolkit',
  title: say('NVIDIA container toolkit', 'NVIDIA 容器工具包'),
  on: 'gpu',
  brings: (machine) => ({ packages: packages(machine) }),
  needed: ({ cluster }) => cluster.settings.gpuLayer !== 'none',
  async done(machine, world) {
    const [installed, dump, docker] = await Promise.all([
      areInstalled(packages(machine), machine, world),
      containerdDump(world),
      ask(world, dockerScript),
    ]);
    return installed && docker.code === 0 && hasNvidia(dump, containerdWish(machine));
  },
  async apply(machine) {
    return [
      installAll('nvidia.toolkit', packages(machine), machine, repositoryFor('toolkit', machine)),
      { kind: 'write', path: nvidiaFile, mode: 0o644, content: nvidiaText(containerdWish(machine)) },
      restartContainerd,
      run(asRoot(dockerConfigure, [], 120_000)),
    ];
  },
  undo: async (machine) => [
    { kind: 'remove', path: nvidiaFile },
    removeAll('nvidia.toolkit', packages(machine), machine),
  ],
};
