/** Disks, swap, modules, settings and packages of a host. */
import type { Room } from '../probes/node-packages.js';
import { say } from '../say.js';
import { type Found, listed, type NodeCheck, nodeCheck, type Patient } from './node-check.js';

interface Need {
  readonly path: string;
  readonly whom: 'all' | 'gpu' | 'control-plane';
  readonly failGiB: number;
  readonly warnGiB: number;
}

/** An engine's image takes 10 to 20 GB unpacked and is pulled packed beside it; a control plane's images are 1 GB. */
const needs: readonly Need[] = [
  { path: '/var/lib/containerd', whom: 'gpu', failGiB: 40, warnGiB: 100 },
  { path: '/var/lib/containerd', whom: 'all', failGiB: 5, warnGiB: 15 },
  { path: '/var/lib/kubelet', whom: 'all', failGiB: 3, warnGiB: 5 },
  { path: '/var/lib/etcd', whom: 'control-plane', failGiB: 2, warnGiB: 4 },
];

/** The kubelet evicts pods when the images' disk has less than 15 % free, or its own less than 10 %. */
const evicts: Readonly<Record<string, number>> = { '/var/lib/containerd': 15, '/var/lib/kubelet': 10 };

const gib = (mib: number): string => (mib / 1024).toFixed(mib < 10_240 ? 1 : 0);
const diskHint = say(
  'Make room (docker system prune -a, crictl rmi --prune, journalctl --vacuum-size=500M), or mount a larger disk there before the install.',
  '请清理空间（docker system prune -a、crictl rmi --prune、journalctl --vacuum-size=500M），或在安装前将更大的磁盘挂载到该目录。',
);

function shortOf(rooms: readonly Room[], patient: Patient): Found | undefined {
  for (const { path, whom, failGiB, warnGiB } of needs) {
    const room = rooms.find((one) => one.path === path);
    const meant = whom === 'all' || (whom === 'gpu' ? patient.hasGpu : patient.roles.includes('control-plane'));
    if (!room || !meant || room.freeMiB >= warnGiB * 1024) continue;
    const bad = room.freeMiB < failGiB * 1024;
    const least = bad ? failGiB : warnGiB;
    return {
      severity: bad ? 'fail' : 'warn',
      found: say(
        `${path} has ${gib(room.freeMiB)} GiB free; ${least} GiB ${bad ? 'is the least' : 'would be good'}`,
        `${path} 剩余 ${gib(room.freeMiB)} GiB，${bad ? '至少需要' : '建议'} ${least} GiB`,
      ),
      hint: diskHint,
    };
  }
  return undefined;
}

function evicting(rooms: readonly Room[]): Found | undefined {
  for (const { path, totalMiB, freeMiB } of rooms) {
    const percent = (100 * freeMiB) / totalMiB;
    if (percent >= (evicts[path] ?? 0)) continue;
    return {
      found: say(
        `${path} has ${percent.toFixed(0)} % free: below ${evicts[path]} % the kubelet evicts pods (DiskPressure)`,
        `${path} 剩余 ${percent.toFixed(0)} %：低于 ${evicts[path]} % 时 kubelet 会驱逐 Pod（DiskPressure）`,
      ),
      hint: diskHint,
    };
  }
  return undefined;
}

const disk = nodeCheck<Patient>('host.disk', 'fail', say('Its disks have room', '磁盘空间足够'), (patient) => {
  const rooms = (patient.facts.rooms ?? []).filter(({ path, totalMiB }) => path !== '/dev/shm' && totalMiB > 0);
  if (rooms.length === 0) return undefined;
  const full = rooms.find(({ inodesFree }) => inodesFree !== undefined && inodesFree < 5);
  if (full)
    return {
      found: say(
        `${full.path} has ${full.inodesFree!.toFixed(0)} % of its inodes left`,
        `${full.path} 的 inode 仅剩 ${full.inodesFree!.toFixed(0)} %`,
      ),
      hint: diskHint,
    };
  if (patient.phase === undefined) return undefined;
  return (patient.phase === 'after' ? evicting(rooms) : shortOf(rooms, patient)) ?? 'well';
});

const swap = nodeCheck<Patient>(
  'host.swap',
  'fail',
  say('Swap is off, and stays off', '交换分区已关闭'),
  ({ facts }) => {
    if (facts.swap === undefined) return undefined;
    const { on, fstab } = facts.swap;
    if (on.length === 0 && fstab === 0) return 'well';
    const hint = say(
      "swapoff -a, and take swap out of /etc/fstab (zram: systemctl mask 'dev-zram0.swap')",
      '执行 swapoff -a，并从 /etc/fstab 中删除 swap（zram：systemctl mask dev-zram0.swap）',
    );
    if (on.length === 0)
      return {
        severity: 'warn',
        byInit: true,
        hint,
        found: say(
          'Swap is off, but /etc/fstab switches it on again at the next boot',
          '交换分区已关闭，但 /etc/fstab 会在下次启动时重新启用',
        ),
      };
    const { en, zh } = listed(on);
    return {
      byInit: true,
      hint,
      found: say(`Swap is on (${en}): the kubelet does not start`, `交换分区已启用（${zh}）：kubelet 无法启动`),
    };
  },
);

const modules = nodeCheck<Patient>(
  'host.modules',
  'fail',
  say('The kernel has overlay and br_netfilter', '内核具备 overlay 与 br_netfilter'),
  ({ facts }) => {
    const found = facts.modules;
    if (found === undefined) return undefined;
    const wanted = ['overlay', 'br_netfilter', 'vxlan'];
    const absent = [...wanted, 'xt_comment', 'xt_conntrack'].filter((name) => found[name] === 'absent');
    if (absent.length > 0) {
      const { en, zh } = listed(absent);
      return {
        found: say(`The kernel has no ${en}`, `内核缺少 ${zh}`),
        hint: say(
          'dnf install kernel-modules-extra-$(uname -r) (RHEL 10 leaves them out), or boot the kernel whose modules are installed.',
          '执行 dnf install kernel-modules-extra-$(uname -r)（RHEL 10 默认不含），或启动已安装对应模块的内核。',
        ),
      };
    }
    // vxlan is loaded when flannel makes its link.
    const off = ['overlay', 'br_netfilter'].filter((name) => found[name] === 'there');
    if (off.length === 0) return wanted.some((name) => found[name] === undefined) ? undefined : 'well';
    const { en, zh } = listed(off);
    return {
      byInit: true,
      found: say(
        `Not loaded: ${en}; flannel does not start without br_netfilter`,
        `未加载：${zh}；缺少 br_netfilter 时 flannel 无法启动`,
      ),
      hint: say(
        'modprobe overlay br_netfilter, and both names in /etc/modules-load.d/k8s.conf',
        '执行 modprobe overlay br_netfilter，并将两者写入 /etc/modules-load.d/k8s.conf',
      ),
    };
  },
);

const sysctl = nodeCheck<Patient>(
  'host.sysctl',
  'fail',
  say('The kernel forwards what pods send', '内核转发 Pod 流量'),
  ({ facts }) => {
    const found = facts.sysctls;
    if (found === undefined || found['net.ipv4.ip_forward'] === undefined) return undefined;
    const wrong = ['net.ipv4.ip_forward', 'net.bridge.bridge-nf-call-iptables'].filter((name) => found[name] === 0);
    if (wrong.length > 0) {
      const { en, zh } = listed(wrong.map((name) => `${name} = 0`));
      return {
        byInit: true,
        found: say(`${en}: what pods send goes nowhere`, `${zh}：Pod 的流量无法转发`),
        hint: say(
          'Write "NAME = 1" to /etc/sysctl.d/99-kubernetes.conf, sysctl --system, then read it back: ufw and cloud images set it again.',
          '在 /etc/sysctl.d/99-kubernetes.conf 中写入“NAME = 1”，执行 sysctl --system 后再读取确认：ufw 与云镜像会重新覆盖。',
        ),
      };
    }
    const few = found['fs.inotify.max_user_instances'];
    if (few !== undefined && few < 512)
      return {
        severity: 'warn',
        byInit: true,
        found: say(
          `fs.inotify.max_user_instances = ${few}: kubelet and pods run out of watches on a full node`,
          `fs.inotify.max_user_instances = ${few}：节点满载时 kubelet 与 Pod 会耗尽监视句柄`,
        ),
        hint: say(
          'fs.inotify.max_user_instances = 8192 in /etc/sysctl.d/99-kubernetes.conf',
          '在 /etc/sysctl.d/99-kubernetes.conf 中设置 fs.inotify.max_user_instances = 8192',
        ),
      };
    return 'well';
  },
);

const lock = nodeCheck<Patient>(
  'packages.lock',
  'warn',
  say('Nobody else installs packages', '没有其他程序占用软件包管理器'),
  ({ facts }) => {
    if (facts.packages === undefined) return undefined;
    const { lockedBy } = facts.packages;
    if (lockedBy === undefined) return 'well';
    return {
      byInit: true,
      found: say(`${lockedBy} holds the lock of the package manager`, `软件包管理器的锁被 ${lockedBy} 占用`),
      hint: say(
        'It ends by itself (unattended-upgrades runs at first boot): apt-get -o DPkg::Lock::Timeout=600 waits for it. Never remove the lock file.',
        '通常会自行结束（首次启动时的 unattended-upgrades）：apt-get -o DPkg::Lock::Timeout=600 会等待。切勿删除锁文件。',
      ),
    };
  },
);

const half = nodeCheck<Patient>(
  'packages.broken',
  'fail',
  say('No package is half installed', '没有安装到一半的软件包'),
  ({ facts }) => {
    if (facts.packages === undefined) return undefined;
    const { broken, lockedBy } = facts.packages;
    // An upgrade that is at work leaves some half done until it ends.
    if (lockedBy !== undefined) return 'aside';
    if (broken.length === 0) return 'well';
    const { en, zh } = listed(broken.slice(0, 5));
    return {
      byInit: true,
      found: say(`Half installed: ${en}`, `安装未完成：${zh}`),
      hint: say('dpkg --configure -a, then apt-get -f install', '执行 dpkg --configure -a，然后 apt-get -f install'),
    };
  },
);

/** Repositories that are gone; their answer of 404 fails every `apt-get update`. */
const dead = /\/\/(apt\.kubernetes\.io|packages\.cloud\.google\.com\/(apt|yum))\b/;

const sources = nodeCheck<Patient>(
  'packages.sources',
  'fail',
  say('Its package sources answer and do not contradict', '软件源有效且无冲突'),
  ({ facts }) => {
    const all = facts.sources;
    if (all === undefined) return undefined;
    const gone = all.filter(({ uri, suite }) => dead.test(uri) || suite === 'kubernetes-xenial');
    if (gone.length > 0) {
      const { en, zh } = listed([...new Set(gone.map(({ file, uri }) => `${file} (${uri})`))]);
      return {
        found: say(`Package sources that no longer exist: ${en}`, `软件源已不存在：${zh}`),
        hint: say(
          'Remove the file, then apt-get update. Kubernetes is at pkgs.k8s.io now, the NVIDIA toolkit at nvidia.github.io/libnvidia-container.',
          '删除该文件后执行 apt-get update。Kubernetes 现位于 pkgs.k8s.io，NVIDIA 工具包位于 nvidia.github.io/libnvidia-container。',
        ),
      };
    }
    const keys = new Map<string, Map<string, string>>();
    for (const { file, uri, suite, signedBy = '(none)' } of all.filter(({ file }) => !file.endsWith('.repo'))) {
      for (const one of suite.split(/\s+/)) {
        const place = `${uri.replace(/\/+$/, '')} ${one}`;
        keys.set(place, (keys.get(place) ?? new Map()).set(signedBy, file));
      }
    }
    const clash = [...keys].find(([, signed]) => signed.size > 1);
    if (!clash) return 'well';
    const { en, zh } = listed([...clash[1].values()]);
    return {
      found: say(
        `One source, two keys (Signed-By) in ${en}: ${clash[0]}`,
        `同一软件源使用了不同的密钥（Signed-By）：${zh}，${clash[0]}`,
      ),
      hint: say(
        'Keep one of the files and remove the other; apt refuses to read either until then.',
        '保留其中一个文件并删除另一个；在此之前 apt 拒绝读取。',
      ),
    };
  },
);

const held = nodeCheck<Patient>(
  'packages.held',
  'warn',
  say('Upgrades leave the driver and Kubernetes alone', '自动升级不会改动驱动与 Kubernetes'),
  ({ facts, hasGpu, phase }) => {
    if (facts.packages === undefined) return undefined;
    const { unattended, held: kept, installed } = facts.packages;
    if (!unattended) return 'well';
    const loose = [
      ...(hasGpu && !kept.some((name) => /nvidia/.test(name)) ? ['nvidia-*'] : []),
      ...(phase === 'before'
        ? []
        : ['kubelet', 'kubeadm', 'kubectl'].filter((name) => installed[name] !== undefined && !kept.includes(name))),
    ];
    if (loose.length === 0) return 'well';
    const { en, zh } = listed(loose);
    return {
      found: say(
        `unattended-upgrades may upgrade ${en} under a running node`,
        `unattended-upgrades 可能在节点运行时升级 ${zh}`,
      ),
      hint: say(
        'apt-mark hold those packages: a new driver library over the old module is the usual cause of "Driver/library version mismatch".',
        '用 apt-mark hold 锁定这些软件包：新的驱动库配旧的内核模块正是“Driver/library version mismatch”的常见原因。',
      ),
    };
  },
);

export const groundChecks: readonly NodeCheck<Patient>[] = [disk, swap, modules, sysctl, lock, half, sources, held];
