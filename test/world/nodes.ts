/** Bare machines in memory that become a cluster: strict, what nobody expects to be run fails the test. */
import { createHash } from 'node:crypto';
import type { Bundle } from '../../src/bundle/open.js';
import type { Command } from '../../src/command.js';
import type { Kubernetes } from '../../src/config/kubernetes.js';
import { load, merge } from '../../src/config/load.js';
import { configFile, nvidiaFile } from '../../src/install/containerd.js';
import { modules, sysctlFile, sysctls } from '../../src/install/kernel.js';
import { programs } from '../../src/install/programs.js';
import { type Sources, sourcesOf } from '../../src/install/sources.js';
import type { HostFacts } from '../../src/probes/host.js';
import { type Cluster, hasGpu, type Machine, type Peer } from '../../src/steps/machine.js';
import type { Result } from '../../src/world.js';
import type { Facts } from '../install/systems.js';
import { type FakeWorld, fakeWorld } from './fake.js';

type Reply = Partial<Result> | undefined;

export interface NodeState {
  readonly name: string;
  readonly apt: boolean;
  readonly packages: Map<string, string>;
  readonly held: Set<string>;
  readonly absent: Set<string>;
  readonly loaded: Set<string>;
  /** Ranges it lets through. */
  readonly firewall: Set<string>;
  /** Of what was fetched: the fingerprint of a key, the hash of a manifest. */
  readonly keys: Map<string, string>;
  readonly sysctl: Map<string, number>;
  swap: boolean;
  imported: boolean;
  clock: boolean;
  kubelet: boolean;
  driver: boolean;
  boots: number;
  /** What containerd runs with. */
  effective: string | undefined;
  ca: string | undefined;
}

export interface Shared {
  readonly nodes: Map<string, { labels: Record<string, string>; taints: { key: string; effect: string }[] }>;
  readonly applied: Set<string>;
  readonly images: Set<string>;
  ready: boolean;
  ca: string;
}

export interface SimulatedCluster {
  readonly cluster: Cluster;
  readonly machines: readonly Machine[];
  readonly states: readonly NodeState[];
  readonly worlds: readonly FakeWorld[];
  readonly shared: Shared;
}

export const token = 'abcdef.0123456789abcdef';
const caHash = `sha256:${'c'.repeat(64)}`;
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
  ca: undefined,
});

const textOf = async (world: FakeWorld, path: string): Promise<string> => (await world.files.readIfAny(path)) ?? '';

const configOf = async (world: FakeWorld): Promise<string> =>
  (await textOf(world, configFile)) + (await textOf(world, nvidiaFile));

/** Debian's name of a version for a pattern that was asked for. */
function installed(asked: string, state: NodeState): void {
  const [, name, version = '1.0'] = /^(.+?)(?:(?:=(?:\d+:)?|-(?=\d))([\d.]+)[-*]*)?$/.exec(asked)!;
  const plain = name!.replace(/^\/usr\/bin\//, '');
  state.packages.set(plain, version.replace(/\.$/, '.0'));
  for (const { name: program, apt, dnf } of programs) if (apt === name || dnf === name) state.absent.delete(program);
}

type Script = (
  args: readonly string[],
  world: FakeWorld,
  state: NodeState,
  shared: Shared,
  stdin: string,
) => Reply | Promise<Reply>;

/** By a piece of their text; the first that fits. */
const scripts: readonly (readonly [string, Script])[] = [
  [
    '--query-source="$range"',
    (args, _, { firewall }) => ({ stdout: args.filter((one) => !firewall.has(one)).join('\n') }),
  ],
  [
    '--add-source="$range"',
    ([, ...ranges], _, { firewall }) => {
      for (const range of ranges) firewall.add(range);
      return {};
    },
  ],
  ['kernel-modules-extra', () => ({})],
  [
    'sha256sum -c --quiet',
    async ([folder], world, _, __, stdin) => {
      const lines = stdin
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split('  ') as [string, string]);
      const hashes = lines.map(async ([hash, path]) =>
        world.disk.has(`${folder}/${path}`) && (await world.files.hash(`${folder}/${path}`)) === hash ? '' : path,
      );
      return { stdout: (await Promise.all(hashes)).filter(Boolean).join('\n') };
    },
  ],
  [
    'tar -C "$1/images" -cf - . | ctr',
    async ([folder], world, state, { images }) => {
      if (!world.disk.has(`${folder}/images/index.json`)) return { code: 1 };
      await world.files.remove(`${folder}/images`);
      state.imported = true;
      images.add('all');
      return {};
    },
  ],
  ['done <"$1/images.txt"', (_, __, { imported }) => ({ stdout: imported ? '' : 'registry.k8s.io/pause:3.10.2' })],
  [
    'command -v "$name" >/dev/null 2>&1 || echo "$name"',
    (args, _, { absent }) => ({ stdout: args.filter((one) => absent.has(one)).join('\n') }),
  ],
  [
    'apt-get $5 install -y',
    ([, , asked, hold], _, state) => {
      for (const one of asked!.split(' ')) installed(one, state);
      for (const one of hold!.split(' ').filter(Boolean)) state.held.add(one);
      return {};
    },
  ],
  [
    'dnf $5 install -y',
    ([, , asked], _, state) => {
      for (const one of asked!.split(' ')) installed(one, state);
      return {};
    },
  ],
  [
    'file=/proc/sys/',
    (_, __, { sysctl, loaded }) => ({
      stdout: sysctls
        .filter(({ key }) => !key.includes('bridge') || loaded.has('br_netfilter'))
        .map(({ key }) => `${key} ${sysctl.get(key) ?? 0}`)
        .join('\n'),
    }),
  ],
  ['modprobe rbd', (_, __, { loaded }) => void loaded.add('rbd')],
  [
    'modprobe "$module"',
    (args, _, { loaded }) => {
      for (const one of args.length > 0 ? args : modules) loaded.add(one);
      return {};
    },
  ],
  [
    'sysctl -q -p',
    async (_, world, { sysctl }) => {
      for (const line of (await textOf(world, sysctlFile)).split('\n').filter(Boolean)) {
        const [key, value] = line.split(' = ');
        sysctl.set(key!, Number(value));
      }
      return {};
    },
  ],
  ['tail -n +2 /proc/swaps', (_, __, { swap }) => ({ stdout: swap ? '/swapfile file 2G 0 -2' : '' })],
  [
    'swapoff -a',
    (_, __, state) => {
      state.swap = false;
      return {};
    },
  ],
  ['for unit in chronyd chrony', (_, __, { clock }) => ({ code: clock ? 0 : 1 })],
  [
    'systemctl enable --now chron',
    (_, __, state) => {
      state.clock = true;
      return {};
    },
  ],
  ['[ ! -e "$1" ] || gpg', ([file], _, { keys }) => ({ stdout: keys.get(file!) ?? '' })],
  [
    'curl -fsSL --retry 3 --connect-timeout 20 -o "$t" -- "$2" || exit 75\nis=$(set',
    ([file, , fingerprint], _, { keys }) => {
      keys.set(file!, fingerprint!);
      return {};
    },
  ],
  [
    'curl -fsSL --retry 3',
    ([file, , hash], _, { keys }) => {
      keys.set(file!, hash!);
      return {};
    },
  ],
  ['before-deepseek-deploy"\ndone', () => ({})],
  ["pgrep -f '^[^ ]*containerd-shim'", () => ({})],
  [
    'containerd config dump',
    async (_, world, { effective }) =>
      effective !== undefined && effective === (await configOf(world)) ? { stdout: effective } : { code: 3 },
  ],
  ['[ ! -e "$1" ] || [ -e "$2" ] || cp -a', () => ({})],
  [
    'systemctl restart containerd',
    async (_, world, state) => {
      state.effective = await configOf(world);
      return {};
    },
  ],
  ['docker version --format', (_, __, { packages }) => ({ stdout: packages.has('docker-ce') ? '29.7.1\n' : '' })],

  [
    "docker info --format '{{json .Runtimes}}'",
    (_, __, { packages }) => ({ code: packages.has('nvidia-container-toolkit') ? 0 : 1 }),
  ],
  ['nvidia-ctk runtime configure', () => ({})],
  ['systemctl enable -q docker', () => ({})],
  ['command -v nvidia-smi', (_, __, { driver }) => ({ code: driver ? 0 : 127 })],
  ['mokutil --sb-state', () => ({ code: 1 })],
  ['nvidia-driver-pinning', () => ({})],
  ['module enable -y', () => ({})],
  ['xargs -r apt-mark hold', () => ({})],
  ['update-initramfs -u', () => ({})],
  ['nvidia-persistenced', () => ({})],
  ['/proc/sys/kernel/random/boot_id', (_, __, { boots }) => ({ stdout: `boot-${boots}` })],
  [
    'systemctl reboot',
    (_, __, state) => {
      state.boots += 1;
      state.driver = [...state.packages.keys()].some((name) => /nvidia-(open|headless)|cuda-drivers/.test(name));
      return {};
    },
  ],
  ['apt-mark showhold', (args, _, { held, apt }) => ({ code: !apt || args.every((one) => held.has(one)) ? 0 : 1 })],
  ['systemctl is-enabled kubelet', (_, __, { kubelet }) => ({ code: kubelet ? 0 : 1 })],
  [
    'systemctl enable -q kubelet',
    (_, __, state) => {
      state.kubelet = true;
      return {};
    },
  ],
  ['systemctl restart kubelet', () => ({})],
  [
    'kubeadm config images list',
    (_, __, ___, { images }) => ({ stdout: images.size > 0 ? '' : 'registry.k8s.io/kube-proxy:v1.36.4' }),
  ],
  [
    'kubeadm config images pull',
    (_, __, ___, { images }) => {
      images.add('all');
      return {};
    },
  ],
  ['ls -d /etc/kubernetes/*.conf', (_, __, { ca }) => ({ stdout: ca ? '/etc/kubernetes/kubelet.conf\n' : '' })],
  [
    'kubeadm reset -f',
    (_, __, state) => {
      state.ca = undefined;
      return {};
    },
  ],
  [
    'kubeadm init --config',
    (_, __, state, shared) => {
      if (state.ca) return { code: 1, stderr: '[ERROR Port-6443]: Port 6443 is in use\n' };
      state.ca = shared.ca;
      shared.ready = true;
      shared.nodes.set(state.name, { labels: {}, taints: [] });
      return {};
    },
  ],
  [
    'kubeadm token create',
    (_, __, ___, { ready }) =>
      ready
        ? { stdout: `kubeadm join x:6443 --token ${token} --discovery-token-ca-cert-hash ${caHash} \n` }
        : { code: 1 },
  ],
  ['upload-certs --upload-certs', () => ({ stdout: '[upload-certs] Using certificate key:\nkey\n' })],
  [
    'kubeadm join --config "$f"',
    (_, __, state, shared, stdin) => {
      if (state.ca) return { code: 1, stderr: '[ERROR Port-10250]: Port 10250 is in use\n' };
      if (!stdin.includes(token) || !stdin.includes(caHash)) return { code: 1, stderr: 'no token' };
      state.ca = shared.ca;
      shared.nodes.set(state.name, { labels: {}, taints: [] });
      return {};
    },
  ],
  ['cat /etc/machine-id', (_, __, { ca, name }) => ({ stdout: ca ? `${ca}\nid-${name}\nok` : `\nid-${name}\n` })],
  ['sha256sum </etc/kubernetes/pki/ca.crt', (_, __, { ca }) => ({ stdout: `${ca ?? ''}\n` })],
  ['[ ! -e "$1" ] || sha256sum', ([file], _, { keys }) => ({ stdout: keys.get(file!) ?? '' })],
];

type Words = readonly string[];

function kubectl(words: Words, stdin: string, shared: Shared): Reply {
  const line = words.join(' ');
  if (!shared.ready) return { code: 1, stderr: 'connection refused' };
  if (line === 'get --raw /readyz') return { stdout: 'ok' };
  if (line === 'get nodes -o json')
    return {
      stdout: JSON.stringify({
        items: [...shared.nodes].map(([name, { labels, taints }]) => ({
          metadata: { name, labels },
          spec: { taints },
        })),
      }),
    };
  if (line.includes('.status.allocatable'))
    return { stdout: [...shared.nodes.keys()].map((name) => `${name} ${shared.applied.size > 1 ? 2 : ''}`).join('\n') };
  if (line.startsWith('get nodes -o jsonpath='))
    return { stdout: [...shared.nodes.keys()].map((name) => `${name} True`).join('\n') };
  if (words[0] === 'get' && words[1] === 'node') return { stdout: shared.nodes.has(words[2]!) ? `id-${words[2]}` : '' };
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
  const file = words.at(-1)!;
  const what = file === '-' ? stdin : file;
  if (words[0] === 'apply') {
    shared.applied.add(what);
    return {};
  }
  if (words[0] === 'diff') return { code: shared.applied.has(what) ? 0 : 1 };
  if (words.includes('rollout')) return { stdout: `${words.at(-2)} successfully rolled out` };
  if (words.includes('cephcluster')) return { stdout: 'Ready: Cluster created successfully' };
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
  const shared: Shared = { nodes: new Map(), applied: new Set(), images: new Set(), ready: false, ca: sha256('ca') };
  const states = peers.map(({ name }) => bare(name, /debian|ubuntu/.test(system.os?.id ?? '')));
  const worlds = states.map((state) =>
    fakeWorld({ commands: [[/^/, (command, world) => reply(command, world, state, shared)]] }),
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
  return { cluster, machines: all.map((one) => ({ ...one, cluster })), states, worlds, shared };
}
