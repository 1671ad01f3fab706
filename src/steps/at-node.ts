/** What steps of a cluster's hosts share: commands as root, and what follows from where a host runs. */
import type { Command } from '../command.js';
import type { Wish } from '../install/containerd.js';
import { type Distribution, distributionOf } from '../install/distribution.js';
import { adminConfig, type ClusterWish, type NodeWish } from '../install/kubeadm.js';
import { dropInText, type Env, proxyEnv } from '../install/proxy.js';
import type { Action } from '../plan/step.js';
import type { Result, World } from '../world.js';
import type { Cluster, Machine, Peer } from './machine.js';

/** A POSIX shell script as root; its words stay English. */
export const asRoot = (script: string, args: readonly string[] = [], timeoutMs = 30_000): Command => ({
  argv: ['sh', '-c', script, 'step', ...args],
  sudo: true,
  env: { LC_ALL: 'C.UTF-8', TZ: 'UTC' },
  timeoutMs,
});

export const run = (command: Command, failed?: (result: Result) => import('../errors.js').UserError): Action => ({
  kind: 'run',
  command,
  ...(failed ? { failed } : {}),
});

export const ask = (world: World, script: string, ...args: readonly string[]): Promise<Result> =>
  world.host.run(asRoot(script, args));

/**
 * Takes the rules and chains away that a program has left in iptables: these by their own words, a table at a time. A whole
 * table written back would undo what others (fail2ban, a firewall) changed since it was read.
 * @param names a pattern of extended regular expressions
 */
export const sweepRules = (names: string): string => `for tool in iptables ip6tables; do
  swept=$("$tool-save" 2>/dev/null | awk -v names='${names}' '
    /^[*]/ { table = $0; body = drop = "" }
    /^COMMIT/ && body { printf "%s\\n%s%sCOMMIT\\n", table, body, drop }
    $0 !~ names { next }
    /^:/ { chain = substr($1, 2); body = body "-F " chain "\\n"; drop = drop "-X " chain "\\n" }
    /^-A/ && $2 !~ names { sub(/^-A/, "-D"); body = body $0 "\\n" }')
  [ -z "$swept" ] || printf '%s\\n' "$swept" | "$tool-restore" -w 10 --noflush
done`;

/** Whether a file of the host holds exactly this. */
export const holds = async (world: World, path: string, content: string): Promise<boolean> =>
  (await world.files.readIfAny(path)) === content;

export const kubectl = (words: readonly string[], stdin?: string, timeoutMs = 60_000): Command => ({
  argv: ['kubectl', '--kubeconfig', adminConfig, ...words],
  sudo: true,
  timeoutMs,
  ...(stdin === undefined ? {} : { stdin }),
});

const addresses = ({ cluster }: Pick<Machine, 'cluster'>): readonly string[] => {
  const { endpoint, virtualAddress } = cluster.settings;
  const own = cluster.machines.map(({ address }) => address);
  return [...own, ...[endpoint?.replace(/:\d+$/, ''), virtualAddress].filter((one) => one !== undefined)];
};

/** What a command that goes out of the cluster's network is told. */
export const outward = (machine: Pick<Machine, 'cluster'>): Env =>
  proxyEnv(machine.cluster.settings, addresses(machine));

export const outwardly = (machine: Pick<Machine, 'cluster'>, command: Command): Command => ({
  ...command,
  env: { ...outward(machine), ...command.env },
});

/** The file of a service that pulls images; undefined where it needs none. */
export const proxyDropIn = (machine: Pick<Machine, 'cluster'>): string | undefined =>
  dropInText(machine.cluster.settings, addresses(machine));

export const systemOf = (machine: Pick<Machine, 'name' | 'facts'>): Distribution =>
  distributionOf(machine.name, machine.facts);

/** A host that is a container shares clock, kernel settings and OOM scores with the machine below it. */
export const inContainer = ({ facts }: Pick<Machine, 'facts'>): boolean =>
  facts.virtualization?.container !== undefined;

const systemdCgroup = ({ facts }: Pick<Machine, 'facts'>): boolean =>
  !(facts.virtualization?.container !== undefined && facts.cgroup?.version === 1);

export const containerdWish = (machine: Machine): Wish => ({
  systemdCgroup: systemdCgroup(machine),
  keepOomScore: inContainer(machine),
});

export const firstOf = ({ cluster }: Pick<Machine, 'cluster'>): Peer =>
  cluster.machines.find(({ roles }) => roles.includes('control-plane'))!;

/** An IPv6 address is bracketed before its port. */
const withPort = (address: string): string => `${address.includes(':') ? `[${address}]` : address}:6443`;

/** Where the API is reached: what was named for it, or the one control plane there is. */
const endpointOf = (machine: Machine): string => {
  const { endpoint, virtualAddress } = machine.cluster.settings;
  return endpoint ?? withPort(virtualAddress ?? firstOf(machine).address);
};

export const clusterWish = (machine: Machine): ClusterWish => ({
  settings: machine.cluster.settings,
  endpoint: endpointOf(machine),
  systemdCgroup: systemdCgroup(machine),
  keepConntrack: inContainer(machine),
});

/** Without a worker every machine takes pods. */
export const isOpen = ({ machines }: Pick<Cluster, 'machines'>): boolean =>
  !machines.some(({ roles }) => roles.includes('worker'));

export const nodeWish = ({ name, address, roles, cluster }: Machine): NodeWish => ({
  name,
  address,
  roles,
  open: isOpen(cluster),
});
