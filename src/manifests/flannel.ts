/** flannel: an address range per host, VXLAN between them. After what flannel's documentation says it needs. */
import { versions } from '../install/pins.js';
import { account, daemonSet, field, type KubeObject, namespace } from './object.js';

export const flannelNamespace = 'kube-flannel';
export const flannelName = 'kube-flannel';

const image = `ghcr.io/flannel-io/flannel:${versions.flannel}`;
const cniImage = `ghcr.io/flannel-io/flannel-cni-plugin:${versions.flannelCni}`;

export interface FlannelWish {
  readonly podSubnet: string;
  readonly nftables: boolean;
}

/** portmap and bridge come with the package kubernetes-cni. */
const cniConfig = {
  name: 'cbr0',
  cniVersion: '0.3.1',
  plugins: [
    { type: 'flannel', delegate: { hairpinMode: true, isDefaultGateway: true } },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

const mount = (name: string, mountPath: string) => ({ name, mountPath });
const host = (name: string, path: string, type?: string) => ({ name, hostPath: { path, ...(type ? { type } : {}) } });

const pod = {
  hostNetwork: true,
  priorityClassName: 'system-node-critical',
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  // Before there is a network, every node is tainted as not ready.
  tolerations: [{ operator: 'Exists' }],
  serviceAccountName: flannelName,
  initContainers: [
    {
      name: 'plugin',
      image: cniImage,
      command: ['cp', '-f', '/flannel', '/opt/cni/bin/flannel'],
      volumeMounts: [mount('plugins', '/opt/cni/bin')],
    },
    {
      name: 'config',
      image,
      command: ['cp', '-f', '/etc/kube-flannel/cni-conf.json', '/etc/cni/net.d/10-flannel.conflist'],
      volumeMounts: [mount('cni', '/etc/cni/net.d'), mount('config', '/etc/kube-flannel')],
    },
  ],
  containers: [
    {
      name: 'flannel',
      image,
      command: ['/opt/bin/flanneld'],
      // The address that kubelet was given says which of several networks is meant.
      args: ['--ip-masq', '--kube-subnet-mgr', '--iface=$(NODE_IP)'],
      env: [
        field('POD_NAME', 'metadata.name'),
        field('POD_NAMESPACE', 'metadata.namespace'),
        field('NODE_IP', 'status.hostIP'),
      ],
      resources: { requests: { cpu: '100m', memory: '50Mi' } },
      securityContext: { privileged: false, capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
      volumeMounts: [
        mount('run', '/run/flannel'),
        mount('config', '/etc/kube-flannel'),
        mount('xtables-lock', '/run/xtables.lock'),
      ],
    },
  ],
  volumes: [
    host('run', '/run/flannel'),
    host('plugins', '/opt/cni/bin'),
    host('cni', '/etc/cni/net.d'),
    host('xtables-lock', '/run/xtables.lock', 'FileOrCreate'),
    { name: 'config', configMap: { name: 'kube-flannel-cfg' } },
  ],
};

export function flannel({ podSubnet, nftables }: FlannelWish): readonly KubeObject[] {
  const net = { Network: podSubnet, EnableNFTables: nftables, Backend: { Type: 'vxlan' } };
  return [
    namespace(flannelNamespace, 'privileged'),
    ...account('kube-flannel', flannelNamespace, [
      { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
    ]),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kube-flannel-cfg', namespace: flannelNamespace },
      data: { 'cni-conf.json': JSON.stringify(cniConfig), 'net-conf.json': JSON.stringify(net) },
    },
    daemonSet(flannelName, flannelNamespace, pod),
  ];
}
