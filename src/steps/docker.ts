/**
 * Docker Engine, a tool for people: it shares the containerd of the cluster, in a name space of its own. It drops what the
 * host would forward only when it has to turn forwarding on itself, which is on since host.kernel.
 */
import { madePackages, type Package } from '../install/packages.js';
import { versions } from '../install/pins.js';
import { dropIn } from '../install/proxy.js';
import { say } from '../say.js';
import { ask, asRoot, proxyDropIn, run, sweepRules } from './at-node.js';
import { throughProxy } from './containerd-configure.js';
import { installAll, lacking, removeAll } from './installed.js';
import type { NodeStep } from './machine.js';
import { repositoryFor } from './repositories.js';

const packages: readonly Package[] = [
  { name: 'docker-ce', version: versions.docker, epoch: '5' },
  { name: 'docker-ce-cli', version: versions.docker, epoch: '5' },
  { name: 'docker-buildx-plugin' },
  { name: 'docker-compose-plugin' },
];

/** The daemon's answer, not the client's. */
export const dockerScript = `docker version --format '{{.Server.Version}}' 2>/dev/null`;

// $1: the record of what we brought. Its links and rules would stay until a reboot.
export const stopScript = `grep -qxF docker-ce "$1" 2>/dev/null || exit 0
systemctl disable -q --now docker.socket docker
for link in $(ip -o link show type bridge | grep -oE ' (docker0|br-[0-9a-f]{12})'); do ip link delete "$link"; done
${sweepRules('DOCKER')}`;

export const docker: NodeStep = {
  id: 'docker.install',
  title: say('Docker Engine', 'Docker Engine'),
  on: 'every',
  brings: () => ({ packages }),
  needed: ({ cluster }) => cluster.settings.docker,
  async done(machine, world) {
    const [absent, daemon, way] = await Promise.all([
      lacking(packages, machine, world),
      ask(world, dockerScript),
      world.files.readIfAny(dropIn('docker')),
    ]);
    return absent.length === 0 && way === proxyDropIn(machine) && /^\d/.test(daemon.stdout);
  },
  async apply(machine, world) {
    // Containers of people's run by it: it is started anew only for another proxy.
    const same = (await world.files.readIfAny(dropIn('docker'))) === proxyDropIn(machine);
    const start = `systemctl daemon-reload && systemctl enable -q docker && systemctl ${same ? 'start' : 'restart'} docker`;
    return [
      installAll('docker.install', packages, machine, repositoryFor('docker', machine)),
      ...throughProxy('docker', machine),
      run(asRoot(start, [], 120_000)),
    ];
  },
  undo: async (machine) => [
    run(asRoot(stopScript, [madePackages], 120_000)),
    { kind: 'remove', path: dropIn('docker') },
    removeAll('docker.install', packages, machine),
  ],
  leaves: say('images and volumes in /var/lib/docker', '/var/lib/docker 中的镜像与卷'),
};
