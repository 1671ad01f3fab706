/** Kernel: swap, modules, settings, what it wrote about GPUs, and the driver of the GPUs. */
import { linesOf, type Question } from './node-sections.js';
import { pairs } from './probe.js';
import { known, version } from './values.js';

export interface Swap {
  /** Devices and files in use. */
  readonly on: readonly string[];
  /** Lines of /etc/fstab that would switch it on again. */
  readonly fstab: number;
}

export const swap: Question<Swap> = {
  shell: `sed '1d; s/^/on /' /proc/swaps; grep -cE '^[^#]*[[:space:]]swap[[:space:]]' /etc/fstab | sed 's/^/fstab: /'; echo asked`,
  read: ({ text }) =>
    /^asked$/m.test(text)
      ? {
          on: [...text.matchAll(/^on (\S+)/gm)].map(([, name]) => name!),
          fstab: Number(/^fstab: (\d+)$/m.exec(text)?.[1] ?? 0),
        }
      : undefined,
};

/** 'on': loaded, or built in and at work. 'there': can be loaded. 'absent': cannot. */
export type Module = 'on' | 'there' | 'absent';

/** Built-in modules have no entry of their own: what they bring tells that they are there. */
const modulesShell = `have() { [ -d "/sys/module/$1" ] || case $1 in
    overlay) grep -qw overlay /proc/filesystems ;;
    br_netfilter) [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] ;;
    *) false ;;
  esac; }
for m in overlay br_netfilter vxlan xt_comment xt_conntrack ib_umad nouveau nvidia nvidia_uvm rbd; do
  if have "$m"; then echo "$m on"
  elif ! command -v modprobe >/dev/null || [ ! -d "/lib/modules/$(uname -r)" ]; then :
  elif modprobe -n -q "$m"; then echo "$m there"
  else echo "$m absent"; fi
done`;

export const modules: Question<Readonly<Record<string, Module>>> = {
  shell: modulesShell,
  read: ({ text }) =>
    Object.fromEntries([...text.matchAll(/^(\w+) (on|there|absent)$/gm)].map(([, name, is]) => [name!, is as Module])),
};

const sysctlNames = [
  'net.ipv4.ip_forward',
  'net.bridge.bridge-nf-call-iptables',
  'fs.inotify.max_user_instances',
  'fs.inotify.max_user_watches',
  'vm.max_map_count',
] as const;

export const sysctls: Question<Readonly<Record<string, number>>> = {
  shell: `for k in ${sysctlNames.map((name) => name.replaceAll('.', '/')).join(' ')}; do [ -r "/proc/sys/$k" ] && echo "$k $(cat "/proc/sys/$k")"; done; exit 0`,
  read: ({ text }) =>
    Object.fromEntries(
      [...text.matchAll(/^(\S+) (\d+)$/gm)].map(([, name, value]) => [name!.replaceAll('/', '.'), Number(value)]),
    ),
};

export interface Driver {
  /** Of the module that runs. */
  readonly loaded?: string;
  /** The open flavour of the module that runs. */
  readonly open?: boolean;
  /** Of the module that lies there for this kernel: the next to be loaded. */
  readonly onDisk?: string;
  readonly signer?: string;
  readonly headers: boolean;
  /** `dkms status` lines of nvidia. */
  readonly dkms: readonly string[];
  readonly release: string;
  readonly secureBoot?: boolean;
  /** A line that keeps nouveau away. */
  readonly nouveauBlocked: boolean;
  /** 'active', 'inactive', 'failed', …; absent where the unit is not there. */
  readonly fabricManager?: { readonly state: string; readonly version?: string };
  readonly persistence?: string;
}

const driverShell = `cat /proc/driver/nvidia/version
echo "release: $(uname -r)"
echo "disk: $(modinfo -F version nvidia)"
echo "signer: $(modinfo -F signer nvidia)"
[ -e "/lib/modules/$(uname -r)/build" ] && echo "headers: yes"
command -v dkms >/dev/null && dkms status | grep -i nvidia | sed 's/^/dkms /'
if command -v mokutil >/dev/null; then mokutil --sb-state; else
  for f in /sys/firmware/efi/efivars/SecureBoot-*; do [ -r "$f" ] && echo "SecureBoot byte $(od -An -tu1 -j4 -N1 "$f" | tr -d ' ')"; done
fi
grep -rhsE '^[[:space:]]*blacklist[[:space:]]+nouveau' /etc/modprobe.d /usr/lib/modprobe.d /lib/modprobe.d /run/modprobe.d
grep -oE '(modprobe|rd.driver).blacklist=[^ ]*nouveau' /proc/cmdline
for u in nvidia-fabricmanager nvidia-persistenced; do
  systemctl cat "$u" >/dev/null 2>&1 && echo "$u: $(systemctl is-active "$u")"
done
command -v nv-fabricmanager >/dev/null && nv-fabricmanager --version
exit 0`;

export const driver: Question<Driver> = {
  shell: driverShell,
  read({ text }) {
    const said = pairs(text);
    if (!said.release) return undefined;
    const banner = /^NVRM version:.*$/m.exec(text)?.[0];
    const manager = said['nvidia-fabricmanager'];
    const managerVersion = /^Fabric Manager version is\s*:?\s*(\S+)/m.exec(text)?.[1];
    return {
      release: said.release,
      headers: said.headers === 'yes',
      dkms: [...text.matchAll(/^dkms (.*)$/gm)].map(([, line]) => line!),
      nouveauBlocked: /blacklist[\s=].*nouveau/.test(text),
      ...known({
        loaded: version(/Kernel Module(?: for \S+)?\s+(\d[\d.]*\d)/.exec(banner ?? '')?.[1]),
        open: banner === undefined ? undefined : /Open Kernel Module/i.test(banner),
        onDisk: version(said.disk),
        signer: said.signer || undefined,
        secureBoot: /SecureBoot (?:enabled|byte 1)$/m.test(text)
          ? true
          : /SecureBoot (?:disabled|byte 0)$/m.test(text)
            ? false
            : undefined,
        fabricManager: manager ? { state: manager, ...known({ version: managerVersion }) } : undefined,
        persistence: said['nvidia-persistenced'] || undefined,
      }),
    };
  },
};

/** What the kernel wrote since it started about GPUs and refused modules: dmesg, which only root may read on many. */
export const kernelLog: Question<string[]> = {
  shell: `{ dmesg || journalctl -k -b -q --no-pager -o short-iso; } | grep -E 'NVRM|Xid|nouveau|Lockdown|[mM]odule.*(rejected|verification failed)|Key was rejected|mce:|blocked for more than' | tail -n 80`,
  // grep finds nothing: 1, and that is an answer.
  read: ({ text, code }) => (code <= 1 ? linesOf(text) : undefined),
};
