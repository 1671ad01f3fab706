/** From the hosts of the configuration to the machines of a cluster: met, looked at, each with its address. */

import type { Bundle } from '../bundle/open.js';
import type { Survey } from '../checks/node-check.js';
import type { Supply } from '../command.js';
import type { Config } from '../config/config.js';
import { UserError } from '../errors.js';
import { fromBundle, sourcesOf } from '../install/sources.js';
import { allDone, many } from '../plan/many.js';
import { askPlace, type NodeFacts, readNode } from '../probes/node.js';
import { say } from '../say.js';
import { type Cluster, hasGpu, type Machine, type Peer } from '../steps/machine.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import type { World } from '../world.js';
import { refuseLacking } from './bundle.js';
import { type Examined, examine } from './examine.js';
import { type Absent, meetHosts } from './meet.js';
import { nodeAddress } from './node-address.js';
import { asking, type Fleet, type OpenHost, openHosts } from './open.js';

export interface Gathered {
  readonly fleet: Fleet;
  /** All that `doctor` asks; asked when it is first wanted, and always before anything is changed. */
  survey(): Promise<Survey>;
  readonly cluster: Cluster;
  /** In the order of the configuration. */
  readonly machines: readonly Machine[];
}

export interface GatherHow {
  readonly acceptNewHostKeys?: boolean;
  readonly sudoPassword?: Supply | undefined;
  readonly absent?: Absent | undefined;
}

/**
 * Opens the hosts, runs the work, ends the connections.
 * @throws UserError as `meetHosts` does: nothing was touched then
 */
export async function withFleet<T>(
  config: Config,
  how: GatherHow,
  world: World,
  work: (fleet: Fleet) => Promise<T>,
): Promise<T> {
  const fleet = await openHosts(config, world, how);
  try {
    await meetHosts(fleet, world, how.absent);
    return await work(fleet);
  } finally {
    await fleet.close();
  }
}

export const examined = (open: OpenHost): Examined => ({
  ...{ name: open.name, roles: open.roles, world: asking(open), address: open.host.target.address },
  connect: () => open.host.connect(),
});

/**
 * Looks at every host, no closer than a plan needs, and says what the cluster is made of.
 * @param bundle what is installed from, where the configuration names one and there is something to install
 * @throws UserError `hosts.address`, `bundle.lacks`
 */
export async function gather(config: Config, fleet: Fleet, world: World, bundle?: Bundle): Promise<Gathered> {
  const { kubernetes, mirrors, name } = config;
  const sources = sourcesOf(mirrors);
  const looking = <T>(work: () => Promise<T>): Promise<T> =>
    world.ui.wait(say('Looking at the hosts', '正在查看主机'), work);
  const facts = allDone(
    await looking(() => many(fleet.hosts, fleet.parallel, async (host) => readNode(await askPlace(asking(host))))),
  );
  const peers = fleet.hosts.map((host, at) => peerOf(host, fleet, facts[at]!));
  const first = fleet.hosts.find(({ roles }) => roles.includes('control-plane'));
  const cluster: Cluster = {
    name,
    settings: kubernetes,
    sources: config.bundle.file === undefined ? sources : fromBundle(sources),
    ...(bundle ? { bundle } : {}),
    machines: peers,
    here: world,
    controlPlane: () => {
      if (!first) throw new Error('the cluster has no control plane');
      return first.world;
    },
  };
  const machines = peers.map((peer, at) => ({ ...peer, facts: facts[at]!.host, cluster }));
  if (bundle) refuseLacking(bundle, kubernetesSteps, machines);
  let asked: Promise<Survey> | undefined;
  const survey = (): Promise<Survey> => {
    asked ??= looking(() => examine(fleet.hosts.map(examined), kubernetes, fleet.parallel, world));
    return asked;
  };
  return { fleet, survey, cluster, machines };
}

function peerOf({ name, roles, host }: OpenHost, fleet: Fleet, facts: NodeFacts): Peer {
  const others = fleet.hosts.filter((other) => other.name !== name).map((other) => other.host.target.address);
  const address = nodeAddress(facts, host.target.address, others);
  if (address !== undefined) return { name, roles, address, gpu: hasGpu(facts.host) };
  throw new UserError(
    'hosts.address',
    say(`${name} has no IPv4 address that the other nodes could reach.`, `${name} 没有其他节点可达的 IPv4 地址。`),
    {
      hint: say(
        'See its addresses: ip -4 addr. Give it one, or name one of its own as its address.',
        '查看其地址：ip -4 addr。请为其配置地址，或在配置中填写它自己的地址。',
      ),
      exit: 'unready',
    },
  );
}
