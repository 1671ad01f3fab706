/** What kubeadm and kubelet are told: kubeadm.k8s.io/v1beta4 (v1beta3 went in 1.37). */
import { stringify } from 'yaml';
import type { Role } from '../config/hosts.js';
import type { Kubernetes } from '../config/kubernetes.js';

/** Also of a host where another runtime has a socket too. */
export const criSocket = 'unix:///run/containerd/containerd.sock';
export const adminConfig = '/etc/kubernetes/admin.conf';

export interface NodeWish {
  readonly name: string;
  readonly address: string;
  readonly roles: readonly Role[];
  /** It takes any pods: there is no worker in its cluster to take them. */
  readonly open: boolean;
}

export interface ClusterWish {
  readonly settings: Kubernetes;
  /** 10.0.0.1:6443 */
  readonly endpoint: string;
  readonly systemdCgroup: boolean;
  /** The connection table of a container is its machine's, which kube-proxy may not size. */
  readonly keepConntrack: boolean;
}

export interface Taint {
  readonly key: string;
  readonly effect: string;
}

const controlPlaneTaint: Taint = { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' };
/** Ceph's daemons alone tolerate it. */
export const storageTaint: Taint = { key: 'deepseek-deploy.io/storage', effect: 'NoSchedule' };

/** Who carries out nothing but control or storage takes no other pods. */
export function taintsOf({ roles, open }: Pick<NodeWish, 'roles' | 'open'>): readonly Taint[] {
  if (open || roles.includes('worker')) return [];
  return [
    ...(roles.includes('control-plane') ? [controlPlaneTaint] : []),
    ...(roles.includes('storage') ? [storageTaint] : []),
  ];
}

/** Whether preflight's error about control groups of version 1 is wanted away; it hides the kernel's errors too. */
const ignored = (settings: Kubernetes): readonly string[] => (settings.allowCgroupV1 ? ['SystemVerification'] : []);

const registration = (node: NodeWish, settings: Kubernetes): object => ({
  name: node.name,
  criSocket,
  imagePullSerial: false,
  kubeletExtraArgs: [{ name: 'node-ip', value: node.address }],
  taints: taintsOf(node),
  ...(settings.allowCgroupV1 ? { ignorePreflightErrors: ignored(settings) } : {}),
});

const api = 'kubeadm.k8s.io/v1beta4';
/** kubeadm reads YAML 1.1, where a host called `n`, `on` or `012` is no string unless it is quoted. */
const documents = (...all: readonly object[]): string =>
  all.map((one) => stringify(one, { compat: 'yaml-1.1' })).join('---\n');

/** For `kubeadm init --config`. */
export function initText(node: NodeWish, cluster: ClusterWish): string {
  const { settings, endpoint, systemdCgroup, keepConntrack } = cluster;
  return documents(
    {
      apiVersion: api,
      kind: 'InitConfiguration',
      // Made by kubeadm in any case, for a day; each host that joins gets one of its own.
      bootstrapTokens: [{ ttl: '15m0s' }],
      localAPIEndpoint: { advertiseAddress: node.address, bindPort: 6443 },
      nodeRegistration: registration(node, settings),
      timeouts: { controlPlaneComponentHealthCheck: '8m0s', kubeletHealthCheck: '4m0s' },
    },
    {
      apiVersion: api,
      kind: 'ClusterConfiguration',
      kubernetesVersion: `v${settings.version}`,
      // Without it the cluster could never have a second control plane.
      controlPlaneEndpoint: endpoint,
      networking: { podSubnet: settings.podSubnet, serviceSubnet: settings.serviceSubnet, dnsDomain: 'cluster.local' },
      apiServer: { certSANs: [node.address, node.name, '127.0.0.1'] },
    },
    {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      cgroupDriver: systemdCgroup ? 'systemd' : 'cgroupfs',
      failCgroupV1: !settings.allowCgroupV1,
      serializeImagePulls: false,
      maxParallelImagePulls: 3,
      imageGCHighThresholdPercent: 90,
      shutdownGracePeriod: '60s',
      shutdownGracePeriodCriticalPods: '20s',
    },
    {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      // Said always: its default is about to change.
      mode: settings.proxyMode,
      ...(keepConntrack ? { conntrack: { maxPerCore: 0, min: 0 } } : {}),
    },
  );
}

export interface JoinSecrets {
  readonly token: string;
  /** sha256:… of the cluster's CA. */
  readonly caCertHash: string;
  /** For a further control plane. */
  readonly certificateKey?: string;
}

/** For `kubeadm join --config`; holds the token. */
export function joinText(node: NodeWish, cluster: ClusterWish, secrets: JoinSecrets): string {
  const { token, caCertHash, certificateKey } = secrets;
  return documents({
    apiVersion: api,
    kind: 'JoinConfiguration',
    nodeRegistration: registration(node, cluster.settings),
    discovery: {
      bootstrapToken: { apiServerEndpoint: cluster.endpoint, token, caCertHashes: [caCertHash] },
    },
    ...(certificateKey
      ? { controlPlane: { localAPIEndpoint: { advertiseAddress: node.address, bindPort: 6443 }, certificateKey } }
      : {}),
  });
}

/** Of what `kubeadm token create --print-join-command` prints. */
export function readJoinCommand(stdout: string): Pick<JoinSecrets, 'token' | 'caCertHash'> | undefined {
  const token = /--token (\S+)/.exec(stdout)?.[1];
  const caCertHash = /--discovery-token-ca-cert-hash (sha256:[0-9a-f]{64})/.exec(stdout)?.[1];
  return token && caCertHash ? { token, caCertHash } : undefined;
}

export interface Preflight {
  readonly severity: 'ERROR' | 'WARNING';
  readonly id: string;
  readonly text: string;
}

/** What kubeadm's preflight found, of its standard error. */
export function readPreflight(stderr: string): readonly Preflight[] {
  const found = stderr.matchAll(/^\s*\[(ERROR|WARNING) ([\w./-]+)\]: (.*(?:\n(?!\s*\[|\S).*)*)$/gm);
  return [...found].map(([, severity, id, text]) => ({
    severity: severity as Preflight['severity'],
    id: id!,
    text: text!.trim(),
  }));
}
