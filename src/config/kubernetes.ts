/** The cluster that `init --target kubernetes` makes. */
import { say } from '../say.js';
import { boolean, type Infer, list, map, object, oneOf, string } from './schema.js';

const cidr = {
  regexp: '^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$',
  means: say('a range like 10.244.0.0/16', '形如 10.244.0.0/16 的网段'),
};

export const kubernetes = object(
  {
    version: string({
      says: say('Version of Kubernetes.', 'Kubernetes 版本。'),
      pattern: { regexp: '^1\\.3[5-7]\\.\\d{1,2}$', means: say('1.35.x to 1.37.x', '1.35.x 至 1.37.x') },
      max: 8,
      initial: '1.36.4',
    }),
    podSubnet: string({
      says: say('Addresses of the pods; no network of the hosts may overlap it.', 'Pod 地址段，不得与主机网络重叠。'),
      pattern: cidr,
      max: 18,
      initial: '10.244.0.0/16',
    }),
    serviceSubnet: string({
      says: say('Addresses of the services.', 'Service 地址段。'),
      pattern: cidr,
      max: 18,
      initial: '10.96.0.0/12',
    }),
    network: oneOf(['flannel', 'calico'], {
      says: say('What connects the pods of different hosts.', '连接各主机 Pod 的网络插件。'),
      initial: 'flannel',
    }),
    endpoint: string({
      says: say(
        'Where the API of several control planes is reached: a load balancer of yours in front of their ports 6443.',
        '多个控制平面的 API 访问地址：由您自备、转发至各控制平面 6443 端口的负载均衡器。',
      ),
      pattern: {
        regexp: '^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:\\d{1,5}$',
        means: say('a name or an address with its port', '带端口的主机名或地址'),
      },
      max: 260,
      example: 'api.example:6443',
    }),
    virtualAddress: string({
      says: say(
        'In its place, where there is no load balancer: a free address in the network of the hosts, which keepalived keeps on a control plane that answers.',
        '没有负载均衡器时的替代：主机网络中的空闲地址，由 keepalived 保持在可用的控制平面上。',
      ),
      pattern: {
        regexp: '^\\d{1,3}(\\.\\d{1,3}){3}$',
        means: say('an IPv4 address', 'IPv4 地址'),
      },
      max: 15,
      example: '10.0.0.10',
    }),
    proxyMode: oneOf(['iptables', 'nftables'], {
      says: say('How kube-proxy writes its rules.', 'kube-proxy 的规则模式。'),
      initial: 'iptables',
    }),
    docker: boolean({
      says: say(
        'Docker Engine beside containerd: a tool for people; the cluster needs containerd alone.',
        '在 containerd 之外安装 Docker Engine：仅供人工使用，集群只需要 containerd。',
      ),
      initial: true,
    }),
    gpuLayer: oneOf(['device-plugin', 'operator', 'none'], {
      says: say(
        "How GPUs are offered to pods. operator: NVIDIA's, which also labels nodes by their GPUs and tries them; none: by what you install yourself.",
        '向 Pod 提供 GPU 的方式。operator：NVIDIA GPU operator，另按 GPU 为节点打标签并做验证；none：由您自行安装的组件提供。',
      ),
      initial: 'device-plugin',
    }),
    driver: oneOf(['check', 'install'], {
      says: say(
        'The NVIDIA driver: only checked, or installed where it is missing, which takes a reboot.',
        'NVIDIA 驱动：仅检查，或在缺失时安装（需要重启）。',
      ),
      initial: 'check',
    }),
    nvidiaDocker2: boolean({
      says: say(
        'Also the package nvidia-docker2: archived, the container toolkit is its successor.',
        '同时安装 nvidia-docker2：该项目已归档，由 container toolkit 取代。',
      ),
      initial: false,
    }),
    storage: oneOf(['auto', 'local-path', 'rook', 'none'], {
      says: say(
        'Volumes. auto: rook with three storage hosts and up, else local-path.',
        '存储卷。auto：有三台及以上存储主机时用 rook，否则用 local-path。',
      ),
      initial: 'auto',
    }),
    storageDevices: map(
      list(
        string({
          says: say('A raw device without a file system on it.', '没有文件系统的裸设备。'),
          pattern: {
            regexp: '^/dev/disk/by-id/[A-Za-z0-9._:+@-]+$',
            means: say('a stable name: /dev/disk/by-id/…', '稳定的设备名：/dev/disk/by-id/…'),
          },
          max: 200,
        }),
        { says: say('Its devices.', '该主机的设备。'), min: 1, max: 64 },
      ),
      {
        says: say(
          'The disks that Ceph may take, by the name of the host; all that is on them is lost.',
          '允许 Ceph 使用的磁盘，以主机名为键；盘上数据将全部丢失。',
        ),
        keys: {
          regexp: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
          means: say('the name of a host', '主机名'),
        },
        initial: {},
      },
    ),
    proxy: string({
      says: say('What hosts go out through, where there is no other way.', '主机访问外网须经的代理。'),
      pattern: { regexp: '^https?://[^\\s"\\\\]+$', means: say('an address (http://…)', '地址（http://…）') },
      max: 500,
      example: 'http://proxy.example:3128',
    }),
    noProxy: list(
      string({
        says: say('A name, a domain or a range.', '主机名、域名或网段。'),
        pattern: { regexp: '^[A-Za-z0-9.:/*_-]+$', means: say('a name, a domain or a range', '主机名、域名或网段') },
        max: 253,
      }),
      {
        says: say(
          'What is reached without it; hosts, pods and services are anyway.',
          '不经代理访问的目标；集群主机、Pod 与 Service 始终直连。',
        ),
        max: 100,
        initial: [],
      },
    ),
    allowCgroupV1: boolean({
      says: say(
        'Run on hosts with control groups of version 1, which Kubernetes is about to drop.',
        '允许使用 cgroup v1 的主机；Kubernetes 即将停止支持。',
      ),
      initial: false,
    }),
  },
  {
    says: say('The cluster of the target kubernetes.', 'kubernetes 目标的集群。'),
    exclusive: [['endpoint', 'virtualAddress']],
  },
);

export type Kubernetes = Infer<typeof kubernetes>;
