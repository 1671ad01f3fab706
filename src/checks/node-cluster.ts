/** The cluster as its API tells it. */
import type { Node, Pod } from '../probes/node-cluster.js';
import { say } from '../say.js';
import { clusterCheck, ofObjects } from './node-asked.js';
import { listed, type NodeCheck, type Survey } from './node-check.js';

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
  (objects, { survey }) => {
    const without = objects.nodes.filter(({ podCidr: range }) => range === undefined);
    if (without.length === 0 || survey.wanted.network !== 'flannel') return 'well';
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

const storage = ofObjects(
  'k8s.storage-class',
  'warn',
  say('There is a storage class', '存在存储类'),
  (objects, { survey }) =>
    objects.storageClasses.length > 0 || survey.wanted.storage === 'none'
      ? 'well'
      : {
          found: say('No storage class: volumes stay Pending', '没有存储类：存储卷会一直 Pending'),
          hint: say(
            'init puts local-path or Rook there (kubernetes.storage), or name your own.',
            '由 init 部署 local-path 或 Rook（kubernetes.storage），或使用自备的存储类。',
          ),
        },
);

export const clusterChecks: readonly NodeCheck<Survey>[] = [
  ...[api, nodes, pressure, skew, podCidr, dns, pods, storage],
];
