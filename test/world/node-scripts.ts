/** What the shell scripts of the steps do to a bare machine in memory. */
import { configFile, nvidiaFile } from '../../src/install/containerd.js';
import { keepalivedFile } from '../../src/install/keepalived.js';
import { modules, sysctlFile, sysctls } from '../../src/install/kernel.js';
import { programs } from '../../src/install/programs.js';
import type { Result } from '../../src/world.js';
import type { FakeWorld } from './fake.js';

export type Reply = Partial<Result> | undefined;

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
  /** What keepalived runs with. */
  keeps: string | undefined;
  ca: string | undefined;
}

export interface Shared {
  readonly nodes: Map<string, { labels: Record<string, string>; taints: { key: string; effect: string }[] }>;
  readonly applied: Set<string>;
  readonly images: Set<string>;
  ready: boolean;
  /** What kubeadm init was told. */
  config: string;
  ca: string;
}

export const token = 'abcdef.0123456789abcdef';
const caHash = `sha256:${'c'.repeat(64)}`;

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

export type Script = (
  args: readonly string[],
  world: FakeWorld,
  state: NodeState,
  shared: Shared,
  stdin: string,
) => Reply | Promise<Reply>;

/** By a piece of their text; the first that fits. */
export const scripts: readonly (readonly [string, Script])[] = [
  ['--list-sources', (args, _, { firewall }) => ({ stdout: args.filter((one) => !firewall.has(one)).join('\n') })],
  [
    '--add-source=$range',
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
    'dnf $5 $lists install -y',
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
  ['mv -- "$file" "$file.before-deepseek-deploy"; break', () => ({})],
  ['before-deepseek-deploy"\ndone', () => ({})],
  ['rpm -q gpg-pubkey', () => ({})],
  ['rm -rf -- /var/cache/dnf', () => ({})],
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
  ['ip -o -4 route get', ([, address]) => ({ stdout: `eth0\n${address} dev eth0 src 10.0.0.1 uid 0\n` })],
  [
    'systemctl reload-or-restart keepalived',
    async (_, world, state) => {
      state.keeps = await textOf(world, keepalivedFile);
      return {};
    },
  ],
  [
    'systemctl is-active keepalived',
    async (_, world, { keeps }) => ({ code: keeps === (await textOf(world, keepalivedFile)) ? 0 : 1 }),
  ],
  ['https://127.0.0.1:6443/readyz', (_, __, { ca }) => ({ stdout: ca ? 'ok' : '' })],
  ['docker version --format', (_, __, { packages }) => ({ stdout: packages.has('docker-ce') ? '29.7.1\n' : '' })],

  [
    "docker info --format '{{json .Runtimes}}'",
    (_, __, { packages }) => ({ code: packages.has('nvidia-container-toolkit') ? 0 : 1 }),
  ],
  ['nvidia-ctk runtime configure', () => ({})],
  ['systemctl enable -q docker', () => ({})],
  ['vmlinuz-', () => ({})],
  ['dkms autoinstall', () => ({})],
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
  [
    'apt-mark showhold',
    ([, ...args], _, { held, apt }) => ({ code: !apt || args.every((one) => held.has(one)) ? 0 : 1 }),
  ],
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
    async ([file], world, state, shared) => {
      if (state.ca) return { code: 1, stderr: '[ERROR Port-6443]: Port 6443 is in use\n' };
      state.ca = shared.ca;
      shared.ready = true;
      shared.config = await textOf(world, file!);
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
