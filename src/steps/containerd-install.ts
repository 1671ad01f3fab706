/** containerd 2 from Docker's repository: distributions' own is too old for this Kubernetes nearly everywhere. */
import { UserError } from '../errors.js';
import { madePackages, type Package } from '../install/packages.js';
import { versions } from '../install/pins.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { ask, asRoot, run } from './at-node.js';
import { areInstalled, installAll, removeAll } from './installed.js';
import type { Machine, NodeStep } from './machine.js';
import { repositoryFor } from './repositories.js';

const packages: readonly Package[] = [{ name: 'containerd.io', version: versions.containerd }];

/** Prints the packages whose place containerd.io takes, when containers run by them now. */
export const rivalsScript = `[ -n "$(pgrep -f '^[^ ]*containerd-shim' || true)" ] || exit 0
{ dpkg-query -W -f '\${db:Status-Status} \${Package}\\n' docker.io containerd runc 2>/dev/null
  rpm -q --qf 'installed %{NAME}\\n' docker podman-docker containerd runc 2>/dev/null; } | sed -n 's/^installed //p'`;

async function refuseRunningContainers({ name }: Machine, world: World): Promise<void> {
  const rivals = (await ask(world, rivalsScript)).stdout.split('\n').filter(Boolean);
  if (rivals.length === 0) return;
  const list = rivals.join(' ');
  throw new UserError(
    'containerd.install',
    say(
      `${name}: containers run here by packages that containerd.io takes the place of: ${list}.`,
      `${name}：有容器正由将被 containerd.io 取代的软件包运行：${list}。`,
    ),
    {
      exit: 'unready',
      hint: say(
        `Stop those containers, then remove the packages: apt-get remove ${list} (or dnf remove)`,
        `请先停止这些容器，再移除软件包：apt-get remove ${list}（或 dnf remove）`,
      ),
    },
  );
}

// $1: the record of what we brought. The folder for networks is made by the daemon.
export const stopScript = `grep -qxF containerd.io "$1" 2>/dev/null || exit 0
systemctl disable -q --now containerd; rmdir /etc/cni/net.d /etc/cni 2>/dev/null; exit 0`;

export const containerdInstall: NodeStep = {
  id: 'containerd.install',
  title: say('containerd', 'containerd'),
  on: 'every',
  brings: () => ({ packages }),
  done: (machine, world) => areInstalled(packages, machine, world),
  async apply(machine, world) {
    await refuseRunningContainers(machine, world);
    return [installAll('containerd.install', packages, machine, repositoryFor('docker', machine))];
  },
  undo: async (machine) => [
    run(asRoot(stopScript, [madePackages], 120_000)),
    removeAll('containerd.install', packages, machine),
  ],
  leaves: say('images and containers in /var/lib/containerd', '/var/lib/containerd 中的镜像与容器'),
};
