/** The container runtime as it really runs: `containerd config dump` is what holds, whatever the files say. */
import { linesOf, type Question } from './node-sections.js';
import { pairs } from './probe.js';
import { at, readToml, type Toml } from './toml-lines.js';
import { known } from './values.js';

export interface Sockets {
  readonly containerd: boolean;
  /** Other runtimes that answer on a socket of the CRI: 'k3s', 'crio', 'cri-dockerd'. */
  readonly others: readonly string[];
  /** Whether the unit runs. */
  readonly active: boolean;
  readonly version?: string;
}

export const sockets: Question<Sockets> = {
  shell: `[ -S /run/containerd/containerd.sock ] && echo "socket containerd"
[ -S /run/k3s/containerd/containerd.sock ] && echo "socket k3s"
[ -S /run/crio/crio.sock ] && echo "socket crio"
[ -S /run/cri-dockerd.sock ] && echo "socket cri-dockerd"
echo "active: $(systemctl is-active containerd)"
command -v containerd >/dev/null && echo "version: $(containerd --version)"
echo asked`,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const there = [...text.matchAll(/^socket (\S+)$/gm)].map(([, name]) => name!);
    return {
      containerd: there.includes('containerd'),
      others: there.filter((name) => name !== 'containerd'),
      active: pairs(text).active === 'active',
      ...known({ version: /^version: containerd\S* \S+ v?(\d+\.\d+\.\d+)/m.exec(text)?.[1] }),
    };
  },
};

export interface Runtime {
  /** 'io.containerd.runc.v2' */
  readonly type?: string;
  readonly systemdCgroup: boolean;
  readonly binary?: string;
}

export interface Containerd {
  readonly criDisabled: boolean;
  readonly pauseImage?: string;
  readonly defaultRuntime?: string;
  readonly runtimes: Readonly<Record<string, Runtime>>;
  readonly imports: readonly string[];
  readonly cniBin?: string;
}

/** Where the CRI's runtime part stands in versions 3 and up, and before. */
const parents = ['io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri'] as const;

const text = (value: ReturnType<Toml['get']>): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const list = (value: ReturnType<Toml['get']>): readonly string[] =>
  Array.isArray(value) ? (value as readonly string[]) : [];

function runtimesIn(toml: Toml, parent: string): Record<string, Runtime> {
  const root = at('plugins', parent, 'containerd', 'runtimes');
  const names = new Set(
    [...toml.keys()].flatMap((key) =>
      key.startsWith(`${root}\t`) ? [key.slice(root.length + 1).split('\t')[0]!] : [],
    ),
  );
  return Object.fromEntries(
    [...names].map((name) => {
      const get = (...words: string[]) => toml.get(at(root, name, ...words));
      return [
        name,
        {
          systemdCgroup: get('options', 'SystemdCgroup') === true,
          ...known({ type: text(get('runtime_type')), binary: text(get('options', 'BinaryName')) }),
        },
      ];
    }),
  );
}

export function readContainerd(dump: string): Containerd | undefined {
  const toml = readToml(dump);
  if (!toml.has('version') && !toml.has('disabled_plugins') && !toml.has('root')) return undefined;
  const disabled = list(toml.get('disabled_plugins'));
  const parent =
    parents.find((name) => toml.has(at('plugins', name)) || Object.keys(runtimesIn(toml, name)).length > 0) ??
    parents[1];
  const get = (...words: string[]) => toml.get(at('plugins', ...words));
  return {
    criDisabled: disabled.some((name) => name === 'cri' || parents.includes(name as (typeof parents)[0])),
    runtimes: runtimesIn(toml, parent),
    imports: list(toml.get('imports')),
    ...known({
      pauseImage:
        text(get('io.containerd.cri.v1.images', 'pinned_images', 'sandbox')) ??
        text(get('io.containerd.grpc.v1.cri', 'sandbox_image')),
      defaultRuntime: text(get(parent, 'containerd', 'default_runtime_name')),
      cniBin: text(get(parent, 'cni', 'bin_dir')) ?? list(get(parent, 'cni', 'bin_dirs'))[0],
    }),
  };
}

export const containerd: Question<Containerd> = {
  shell: 'containerd config dump',
  seconds: 10,
  read: ({ text, code }) => (code === 0 ? readContainerd(text) : undefined),
};

export interface Toolkit {
  readonly version?: string;
  /** Drop-ins with nvidia in their name. */
  readonly dropIns: readonly string[];
  /** Specifications of the Container Device Interface that describe GPUs. */
  readonly cdi: readonly string[];
  /** Of nvidia-container-runtime: 'auto', 'cdi', 'legacy'. */
  readonly mode?: string;
}

export const toolkit: Question<Toolkit> = {
  shell: `command -v nvidia-ctk >/dev/null && echo "version: $(nvidia-ctk --version | head -n 1)"
ls -d /etc/containerd/conf.d/*nvidia* /etc/containerd/config.d/*nvidia* | sed 's/^/dropin /'
grep -lsE 'nvidia.com/' /var/run/cdi/* /etc/cdi/* | sed 's/^/cdi /'
grep -E '^[[:space:]]*mode[[:space:]]*=' /etc/nvidia-container-runtime/config.toml | head -n 1
echo asked`,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const all = (what: string) => [...text.matchAll(new RegExp(`^${what} (.+)$`, 'gm'))].map(([, rest]) => rest!);
    return {
      dropIns: all('dropin'),
      cdi: all('cdi'),
      ...known({
        version: /^version: .*?(\d+\.\d+\.\d+)/m.exec(text)?.[1],
        mode: /^\s*mode\s*=\s*"?([\w-]+)/m.exec(text)?.[1],
      }),
    };
  },
};

const complaints =
  'RuntimeService|sandbox image|x509|certificate|identity of the API Server|cgroup v1|failCgroupV1|no runtime for|find plugin|subnet.env|NVML|swap|cgroup driver|no space left|kernel release|failed to run Kubelet|failed to validate';

/**
 * What the kubelet and containerd complain of, 'kubelet: …' and 'containerd: …', each line once: of the last three
 * minutes, in which a fault that lasts is told again and again, and what a kubelet that does not run said at the last.
 */
export const journal: Question<string[]> = {
  // Without root journalctl shows one's own lines alone, and says nothing of the others.
  shell: `[ "$(id -u)" = 0 ] && command -v journalctl >/dev/null || exit 127
for u in containerd kubelet; do
  journalctl -q --no-pager -o cat --since -3min -u "$u" -n 2000 | grep -E "${complaints}" | cut -c 1-400 | tail -n 40 | sed "s/^/$u: /"
done
systemctl is-active -q kubelet || journalctl -q --no-pager -o cat -u kubelet -n 200 | grep -E '^E[0-9]{4} |[Ee]rr(or)?[=:]|failed' | cut -c 1-400 | tail -n 3 | sed "s/^/kubelet: /"
exit 0`,
  seconds: 10,
  read: ({ text, code }) => (code === 0 ? [...new Set(linesOf(text))] : undefined),
};
