/** The cluster as its API tells it: asked on a control plane that has one. */
import type { Api, DaemonSet, Node, Objects, Pod, Said } from '../probes/node-cluster.js';
import { say, type Text } from '../say.js';
import { type Fleet, type Look, listed, type NodeCheck, nodeCheck } from './node-check.js';

interface Asked {
  readonly fleet: Fleet;
  readonly api: Api;
  readonly objects: Objects | undefined;
  readonly said: Said | undefined;
}

/** The first host that holds a kubeconfig and was answered. */
function askedOf(fleet: Fleet): Asked | 'aside' | undefined {
  const node = fleet.nodes.find(({ facts }) => facts.api !== undefined);
  if (node) return { fleet, api: node.facts.api!, objects: node.facts.objects, said: node.facts.said };
  return fleet.nodes.some(({ facts }) => facts.membership?.controlPlane || facts.membership === undefined)
    ? undefined
    : 'aside';
}

const clusterCheck = (id: string, severity: 'fail' | 'warn', title: Text, look: Look<Asked>): NodeCheck<Fleet> =>
  nodeCheck(id, severity, title, (fleet) => {
    const asked = askedOf(fleet);
    return asked === undefined || asked === 'aside' ? asked : look(asked);
  });

const ofObjects = (
  id: string,
  severity: 'fail' | 'warn',
  title: Text,
  look: (objects: Objects, asked: Asked) => ReturnType<Look<Asked>>,
) =>
  clusterCheck(id, severity, title, (asked) => (asked.objects === undefined ? undefined : look(asked.objects, asked)));

const api = clusterCheck(
  'k8s.api',
  'fail',
  say('The API server is ready', 'API 服务器就绪'),
  ({ api: { ready, says } }) =>
    ready
      ? 'well'
      : {
          found: say(`The API server is not ready: ${says.slice(0, 160)}`, `API 服务器未就绪：${says.slice(0, 160)}`),
          hint: say(
            'crictl ps -a and crictl logs of kube-apiserver and etcd on the control plane; a full disk and expired certificates are the usual reasons.',
            '在控制平面用 crictl ps -a 与 crictl logs 查看 kube-apiserver 和 etcd；常见原因是磁盘已满或证书过期。',
          ),
        },
);

const state = (node: Node): string | undefined => node.conditions.find(({ type }) => type === 'Ready')?.status;

const nodes = ofObjects('k8s.nodes', 'fail', say('Every node is Ready', '所有节点 Ready'), (objects) => {
  const bad = objects.nodes.filter((node) => state(node) !== 'True');
  if (bad.length === 0) return 'well';
  const why = (node: Node): string => {
    const ready = node.conditions.find(({ type }) => type === 'Ready');
    return `${node.name} (${ready?.reason ?? 'no status'}${ready?.message ? `: ${ready.message.slice(0, 100)}` : ''})`;
  };
  const { en, zh } = listed(bad.map(why));
  return {
    found: say(`Not Ready: ${en}`, `未就绪：${zh}`),
    hint: say(
      '"cni plugin not initialized": the pod network is not there yet. "Kubelet stopped posting": look at the kubelet of that host, its power and its network.',
      '“cni plugin not initialized”：Pod 网络尚未安装。“Kubelet stopped posting”：请检查该主机的 kubelet、电源与网络。',
    ),
  };
});

const pressures = new Set(['DiskPressure', 'MemoryPressure', 'PIDPressure']);

const pressure = ofObjects(
  'k8s.pressure',
  'fail',
  say('No node is short of disk or memory', '节点磁盘与内存充足'),
  (objects, { said }) => {
    const bad = objects.nodes.flatMap((node) =>
      node.conditions
        .filter(({ type, status }) => pressures.has(type) && status === 'True')
        .map(({ type }) => `${node.name} ${type}`),
    );
    const full = said?.events.find((line) => /no space left on device/.test(line));
    if (bad.length === 0 && full === undefined) return said === undefined ? undefined : 'well';
    const { en, zh } = listed(bad.length > 0 ? bad : [full!.slice(0, 160)]);
    return {
      found: say(`Short of room: ${en}`, `资源不足：${zh}`),
      hint: say(
        'Images of engines take 10 to 20 GB: put /var/lib/containerd on a disk of its own, crictl rmi --prune, and pull the image before it is needed.',
        '引擎镜像占 10 至 20 GB：请将 /var/lib/containerd 放到独立磁盘，执行 crictl rmi --prune，并提前拉取镜像。',
      ),
    };
  },
);

const minor = (version: string): number => Number(version.split('.')[1]);

/** A kubelet may be up to three minors older than the API server, never newer (Kubernetes' version skew policy). */
const skew = ofObjects(
  'k8s.skew',
  'fail',
  say('Kubelets and API server fit', 'kubelet 与 API 服务器版本相容'),
  (objects, { api: { version } }) => {
    if (version === undefined) return undefined;
    const off = objects.nodes.filter(
      ({ kubelet }) =>
        kubelet !== undefined && (minor(kubelet) > minor(version) || minor(version) - minor(kubelet) > 3),
    );
    if (off.length === 0) return 'well';
    const { en, zh } = listed(off.map(({ name, kubelet }) => `${name} ${kubelet}`));
    return {
      found: say(
        `The API server is ${version}; kubelets that do not fit: ${en}`,
        `API 服务器为 ${version}，版本不相容的 kubelet：${zh}`,
      ),
      hint: say(
        'A kubelet may be three minors older than the API server, never newer: upgrade the control plane first, then the nodes.',
        'kubelet 最多比 API 服务器低三个次版本，且不能更高：请先升级控制平面，再升级节点。',
      ),
    };
  },
);

const podCidr = ofObjects(
  'k8s.pod-cidr',
  'fail',
  say('Every node has its part of the pod range', '所有节点已分配 podCIDR'),
  (objects, { fleet }) => {
    const without = objects.nodes.filter(({ podCidr: range }) => range === undefined);
    if (without.length === 0 || fleet.wanted.network !== 'flannel') return 'well';
    const { en, zh } = listed(without.map(({ name }) => name));
    return {
      found: say(`No podCIDR: ${en} ("pod cidr not assigned")`, `未分配 podCIDR：${zh}（“pod cidr not assigned”）`),
      hint: say(
        'The controller manager lacks --cluster-cidr: kubeadm init wants networking.podSubnet. On a cluster that stands: kubectl patch node NAME -p \'{"spec":{"podCIDR":"10.244.N.0/24"}}\'',
        '控制器缺少 --cluster-cidr：kubeadm init 需要 networking.podSubnet。已有集群：kubectl patch node NAME -p \'{"spec":{"podCIDR":"10.244.N.0/24"}}\'',
      ),
    };
  },
);

const isDns = ({ labels }: Pod): boolean => labels['k8s-app'] === 'kube-dns';

const dns = ofObjects('k8s.dns', 'fail', say('CoreDNS answers', 'CoreDNS 正常'), (objects, { said }) => {
  const pods = objects.pods.filter(isDns);
  const loop = said?.dns.find((line) => /Loop \(.*\) detected/.test(line));
  if (loop !== undefined)
    return {
      found: say(`CoreDNS asks itself: "${loop.slice(0, 120)}"`, `CoreDNS 出现解析循环：“${loop.slice(0, 120)}”`),
      hint: say(
        "The hosts' /etc/resolv.conf points to 127.0.0.53: resolvConf: /run/systemd/resolve/resolv.conf in each /var/lib/kubelet/config.yaml, restart the kubelets, then kubectl -n kube-system rollout restart deployment coredns",
        '主机的 /etc/resolv.conf 指向 127.0.0.53：请在各主机 /var/lib/kubelet/config.yaml 中设置 resolvConf: /run/systemd/resolve/resolv.conf，重启 kubelet，然后执行 kubectl -n kube-system rollout restart deployment coredns',
      ),
    };
  if (pods.some(({ ready }) => ready)) return 'well';
  const [pod] = pods;
  return {
    found: pod
      ? say(
          `No CoreDNS is ready: ${pod.name} is ${pod.waiting ?? pod.phase}`,
          `没有就绪的 CoreDNS：${pod.name} 处于 ${pod.waiting ?? pod.phase}`,
        )
      : say('There is no CoreDNS', '没有 CoreDNS'),
    hint: say(
      'Pending: the pod network is not there yet, or every node is tainted. Else: kubectl -n kube-system logs -l k8s-app=kube-dns',
      'Pending：Pod 网络尚未安装，或所有节点都有污点。其他情况：kubectl -n kube-system logs -l k8s-app=kube-dns',
    ),
  };
});

const systemSpaces = /^(kube-|calico|tigera|nvidia|gpu-operator|rook-ceph|local-path)/;
const inTrouble =
  /CrashLoopBackOff|ImagePullBackOff|ErrImagePull|CreateContainer(Config)?Error|RunContainerError|InvalidImageName/;

const pods = ofObjects('k8s.pods', 'fail', say("The cluster's own pods run", '系统 Pod 正常'), (objects) => {
  const bad = objects.pods.filter(
    (pod) => systemSpaces.test(pod.namespace) && inTrouble.test(pod.waiting ?? '') && !isDns(pod),
  );
  if (bad.length === 0) return 'well';
  const { en, zh } = listed(bad.slice(0, 4).map(({ namespace, name, waiting }) => `${namespace}/${name} (${waiting})`));
  return {
    found: say(`In trouble: ${en}`, `异常：${zh}`),
    hint: say(
      'kubectl describe pod and kubectl logs --previous of it. An image that cannot be pulled: see mirrors in deepseek.yaml.',
      '执行 kubectl describe pod 与 kubectl logs --previous。镜像无法拉取：请在 deepseek.yaml 中设置镜像源。',
    ),
  };
});

const isPlugin = ({ name, image }: DaemonSet): boolean =>
  /nvidia-device-plugin|k8s-device-plugin/.test(`${name} ${image}`) && !/mps/.test(name);

const wanted = ofObjects(
  'k8s.gpu-plugin',
  'fail',
  say('The GPU device plugin is on the GPU nodes', 'GPU 设备插件已部署到 GPU 节点'),
  (objects, { fleet }) => {
    const sets = objects.daemonSets.filter(isPlugin);
    if (sets.length === 0)
      return fleet.wanted.gpuLayer === 'none'
        ? 'aside'
        : fleet.nodes.some(({ facts }) => (facts.host.gpu?.picture.gpus.length ?? 0) > 0)
          ? nobody
          : 'aside';
    if (sets.some(({ desired }) => desired > 0)) return 'well';
    return {
      found: say(
        `${sets[0]!.namespace}/${sets[0]!.name} wants no node (DESIRED 0)`,
        `${sets[0]!.namespace}/${sets[0]!.name} 没有匹配的节点（DESIRED 0）`,
      ),
      hint: say(
        'kubectl label node NAME nvidia.com/gpu.present=true (node feature discovery sets it by itself), and let the plugin tolerate the taints of the GPU nodes.',
        '执行 kubectl label node NAME nvidia.com/gpu.present=true（NFD 会自动设置），并让插件容忍 GPU 节点的污点。',
      ),
    };
  },
);

const nobody = {
  severity: 'warn' as const,
  found: say('There are GPUs, and no device plugin offers them', '存在 GPU，但没有设备插件'),
  hint: say(
    'init puts it there (kubernetes.gpuLayer), or: helm install nvdp nvdp/nvidia-device-plugin --set runtimeClassName=nvidia',
    '由 init 部署（kubernetes.gpuLayer），或执行 helm install nvdp nvdp/nvidia-device-plugin --set runtimeClassName=nvidia',
  ),
};

const blind =
  /Incompatible (?:device discovery )?strategy detected|No devices found\. Waiting indefinitely|invalid device discovery strategy|could not load NVML/i;
const lostNvml = /Failed to initialize NVML: Unknown Error/;

const sees = clusterCheck(
  'k8s.gpu-plugin-sees',
  'fail',
  say('The device plugin sees the GPUs', '设备插件可识别 GPU'),
  ({ said, objects }) => {
    if (said === undefined) return undefined;
    const lost = said.plugin.find((line) => lostNvml.test(line));
    if (lost !== undefined)
      return {
        found: say(
          `The device plugin lost its GPUs: "${lost.slice(0, 120)}"`,
          `设备插件丢失了 GPU：“${lost.slice(0, 120)}”`,
        ),
        hint: say(
          'systemctl daemon-reload takes devices from containers started by the legacy hook: restart the plugin now; for good use CDI (see cri.cdi).',
          'systemctl daemon-reload 会使 legacy 方式启动的容器丢失设备：先重启插件；根治请使用 CDI（见 cri.cdi）。',
        ),
      };
    const line = said.plugin.find((one) => blind.test(one));
    const refused = said.events.find((one) => /no runtime for "nvidia" is configured/.test(one));
    if (refused !== undefined)
      return {
        found: say(
          `A node does not know the runtime class nvidia: "${refused.slice(0, 140)}"`,
          `节点没有配置 nvidia 运行时：“${refused.slice(0, 140)}”`,
        ),
        hint: say(
          'See cri.nvidia-runtime for that host: nvidia-ctk runtime configure --runtime=containerd, and restart containerd.',
          '请对该主机参考 cri.nvidia-runtime：执行 nvidia-ctk runtime configure --runtime=containerd 并重启 containerd。',
        ),
      };
    if (line === undefined) return objects?.daemonSets.some(isPlugin) ? 'well' : 'aside';
    return {
      found: say(
        `The device plugin finds no GPU: "${line.slice(0, 120)}"`,
        `设备插件未发现 GPU：“${line.slice(0, 120)}”`,
      ),
      hint: say(
        'It runs under runc and has no driver library: runtimeClassName: nvidia on its DaemonSet (chart: --set runtimeClassName=nvidia), or nvidia as the default runtime.',
        '它运行在 runc 下，没有驱动库：请在其 DaemonSet 上设置 runtimeClassName: nvidia（chart：--set runtimeClassName=nvidia），或将 nvidia 设为默认运行时。',
      ),
    };
  },
);

const allocatable = ofObjects(
  'k8s.gpu-count',
  'fail',
  say('Nodes offer as many GPUs as the hosts have', '节点可分配 GPU 数与主机一致'),
  (objects, { fleet }) => {
    const pairs = fleet.nodes.flatMap(({ name, facts }) => {
      const seen = facts.host.gpu?.picture.gpus.length ?? 0;
      const node = objects.nodes.find((one) => one.name === facts.identity?.hostname || one.name === name);
      const mig = facts.host.gpu?.picture.gpus.some((gpu) => gpu.mig?.mode);
      return node && seen > 0 && !mig && (facts.host.gpu?.cut.length ?? 0) === 0
        ? [{ name, seen, offered: node.gpus ?? 0 }]
        : [];
    });
    if (pairs.length === 0) return 'aside';
    if (!objects.daemonSets.some(isPlugin)) return 'aside';
    const less = pairs.filter(({ seen, offered }) => offered < seen);
    if (less.length === 0) return 'well';
    const { en, zh } = listed(less.map(({ name, seen, offered }) => `${name} ${offered}/${seen}`));
    return {
      found: say(`nvidia.com/gpu offered, of those there: ${en}`, `可分配的 nvidia.com/gpu 与实际数量：${zh}`),
      hint: say(
        'The plugin takes unhealthy GPUs out (its log names them; see gpu.*). 0: it does not run there, or sees none.',
        '插件会剔除异常的 GPU（其日志会列出，参见 gpu.*）。为 0：插件未在该节点运行，或未识别到 GPU。',
      ),
    };
  },
);

const storage = ofObjects(
  'k8s.storage-class',
  'warn',
  say('There is a storage class', '存在存储类'),
  (objects, { fleet }) =>
    objects.storageClasses.length > 0 || fleet.wanted.storage === 'none'
      ? 'well'
      : {
          found: say('No storage class: volumes stay Pending', '没有存储类：存储卷会一直 Pending'),
          hint: say(
            'init puts local-path or Rook there (kubernetes.storage), or name your own.',
            '由 init 部署 local-path 或 Rook（kubernetes.storage），或使用自备的存储类。',
          ),
        },
);

const named = ({ namespace, name }: Pod): string => `${namespace}/${name}`;

const shm = ofObjects(
  'serve.shm',
  'fail',
  say('Engines over several GPUs have shared memory', '多 GPU 引擎具备共享内存'),
  (objects) => {
    const bad = objects.pods.filter(({ gpus, shm: has }) => gpus > 1 && !has);
    if (bad.length === 0) return objects.pods.some(({ gpus }) => gpus > 1) ? 'well' : 'aside';
    const { en, zh } = listed(bad.slice(0, 4).map(named));
    return {
      found: say(
        `/dev/shm is 64 MB in ${en}: NCCL fails ("Error while attaching to shared memory segment")`,
        `${zh} 的 /dev/shm 只有 64 MB：NCCL 会失败（“Error while attaching to shared memory segment”）`,
      ),
      hint: say(
        'Mount a volume emptyDir: {medium: Memory, sizeLimit: 16Gi} at /dev/shm.',
        '请将 emptyDir: {medium: Memory, sizeLimit: 16Gi} 卷挂载到 /dev/shm。',
      ),
    };
  },
);

const wayNames = ['GLOO_SOCKET_IFNAME', 'NCCL_SOCKET_IFNAME', 'VLLM_HOST_IP'];

const ways = ofObjects(
  'serve.interfaces',
  'warn',
  say('Engines over several hosts know their link', '跨主机引擎已指定网卡'),
  (objects) => {
    const spread = objects.pods.filter(
      ({ hostNetwork, gpus, labels }) =>
        hostNetwork && gpus > 0 && labels['leaderworkerset.sigs.k8s.io/name'] !== undefined,
    );
    if (spread.length === 0) return 'aside';
    const bad = spread.filter(({ env }) => !wayNames.some((name) => env.includes(name)));
    if (bad.length === 0) return 'well';
    const { en, zh } = listed(bad.slice(0, 4).map(named));
    return {
      found: say(
        `${en}: on the host's network without ${wayNames.join(', ')}: "Gloo connectFullMesh failed", NCCL hangs`,
        `${zh} 使用主机网络但未设置 ${wayNames.join('、')}：会出现“Gloo connectFullMesh failed”或 NCCL 挂起`,
      ),
      hint: say(
        "Set the first two to the link that holds the hosts' addresses (ip -o addr), VLLM_HOST_IP to status.hostIP.",
        '请将前两个变量设为承载主机地址的网卡（ip -o addr），VLLM_HOST_IP 设为 status.hostIP。',
      ),
    };
  },
);

export const clusterChecks: readonly NodeCheck<Fleet>[] = [
  ...[api, nodes, pressure, skew, podCidr, dns, pods, wanted, sees, allocatable, storage, shm, ways],
];
