/** Operating system, kernel, virtualization: what the machine says it is. */
import { type Probe, pairs, script } from './probe.js';
import { known } from './values.js';

export interface Os {
  /** 'debian', 'ubuntu', 'rocky', 'macos'. */
  readonly id?: string;
  readonly version?: string;
  /** 'Debian GNU/Linux 12 (bookworm)' */
  readonly name?: string;
  /** What it descends from: ['debian'], ['rhel', 'centos', 'fedora']. */
  readonly like?: readonly string[];
}

export const os: Probe<Os | undefined> = {
  id: 'host.os',
  command: script('cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null || sw_vers'),
  read({ stdout }) {
    const said = pairs(stdout);
    if (said.ProductName) {
      const version = said.ProductVersion;
      return known<Os>({ id: 'macos', version, name: `${said.ProductName} ${version ?? ''}`.trim() });
    }
    return known<Os>({
      id: said.ID?.replace(/^'(.*)'$/, '$1'),
      version: said.VERSION_ID,
      name: said.PRETTY_NAME ?? said.NAME,
      like: said.ID_LIKE?.split(/\s+/).filter(Boolean),
    });
  },
};

export interface Kernel {
  readonly name: string;
  readonly release: string;
  /** 'x86_64', 'aarch64' (macOS says 'arm64'). */
  readonly arch: string;
}

export const kernel: Probe<Kernel | undefined> = {
  id: 'host.kernel',
  command: { argv: ['uname', '-srm'], timeoutMs: 5000 },
  read({ stdout }) {
    const [name, release, arch] = stdout.trim().split(/\s+/);
    return name && release && arch ? { name, release, arch } : undefined;
  },
};

export interface Virtualization {
  /** 'none', 'kvm', 'vmware', 'microsoft', 'amazon', 'xen', 'wsl', … 'unknown' is a hypervisor without a name. */
  readonly vm?: string;
  /** 'docker', 'podman', 'lxc', 'kubernetes', 'container'. */
  readonly container?: string;
}

const markers = `systemd-detect-virt --vm 2>/dev/null | sed 's/^/vm: /'
systemd-detect-virt --container 2>/dev/null | sed 's/^/container: /'
for f in sys_vendor product_name; do [ -r "/sys/class/dmi/id/$f" ] && echo "$f: $(cat "/sys/class/dmi/id/$f")"; done
grep -qw hypervisor /proc/cpuinfo 2>/dev/null && echo "hypervisor: yes"
grep -qi microsoft /proc/sys/kernel/osrelease 2>/dev/null && echo "wsl: yes"
[ -e /.dockerenv ] && echo "marker: docker"
[ -e /run/.containerenv ] && echo "marker: podman"
[ -n "$KUBERNETES_SERVICE_HOST" ] && echo "marker: kubernetes"
grep -qE '(docker|kubepods|containerd|lxc)' /proc/1/cgroup 2>/dev/null && echo "marker: container"
exit 0`;

const vendors: readonly (readonly [RegExp, string])[] = [
  [/amazon ec2/i, 'amazon'],
  [/google/i, 'google'],
  [/microsoft corporation.*virtual machine|virtual machine.*microsoft/i, 'microsoft'],
  [/vmware/i, 'vmware'],
  [/virtualbox|innotek/i, 'oracle'],
  [/qemu|kvm|openstack|alibaba|tencent|digitalocean|hetzner/i, 'kvm'],
  [/xen/i, 'xen'],
];

function vmOf(said: Record<string, string>): string | undefined {
  if (said.wsl) return 'wsl';
  if (said.vm && said.vm !== 'none') return said.vm;
  const board = `${said.sys_vendor ?? ''} ${said.product_name ?? ''}`;
  const vendor = vendors.find(([match]) => match.test(board))?.[1];
  // A bare-metal instance carries the cloud's name on its board, but no hypervisor in its CPU flags.
  if (said.hypervisor) return vendor ?? 'unknown';
  return said.vm;
}

export const virtualization: Probe<Virtualization | undefined> = {
  id: 'host.virtualization',
  command: script(markers),
  read({ stdout }) {
    const said = pairs(stdout);
    const container = said.container && said.container !== 'none' ? said.container : said.marker;
    return known<Virtualization>({ vm: vmOf(said), container });
  },
};
