/** GPUs as pods get them, and what an engine over several of them needs. */
import type { DaemonSet, Pod } from '../probes/node-cluster.js';
import { say } from '../say.js';
import { clusterCheck, ofObjects } from './node-asked.js';
import { listed, type NodeCheck, type Survey } from './node-check.js';

const isPlugin = ({ name, image }: Pick<DaemonSet, 'name' | 'image'>): boolean =>
  /nvidia-device-plugin|k8s-device-plugin/.test(`${name} ${image}`) && !/mps/.test(name);

const wanted = ofObjects(
  'k8s.gpu-plugin',
  'fail',
  say('The GPU device plugin is on the GPU nodes', 'GPU 设备插件已部署到 GPU 节点'),
  (objects, { survey }) => {
    const sets = objects.daemonSets.filter(isPlugin);
    if (sets.length === 0)
      return survey.wanted.gpuLayer === 'none'
        ? 'aside'
        : survey.nodes.some(({ facts }) => (facts.host.gpu?.picture.gpus.length ?? 0) > 0)
          ? nobody
          : 'aside';
    const twice = nodesWithTwo(objects.pods);
    if (twice.length > 0) return two(twice);
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

/** Nodes on which pods of two device plugins are: each tells the kubelet of the same GPUs. */
function nodesWithTwo(pods: readonly Pod[]): readonly string[] {
  const nodes = pods
    .filter((pod) => pod.phase === 'Running' && isPlugin({ ...pod, image: '' }))
    .map(({ node }) => node);
  return [...new Set(nodes.filter((node, at) => node !== undefined && nodes.indexOf(node) !== at))] as string[];
}

const two = (nodes: readonly string[]) => {
  const { en, zh } = listed(nodes);
  return {
    found: say(`Two device plugins offer the GPUs of ${en}`, `${zh} 上有两个设备插件提供同一批 GPU`),
    hint: say(
      'One is too many: kubectl get pods -A -o wide | grep nvidia-device-plugin. Remove the one that kubernetes.gpuLayer does not ask for.',
      '只能有一个：用 kubectl get pods -A -o wide | grep nvidia-device-plugin 查看，并移除 kubernetes.gpuLayer 未要求的那个。',
    ),
  };
};

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

const operator = clusterCheck(
  'k8s.gpu-operator',
  'fail',
  say('The GPU operator is ready', 'GPU operator 就绪'),
  ({ said }) => {
    if (said === undefined) return undefined;
    if (said.policies.length === 0) return 'aside';
    const bad = said.policies.find((line) => !/^\S+ ready\b/.test(line));
    return bad === undefined
      ? 'well'
      : {
          found: say(`Its policy is not ready: ${bad.slice(0, 300)}`, `其策略未就绪：${bad.slice(0, 300)}`),
          hint: say(
            'kubectl -n gpu-operator get pods: of the operator-validator on each node the step that waits or fails says what is amiss (driver-, toolkit-, cuda-, plugin-validation): kubectl -n gpu-operator logs POD -c STEP.',
            '执行 kubectl -n gpu-operator get pods：各节点 operator-validator 中等待或失败的步骤即为问题所在（driver-、toolkit-、cuda-、plugin-validation），用 kubectl -n gpu-operator logs POD -c 步骤 查看。',
          ),
        };
  },
);

const allocatable = ofObjects(
  'k8s.gpu-count',
  'fail',
  say('Nodes offer as many GPUs as the hosts have', '节点可分配 GPU 数与主机一致'),
  (objects, { survey }) => {
    const pairs = survey.nodes.flatMap(({ name, facts }) => {
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

export const offerChecks: readonly NodeCheck<Survey>[] = [wanted, sees, operator, allocatable, shm, ways];
