/** The container runtime, as its effective configuration has it. */
import { say } from '../say.js';
import { listed, type NodeCheck, nodeCheck, older, type Patient } from './node-check.js';

/** What the kubelet and containerd said lately. */
const saying = ({ facts }: Patient, match: RegExp): string | undefined =>
  facts.journal?.find((line) => match.test(line));

const present = ({ facts }: Patient): boolean =>
  facts.sockets?.version !== undefined || facts.sockets?.containerd === true;

const running = nodeCheck<Patient>('cri.running', 'fail', say('containerd runs', 'containerd 正在运行'), (patient) => {
  const { sockets } = patient.facts;
  if (sockets === undefined) return undefined;
  if (!present(patient)) {
    if (patient.phase === undefined) return undefined;
    if (patient.phase === 'before' || sockets.others.length > 0) return 'aside';
    return {
      byInit: true,
      found: say('containerd is not installed', '未安装 containerd'),
      hint: say(
        'apt-get install containerd.io (from download.docker.com), or let init do it.',
        '执行 apt-get install containerd.io（download.docker.com），或由 init 安装。',
      ),
    };
  }
  if (sockets.active && sockets.containerd) return 'well';
  return {
    byInit: true,
    found: say('containerd is installed and does not run', 'containerd 已安装但未运行'),
    hint: say(
      'systemctl status containerd; journalctl -u containerd -n 50; often its config.toml cannot be read: containerd config dump says where.',
      '执行 systemctl status containerd 与 journalctl -u containerd -n 50；常见原因是 config.toml 有误：containerd config dump 会指出位置。',
    ),
  };
});

const enabled = nodeCheck<Patient>(
  'cri.enabled',
  'fail',
  say('The kubelet may use it (CRI)', '已启用 CRI 供 kubelet 使用'),
  (patient) => {
    const { containerd } = patient.facts;
    const words = saying(patient, /unknown service runtime\.v1\.RuntimeService/);
    if (containerd === undefined && words === undefined) return present(patient) ? undefined : 'aside';
    if (!containerd?.criDisabled && (containerd !== undefined || words === undefined)) return 'well';
    return {
      byInit: true,
      found: say(
        'The CRI plugin of containerd is disabled: "unknown service runtime.v1.RuntimeService"',
        'containerd 的 CRI 插件被禁用：“unknown service runtime.v1.RuntimeService”',
      ),
      hint: say(
        'The package\'s config.toml has disabled_plugins = ["cri"]: take it out (or let init write its own), systemctl restart containerd, and look at containerd config dump.',
        '软件包自带的 config.toml 含 disabled_plugins = ["cri"]：请删除该项（或由 init 写入），执行 systemctl restart containerd，并用 containerd config dump 确认。',
      ),
    };
  },
);

/** containerd's RELEASES.md: what each Kubernetes is tested with. */
const leastVersion: Readonly<Record<string, string>> = { '1.35': '2.1.5', '1.36': '2.2.0', '1.37': '2.2.0' };

const version = nodeCheck<Patient>(
  'cri.version',
  'warn',
  say('containerd is new enough', 'containerd 版本足够新'),
  ({ facts, survey }) => {
    const found = facts.sockets?.version;
    if (found === undefined) return facts.sockets ? 'aside' : undefined;
    const minor = survey.wanted.version.split('.').slice(0, 2).join('.');
    const least = leastVersion[minor];
    if (least === undefined || !older(found, least)) return 'well';
    return {
      found: say(
        `containerd ${found}; Kubernetes ${minor} is tested with ${least} and newer`,
        `containerd ${found}；Kubernetes ${minor} 需要 ${least} 或更新版本`,
      ),
      hint: say(
        'Install containerd.io from download.docker.com (it replaces the packages containerd and runc; containers that run stop).',
        '请安装 download.docker.com 的 containerd.io（会替换 containerd 与 runc 软件包，运行中的容器会停止）。',
      ),
    };
  },
);

const others = nodeCheck<Patient>(
  'cri.others',
  'warn',
  say('It is the only runtime', '没有其他容器运行时'),
  ({ facts }) => {
    if (facts.sockets === undefined || facts.leftovers === undefined) return undefined;
    const names = [...facts.sockets.others, ...(facts.leftovers.dockerSnap ? ['docker (snap)'] : [])];
    if (names.length === 0) return 'well';
    const { en, zh } = listed(names);
    return {
      found: say(`Beside containerd: ${en}`, `还存在其他运行时：${zh}`),
      hint: say(
        'Remove what is not used (k3s-uninstall.sh, snap remove docker): kubeadm refuses to choose between sockets, and the NVIDIA toolkit may set up the wrong one.',
        '请移除不用的运行时（k3s-uninstall.sh、snap remove docker）：kubeadm 不会在多个套接字之间选择，NVIDIA 工具包也可能配置错对象。',
      ),
    };
  },
);

const systemdCgroup = nodeCheck<Patient>(
  'cri.systemd-cgroup',
  'fail',
  say('Runtime and kubelet agree on control groups', '运行时与 kubelet 的 cgroup 驱动一致'),
  ({ facts, survey, phase }) => {
    const { containerd, kubelet, host } = facts;
    if (containerd === undefined) return facts.sockets?.version === undefined ? 'aside' : undefined;
    if (containerd.criDisabled) return 'aside';
    if (kubelet === undefined || host.cgroup?.version === undefined) return undefined;
    const driver =
      kubelet.cgroupDriver ?? (host.cgroup.version === 1 && survey.wanted.allowCgroupV1 ? 'cgroupfs' : 'systemd');
    const named = Object.entries(containerd.runtimes).filter(([, { type }]) => type === undefined || /runc/.test(type));
    if (named.length === 0 || (kubelet.cgroupDriver === undefined && phase === 'after')) return undefined;
    const wrong = named.filter(([, runtime]) => runtime.systemdCgroup !== (driver === 'systemd')).map(([name]) => name);
    if (wrong.length === 0) return 'well';
    const { en, zh } = listed(wrong);
    return {
      byInit: true,
      found: say(
        `kubelet: ${driver}; not so the runtimes ${en}: pods flap, their sandboxes are killed every few minutes`,
        `kubelet 使用 ${driver}，而运行时 ${zh} 不同：Pod 反复重启，沙箱每隔几分钟被杀`,
      ),
      hint: say(
        `SystemdCgroup = ${driver === 'systemd'} under [….runtimes.NAME.options] of every runtime, nvidia too (also in /etc/containerd/conf.d/99-nvidia.toml), then restart containerd. The key is missing where it was never written: sed finds nothing.`,
        `在每个运行时（包括 nvidia，及 /etc/containerd/conf.d/99-nvidia.toml）的 [….runtimes.NAME.options] 下设置 SystemdCgroup = ${driver === 'systemd'}，然后重启 containerd。未写过时该键不存在，sed 不会生效。`,
      ),
    };
  },
);

const pause = nodeCheck<Patient>(
  'cri.pause-image',
  'fail',
  say('The pause image can be had', 'pause 镜像可用'),
  (patient) => {
    const { containerd } = patient.facts;
    const words = saying(patient, /failed to (?:get|pull) sandbox image|sandbox image .*(?:not found|failed)/);
    if (words !== undefined) {
      const image = /sandbox image \\*"?([\w./:@-]+)/.exec(words)?.[1] ?? containerd?.pauseImage ?? 'pause';
      return {
        byInit: true,
        found: say(
          `${image} cannot be pulled: no pod starts, and kubeadm init waits four minutes for nothing`,
          `无法拉取 ${image}：Pod 无法启动，kubeadm init 会空等四分钟`,
        ),
        hint: say(
          "Name a mirror that has it: sandbox = '…/pause:3.10.2' under [plugins.'io.containerd.cri.v1.images'.pinned_images] (containerd 1.x: sandbox_image). kubeadm's imageRepository does not change it.",
          "请改用可访问的镜像源：在 [plugins.'io.containerd.cri.v1.images'.pinned_images] 下设置 sandbox = '…/pause:3.10.2'（containerd 1.x：sandbox_image）。kubeadm 的 imageRepository 不影响它。",
        ),
      };
    }
    if (containerd === undefined || patient.facts.journal === undefined) return present(patient) ? undefined : 'aside';
    return 'well';
  },
);

const toolkitHint = say(
  'nvidia-ctk runtime configure --runtime=containerd, check that config.toml imports /etc/containerd/conf.d/*.toml, systemctl restart containerd, then look for nvidia in containerd config dump.',
  '执行 nvidia-ctk runtime configure --runtime=containerd，确认 config.toml 导入了 /etc/containerd/conf.d/*.toml，重启 containerd，并在 containerd config dump 中查找 nvidia。',
);

const nvidiaRuntime = nodeCheck<Patient>(
  'cri.nvidia-runtime',
  'fail',
  say('It can pass GPUs on', '可将 GPU 传入容器'),
  (patient) => {
    const { containerd, toolkit } = patient.facts;
    if (!patient.hasGpu || (patient.phase === 'before' && toolkit?.version === undefined)) return 'aside';
    if (containerd === undefined || toolkit === undefined) return present(patient) ? undefined : 'aside';
    if (containerd.runtimes.nvidia !== undefined) return 'well';
    const [drop] = toolkit.dropIns;
    const found =
      toolkit.version === undefined
        ? say(
            'The NVIDIA Container Toolkit is not installed: no runtime for "nvidia"',
            '未安装 NVIDIA Container Toolkit：没有名为“nvidia”的运行时',
          )
        : drop !== undefined
          ? say(
              `containerd does not read ${drop}: no runtime for "nvidia" is configured`,
              `containerd 未读取 ${drop}：没有配置名为“nvidia”的运行时`,
            )
          : say('containerd has no runtime for "nvidia"', 'containerd 没有配置名为“nvidia”的运行时');
    return { byInit: true, found, hint: toolkitHint };
  },
);

/** nvidia-cdi-refresh came with 1.18. */
const refreshing = '1.18.0';

const cdi = nodeCheck<Patient>(
  'cri.cdi',
  'warn',
  say('GPUs stay in a container over a reload of systemd', 'systemd 重载后容器仍可访问 GPU'),
  ({ facts, hasGpu }) => {
    const { toolkit } = facts;
    if (!hasGpu || toolkit?.version === undefined) return toolkit === undefined && hasGpu ? undefined : 'aside';
    const legacy = toolkit.mode === 'legacy';
    if (!legacy && (toolkit.cdi.length > 0 || !older(toolkit.version, refreshing))) return 'well';
    return {
      found: legacy
        ? say(
            'nvidia-container-runtime is in mode legacy: after systemctl daemon-reload containers lose their GPUs ("Failed to initialize NVML: Unknown Error")',
            'nvidia-container-runtime 处于 legacy 模式：执行 systemctl daemon-reload 后容器会丢失 GPU（“Failed to initialize NVML: Unknown Error”）',
          )
        : say(
            `Toolkit ${toolkit.version} keeps no CDI specification: after systemctl daemon-reload containers lose their GPUs`,
            `工具包 ${toolkit.version} 没有生成 CDI 规范：执行 systemctl daemon-reload 后容器会丢失 GPU`,
          ),
      hint: say(
        'Update the toolkit to 1.18 or newer, set mode = "auto" in /etc/nvidia-container-runtime/config.toml, then: nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml',
        '将工具包升级到 1.18 或更新版本，在 /etc/nvidia-container-runtime/config.toml 中设置 mode = "auto"，然后执行 nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml',
      ),
    };
  },
);

export const criChecks: readonly NodeCheck<Patient>[] = [
  running,
  enabled,
  version,
  others,
  systemdCgroup,
  pause,
  nvidiaRuntime,
  cdi,
];
