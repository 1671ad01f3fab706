/** What a host must be before anything is put on it. */
import { say } from '../say.js';
import {
  type Found,
  forInstall,
  isControlPlane,
  listed,
  type NodeCheck,
  nodeCheck,
  older,
  type Patient,
} from './node-check.js';

const reach = nodeCheck<Patient>('host.reach', 'fail', say('It can be reached', '主机可达'), ({ unreachable }) =>
  unreachable
    ? {
        found: say(`${unreachable.text.en} (${unreachable.id})`, `${unreachable.text.zh}（${unreachable.id}）`),
        hint:
          unreachable.hint ?? say('Try it by hand: ssh <user>@<address> true', '请手动尝试：ssh <用户>@<地址> true'),
      }
    : 'well',
);

const root = nodeCheck<Patient>(
  'host.sudo',
  'fail',
  say('Root can be reached', '可获得 root 权限'),
  ({ facts, phase }) => {
    if (facts.root === undefined) return undefined;
    if (facts.root === true) return 'well';
    return {
      found: say(`No way to root: ${facts.root}`, `无法获得 root 权限：${facts.root}`),
      hint: say(
        'Log in as root, or let the user run sudo; without a password: echo "USER ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/USER. Much stays unseen until then.',
        '请以 root 登录，或允许该用户使用 sudo；免密码：echo "USER ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/USER。在此之前许多项目无法检查。',
      ),
      ...forInstall(phase),
    };
  },
);

/** What the steps know how to install on. */
const systems: Readonly<Record<string, RegExp>> = {
  debian: /^1[23]\b/,
  ubuntu: /^(22|24|26)\.04\b/,
  rhel: /^(9|10)\b/,
  rocky: /^(9|10)\b/,
  almalinux: /^(9|10)\b/,
  centos: /^(9|10)\b/,
};

const os = nodeCheck<Patient>(
  'host.os',
  'fail',
  say('Its operating system is a known one', '操作系统受支持'),
  ({ facts, phase }) => {
    const { id, version, name } = facts.host.os ?? {};
    if (id === undefined || version === undefined) return id === 'macos' ? foreign('macOS') : undefined;
    if (systems[id]?.test(version)) return 'well';
    return { ...foreign(name ?? `${id} ${version}`), ...forInstall(phase) };
  },
);

const foreign = (name: string): Found => ({
  found: say(`${name} is none that the install knows`, `安装程序不支持 ${name}`),
  hint: say(
    'Use Debian 12 or 13, Ubuntu 22.04, 24.04 or 26.04, or RHEL, Rocky, AlmaLinux or CentOS Stream 9 or 10.',
    '请使用 Debian 12/13、Ubuntu 22.04/24.04/26.04，或 RHEL、Rocky、AlmaLinux、CentOS Stream 9/10。',
  ),
});

const arch = nodeCheck<Patient>(
  'host.arch',
  'fail',
  say('Its processor is of 64 bits', '处理器为 64 位'),
  ({ facts }) => {
    const name = facts.host.kernel?.arch;
    if (name === undefined) return undefined;
    return /^(x86_64|aarch64|arm64)$/.test(name)
      ? 'well'
      : {
          found: say(`The processor is ${name}`, `处理器架构为 ${name}`),
          hint: say(
            'Kubernetes and the engines come for x86_64 and aarch64.',
            'Kubernetes 与推理引擎仅提供 x86_64 和 aarch64 版本。',
          ),
        };
  },
);

const systemd = nodeCheck<Patient>('host.systemd', 'fail', say('systemd runs it', '由 systemd 管理'), ({ facts }) => {
  const { tools } = facts.host;
  if (tools === undefined) return undefined;
  if (tools.systemd?.running) return 'well';
  return {
    found: say('systemd is not process 1', '1 号进程不是 systemd'),
    hint: say(
      'The kubelet and containerd run under systemd: boot the host with it (in a container: one that boots, like systemd-nspawn or LXD).',
      'kubelet 与 containerd 由 systemd 运行：请以 systemd 启动该主机（容器环境请使用可引导的容器，如 systemd-nspawn 或 LXD）。',
    ),
  };
});

/** kubernetes/system-validators, validators/types_unix.go; a mismatch is a warning since 1.34. */
const kernels = /^(5\.4|5\.10|5\.15)\.|^([6-9]|[1-9]\d+)\./;
/** nftables as kube-proxy wants it: kernel 5.13 and up (KEP 3866). */
const nftablesKernel = '5.13';

const kernel = nodeCheck<Patient>(
  'host.kernel',
  'warn',
  say('Its kernel is one that Kubernetes is tested on', '内核版本经 Kubernetes 验证'),
  ({ facts, survey }) => {
    const release = facts.host.kernel?.release;
    if (release === undefined || facts.host.kernel?.name !== 'Linux') return undefined;
    if (survey.wanted.proxyMode === 'nftables' && older(release, nftablesKernel))
      return {
        severity: 'fail',
        found: say(
          `Kernel ${release} is too old for kubernetes.proxyMode: nftables`,
          `内核 ${release} 过旧，不支持 kubernetes.proxyMode: nftables`,
        ),
        hint: say(
          'Take kernel 5.13 or newer, or proxyMode: iptables.',
          '请使用 5.13 或更新的内核，或设为 proxyMode: iptables。',
        ),
      };
    if (kernels.test(release)) return 'well';
    return {
      found: say(
        `Kernel ${release} is not on the list of Kubernetes (5.4, 5.10, 5.15, 6 and up)`,
        `内核 ${release} 不在 Kubernetes 的列表中（5.4、5.10、5.15、6 及以上）`,
      ),
      hint: say(
        'It works since Kubernetes 1.34, with a warning of kubeadm; 1.32 and 1.33 refuse it. A newer kernel ends the question.',
        'Kubernetes 1.34 起可用（kubeadm 会给出警告），1.32 与 1.33 会拒绝；升级内核可彻底解决。',
      ),
    };
  },
);

const cgroup2 = nodeCheck<Patient>(
  'host.cgroup2',
  'fail',
  say('Its control groups are of version 2', '使用 cgroup v2'),
  ({ facts, survey }) => {
    const version = facts.host.cgroup?.version;
    if (version === undefined) return undefined;
    if (version === 2) return 'well';
    const cure = say(
      'Add systemd.unified_cgroup_hierarchy=1 to the kernel line and reboot, or take a newer system (RHEL 8 is the usual one).',
      '在内核参数中加入 systemd.unified_cgroup_hierarchy=1 并重启，或使用更新的系统（常见于 RHEL 8）。',
    );
    if (survey.wanted.allowCgroupV1)
      return {
        severity: 'warn',
        found: say(
          'Control groups of version 1, which Kubernetes is about to drop; kubernetes.allowCgroupV1 lets the kubelet start',
          '使用 cgroup v1，Kubernetes 即将停止支持；kubernetes.allowCgroupV1 允许 kubelet 启动',
        ),
        hint: cure,
      };
    return {
      found: say(
        'Control groups of version 1: the kubelet of 1.35 and newer does not start',
        '使用 cgroup v1：1.35 及更新版本的 kubelet 无法启动',
      ),
      hint: say(
        `${cure.en} To go on all the same: kubernetes.allowCgroupV1: true`,
        `${cure.zh}若仍要继续：kubernetes.allowCgroupV1: true`,
      ),
    };
  },
);

/** kubeadm's own limits (NumCPU, Mem of its preflight). */
const [leastCpus, leastMiB] = [2, 1700];

const size = nodeCheck<Patient>(
  'host.size',
  'fail',
  say('It has the processors and the memory', 'CPU 与内存足够'),
  (patient) => {
    const { facts, phase } = patient;
    const [cpus, memory] = [facts.host.cpu?.threads, facts.host.memory?.totalMiB];
    if (cpus === undefined && memory === undefined) return undefined;
    const few = isControlPlane(patient) && cpus !== undefined && cpus < leastCpus;
    const little = memory !== undefined && memory < leastMiB;
    if (!few && !little) return 'well';
    const [en, zh] = few
      ? [`${cpus} processor`, `${cpus} 个处理器`]
      : [`${memory} MiB of memory`, `${memory} MiB 内存`];
    return {
      found: say(`${en}: too little for Kubernetes`, `${zh}：不足以运行 Kubernetes`),
      hint: say(
        `kubeadm wants ${leastCpus} processors on a control plane and ${leastMiB} MB everywhere.`,
        `kubeadm 要求控制平面至少 ${leastCpus} 个处理器，所有主机至少 ${leastMiB} MB 内存。`,
      ),
      ...forInstall(phase),
    };
  },
);

const timeSync = nodeCheck<Patient>(
  'host.time-sync',
  'warn',
  say('Its clock is kept right', '时钟保持同步'),
  ({ facts }) => {
    // A container's clock is that of the machine it is on.
    if (facts.host.virtualization?.container) return 'aside';
    if (facts.timeSync === undefined) return undefined;
    const { synchronized, by } = facts.timeSync;
    if (synchronized || by.length > 0) return 'well';
    return {
      found: say('Nothing keeps the clock right', '没有时间同步服务在运行'),
      hint: say(
        'apt-get install chrony (or dnf), then: systemctl enable --now chrony. A clock that runs away breaks TLS between the hosts.',
        '执行 apt-get install chrony（或 dnf），然后 systemctl enable --now chrony。时钟漂移会破坏主机间的 TLS。',
      ),
      byInit: true,
    };
  },
);

/** RFC 1123, lower case: it becomes the name of a node. */
const nodeName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const hostname = nodeCheck<Patient>(
  'host.hostname',
  'warn',
  say('Its name can be that of a node', '主机名可用作节点名'),
  ({ facts }) => {
    const { hostname: name, resolves } = facts.identity ?? {};
    if (name === undefined) return undefined;
    if (!nodeName.test(name) || /^localhost(\.|$)/.test(name))
      return {
        found: say(`${name} cannot be the name of a node`, `${name} 不能用作节点名`),
        hint: say(
          'hostnamectl set-hostname NAME: lower-case letters, digits and -, and not localhost.',
          'hostnamectl set-hostname NAME：小写字母、数字和 -，且不能是 localhost。',
        ),
      };
    if (resolves === '')
      return {
        found: say(`${name} resolves to nothing on the host itself`, `${name} 在该主机上无法解析`),
        hint: say(`Add "<its address> ${name}" to /etc/hosts.`, `在 /etc/hosts 中加入“<主机地址> ${name}”。`),
      };
    return 'well';
  },
);

const selinux = nodeCheck<Patient>(
  'host.selinux',
  'warn',
  say('SELinux and the container runtime get along', 'SELinux 与容器运行时兼容'),
  ({ facts }) => {
    if (facts.selinux === undefined || facts.packages === undefined) return undefined;
    if (facts.selinux !== 'Enforcing' || facts.packages.installed['container-selinux'] !== undefined) return 'well';
    return {
      // Docker's containerd.io requires it.
      byInit: true,
      found: say(
        'SELinux enforces, and container-selinux is not there',
        'SELinux 处于强制模式，且未安装 container-selinux',
      ),
      hint: say(
        'dnf install container-selinux, and enable_selinux = true for containerd; or set SELinux to permissive: setenforce 0 and /etc/selinux/config.',
        '执行 dnf install container-selinux，并为 containerd 设置 enable_selinux = true；或将 SELinux 设为宽容模式：setenforce 0 并修改 /etc/selinux/config。',
      ),
    };
  },
);

const programs = nodeCheck<Patient>(
  'host.programs',
  'fail',
  say('The programs that the kubelet calls are there', 'kubelet 依赖的程序齐全'),
  ({ facts, phase }) => {
    const missing = facts.missingPrograms;
    if (missing === undefined) return undefined;
    if (missing.length === 0) return 'well';
    // kubeadm's mandatory list (preflight/checks_linux.go); the others are asked for by network plugins and port forwards.
    const must = missing.filter((name) => ['ip', 'iptables', 'mount', 'nsenter'].includes(name));
    const { en, zh } = listed(missing);
    return {
      found: say(`Missing: ${en}`, `缺少：${zh}`),
      hint: say(
        'apt-get install -y iproute2 iptables util-linux kmod conntrack socat ethtool (or dnf)',
        '执行 apt-get install -y iproute2 iptables util-linux kmod conntrack socat ethtool（或 dnf）',
      ),
      byInit: true,
      ...(must.length > 0 && (phase === 'during' || phase === 'after') ? {} : { severity: 'warn' as const }),
    };
  },
);

export const machineChecks: readonly NodeCheck<Patient>[] = [
  ...[reach, root, os, arch, systemd, kernel, cgroup2, size, timeSync, hostname, selinux, programs],
];
