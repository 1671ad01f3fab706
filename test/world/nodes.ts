/** Bare machines in memory that become a cluster: strict, what nobody expects to be run fails the test. */
import { createHash } from 'node:crypto';
import type { Bundle } from '../../src/bundle/open.js';
import type { Command } from '../../src/command.js';
import type { Kubernetes } from '../../src/config/kubernetes.js';
import { load, merge } from '../../src/config/load.js';
import { programs } from '../../src/install/programs.js';
import { type Sources, sourcesOf } from '../../src/install/sources.js';
import { flannelName, flannelNamespace } from '../../src/manifests/flannel.js';
import { dcgmName, devicePluginImage, devicePluginName } from '../../src/manifests/gpu.js';
import { operands, operatorName, operatorNamespace } from '../../src/manifests/gpu-operator.js';
import { localPathName, localPathNamespace } from '../../src/manifests/local-path.js';
import { nodeFeatureMaster, nodeFeatureWorker } from '../../src/manifests/node-features.js';
import { rookNamespace } from '../../src/manifests/rook.js';
import type { HostFacts } from '../../src/probes/host.js';
import { type Cluster, hasGpu, type Machine, type Peer } from '../../src/steps/machine.js';
import type { Workload } from '../../src/steps/workloads.js';
import type { Result } from '../../src/world.js';
import type { Facts } from '../install/systems.js';
import { type FakeWorld, fakeWorld } from './fake.js';
import { type NodeState, type Reply, type Shared, scripts } from './node-scripts.js';

export { token } from './node-scripts.js';

export interface SimulatedCluster {
  readonly cluster: Cluster;
  readonly machines: readonly Machine[];
  readonly states: readonly NodeState[];
  readonly worlds: readonly FakeWorld[];
  readonly shared: Shared;
  /** Every script that ran. */
  readonly spoken: ReadonlySet<string>;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const bare = (name: string, apt: boolean): NodeState => ({
  name,
  apt,
  packages: new Map(),
  held: new Set(),
  absent: new Set(programs.map((program) => program.name)),
  loaded: new Set(),
  firewall: new Set(),
  keys: new Map(),
  sysctl: new Map([
    ['net.ipv4.ip_forward', 0],
    ['fs.inotify.max_user_instances', 128],
    ['fs.inotify.max_user_watches', 8192],
    ['vm.max_map_count', 65_530],
  ]),
  swap: true,
  imported: false,
  clock: false,
  kubelet: false,
  driver: false,
  boots: 1,
  effective: undefined,
  keeps: undefined,
  ca: undefined,
});

type Words = readonly string[];

const conditions = [{ type: 'Ready', status: 'True' }];

/** GPUs are offered once something beside the network was applied. */
const nodeLines = ({ nodes, applied }: Shared): string =>
  [...nodes]
    .map(([name, { labels, taints }]) => {
      const allocatable = applied.size > 1 ? { 'nvidia.com/gpu': '2' } : {};
      const all = [labels, taints, undefined, { machineID: `id-${name}` }, conditions, allocatable];
      return `${name}\t${all.map((one) => JSON.stringify(one) ?? '').join('\t')}\n`;
    })
    .join('');

const sets: readonly Workload[] = [
  { namespace: flannelNamespace, name: flannelName },
  { namespace: 'kube-system', name: 'calico-node' },
  { namespace: 'kube-system', name: devicePluginName },
  { namespace: 'kube-system', name: dcgmName },
  ...[nodeFeatureWorker, ...operands].map((name) => ({ namespace: operatorNamespace, name })),
];
const deployments: readonly Workload[] = [
  { namespace: 'kube-system', name: 'coredns' },
  { namespace: localPathNamespace, name: localPathName },
  { namespace: rookNamespace, name: 'rook-ceph-operator' },
  { namespace: operatorNamespace, name: operatorName },
  { namespace: operatorNamespace, name: nodeFeatureMaster },
];

/** All of them run, wherever there is a node. */
function workloadLines({ nodes }: Shared): string {
  const n = nodes.size;
  const set = { observedGeneration: 1, desiredNumberScheduled: n, updatedNumberScheduled: n };
  const ofSets = JSON.stringify({ ...set, numberReady: n, numberAvailable: n });
  const ofDeployments = JSON.stringify({
    observedGeneration: 1,
    replicas: 1,
    updatedReplicas: 1,
    availableReplicas: 1,
  });
  return [
    ...sets.map(({ namespace, name }) => `DaemonSet/${name}\t${namespace}\t1\t\t${ofSets}\n`),
    ...deployments.map(({ namespace, name }) => `Deployment/${name}\t${namespace}\t1\t1\t${ofDeployments}\n`),
  ].join('');
}

function kubectl(words: Words, stdin: string, shared: Shared): Reply {
  const line = words.join(' ');
  if (!shared.ready) return { code: 1, stderr: 'connection refused' };
  if (line === 'get --raw /readyz') return { stdout: 'ok' };
  if (line.includes('configmap kubeadm-config')) return { stdout: shared.config };
  if (line.includes('delete secret kubeadm-certs')) return {};
  if (line.startsWith('get nodes -o jsonpath=')) return { stdout: nodeLines(shared) };
  if (line.startsWith('delete node ')) return shared.nodes.delete(words[2]!) ? { stdout: '' } : undefined;
  if (line.startsWith('get daemonsets,deployments -A')) return { stdout: workloadLines(shared) };
  if (words[0] === 'label') {
    const { labels } = shared.nodes.get(words[2]!)!;
    for (const pair of words.slice(4)) labels[pair.split('=')[0]!] = pair.split('=')[1]!;
    return {};
  }
  if (words[0] === 'taint') {
    const node = shared.nodes.get(words[2]!)!;
    for (const one of words.slice(4)) {
      const [, key, effect] = /^(.+?)(?:=:(.+))?-?$/.exec(one)!;
      node.taints = node.taints.filter((taint) => taint.key !== key);
      if (effect) node.taints.push({ key: key!, effect });
    }
    return {};
  }
  // Neither is there what another layer of GPUs, or somebody else, has left.
  if (words.includes('-l') && words.includes('get')) return {};
  if (line.includes('{.status.state}')) return { stdout: `ready\n${devicePluginImage}\n` };
  const parts = words
    .filter((_, at) => words[at - 1] === '-f')
    .flatMap((file) => (file === '-' ? stdin.split('\n---\n') : [file]));
  if (words[0] === 'apply') {
    for (const part of parts) shared.applied.add(part);
    return {};
  }
  if (words[0] === 'diff') return { code: parts.every((part) => shared.applied.has(part)) ? 0 : 1 };
  if (words.includes('cephcluster')) return { stdout: '1 1 Ready: Cluster created successfully' };
  return undefined;
}

async function stdinOf({ stdin }: Command): Promise<string> {
  return typeof stdin === 'string' ? stdin : ((await stdin?.get()) ?? '');
}

async function reply(command: Command, world: FakeWorld, state: NodeState, shared: Shared): Promise<Partial<Result>> {
  const [program, ...words] = command.argv;
  const found = await dispatch(program, words, command, world, state, shared);
  if (found === undefined) throw new Error(`${state.name}: nobody expected this command: ${command.argv.join(' ')}`);
  return found;
}

async function dispatch(
  program: string,
  words: readonly string[],
  command: Command,
  world: FakeWorld,
  state: NodeState,
  shared: Shared,
): Promise<Reply> {
  if (program === 'kubectl') return kubectl(words.slice(2), await stdinOf(command), shared);
  if (program === 'dpkg-query' || program === 'rpm')
    return {
      stdout: words
        .slice(3)
        .flatMap((name) => (state.packages.has(name) ? [`installed ${name} ${state.packages.get(name)}-1`] : []))
        .join('\n'),
    };
  if (program === 'apt-get' || program === 'dnf') return {};
  const script = scripts.find(([piece]) => words[1]!.includes(piece))?.[1];
  if (program !== 'sh' || script === undefined) return undefined;
  return (await script(words.slice(3), world, state, shared, await stdinOf(command))) ?? {};
}

export interface Wish {
  readonly system: Facts;
  readonly peers: readonly Omit<Peer, 'gpu' | 'address'>[];
  /** Names of those with a GPU. */
  readonly gpus?: readonly string[];
  readonly settings?: Partial<Kubernetes>;
  readonly sources?: Sources;
  readonly bundle?: Bundle;
}

const gpu = [{ busId: '0000:18:00.0', id: '2330', kind: 'gpu' }] as const;

/** Folders that every system has. */
const folders = [
  '/etc/modules-load.d',
  '/etc/sysctl.d',
  '/etc/apt/sources.list.d',
  '/etc/yum.repos.d',
  '/etc/modprobe.d',
  '/var/lib',
  '/etc/containerd',
];

export async function simulatedCluster({
  system,
  peers,
  gpus = [],
  settings,
  sources,
  bundle,
}: Wish): Promise<SimulatedCluster> {
  const { config } = merge(await load('version: 1\n', 'deepseek.yaml'), []);
  const shared: Shared = {
    nodes: new Map(),
    applied: new Set(),
    images: new Set(),
    ready: false,
    config: '',
    ca: sha256('ca'),
  };
  const spoken = new Set<string>();
  const states = peers.map(({ name }) => bare(name, /debian|ubuntu/.test(system.os?.id ?? '')));
  const worlds = states.map((state) =>
    fakeWorld({
      commands: [
        [
          /^/,
          (command, world) => {
            if (command.argv[0] === 'sh') spoken.add(command.argv[2]!);
            return reply(command, world, state, shared);
          },
        ],
      ],
    }),
  );
  for (const world of worlds) for (const folder of folders) await world.files.makeDir(folder);
  const all = peers.map((peer, index) => {
    const facts = {
      ...system,
      pci: gpus.includes(peer.name) ? gpu : [],
      usable: {},
      cgroup: { version: 2 },
    } as HostFacts;
    return { ...peer, address: `10.0.0.${index + 1}`, facts, gpu: hasGpu(facts) };
  });
  const cluster: Cluster = {
    name: 'test',
    settings: { ...config.kubernetes, ...settings },
    sources: sources ?? sourcesOf('none'),
    ...(bundle ? { bundle } : {}),
    machines: all,
    controlPlane: () => worlds[0]!,
    here: fakeWorld(),
  };
  return { cluster, machines: all.map((one) => ({ ...one, cluster })), states, worlds, shared, spoken };
}
