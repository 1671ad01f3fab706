/** The 25 failures that break GPU clusters in practice, by their number in the list: each is told, with what to do. */
import { describe } from 'vitest';
import {
  adding,
  cluster,
  cp,
  fresh,
  gpu,
  object,
  type Row,
  reached,
  recording,
  replacing,
  told,
  withoutDriver,
} from './node-hosts.js';

const rows: readonly Row[] = [
  [
    '1 CRI disabled',
    () => gpu({ containerd: replacing('disabled_plugins = []', "disabled_plugins = ['cri']") }),
    'cri.enabled',
    /RuntimeService/,
    /config dump/,
  ],
  [
    '1 CRI disabled, as containerd migrates it',
    () => gpu({ containerd: replacing('disabled_plugins = []', "disabled_plugins = ['io.containerd.grpc.v1.cri']") }),
    'cri.enabled',
    /disabled/,
    /disabled_plugins/,
  ],
  [
    '1 CRI disabled, as the kubelet says it',
    () =>
      gpu({
        containerd: undefined,
        journal:
          'err="validate CRI v1 runtime API: rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"',
      }),
    'cri.enabled',
    /RuntimeService/,
    /restart containerd/,
  ],
  [
    '2 library and module differ',
    () =>
      gpu({
        'gpu.query': {
          code: 18,
          text: 'Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.105',
        },
      }),
    'gpu.driver-mismatch',
    /different versions/,
    /rmmod|reboot/,
  ],
  [
    '2 upgraded under a running module',
    () => gpu({ driver: replacing('disk: 580.95.05', 'disk: 580.105.08') }),
    'driver.pending',
    /580\.95\.05.*580\.105\.08/,
    /hold/,
  ],
  [
    '2 nothing holds the driver',
    () => gpu({ packages: replacing(/^held nvidia.*\n/gm, '') }),
    'packages.held',
    /nvidia/,
    /apt-mark hold/,
  ],
  ['3 the driver does not answer', () => gpu(withoutDriver), 'gpu.driver-missing', /not running/, /dkms status/],
  [
    '3 not built for this kernel',
    () =>
      gpu({
        ...withoutDriver,
        driver:
          'release: 6.8.0-87-generic\ndisk: \nsigner: \ndkms nvidia/580.95.05, 6.8.0-85-generic, x86_64: installed',
      }),
    'driver.built',
    /6\.8\.0-85.*not for 6\.8\.0-87-generic.*headers are missing/,
    /linux-headers/,
  ],
  [
    '3 nouveau',
    () => gpu({ ...withoutDriver, 'host.pci': '0000:0a:00.0 0x2335 0x030200 nouveau' }),
    'gpu.nouveau',
    /nouveau/,
    /[Bb]lacklist nouveau/,
  ],
  [
    '4 Secure Boot',
    () =>
      gpu({
        ...withoutDriver,
        driver: 'release: 6.8.0-87-generic\ndisk: 580.95.05\nsigner: \nheaders: yes\nSecureBoot enabled',
        kernelLog: '[   12.1] Loading of module with unavailable key is rejected',
      }),
    'driver.secure-boot',
    /Secure Boot.*rejected/,
    /mokutil|signed/,
  ],
  [
    '5 the plugin runs under runc',
    () => cp({ said: adding('plugin E1124 07:01:13 factory.go:112] Incompatible strategy detected auto') }),
    'k8s.gpu-plugin-sees',
    /Incompatible strategy/,
    /runtimeClassName/,
  ],
  [
    '5 as older plugins say it',
    () => cp({ said: adding('plugin I1124 07:01:13 main.go:321] No devices found. Waiting indefinitely.') }),
    'k8s.gpu-plugin-sees',
    /No devices found/,
    /runtimeClassName/,
  ],
  [
    '5 as newer plugins say it',
    () => cp({ said: adding('plugin E1124 error creating resource managers: invalid device discovery strategy') }),
    'k8s.gpu-plugin-sees',
    /invalid device discovery/,
    /runtimeClassName/,
  ],
  [
    '6 no runtime for nvidia',
    () =>
      gpu({
        containerd: replacing(
          /\n *\[plugins\.'io\.containerd\.cri\.v1\.runtime'\.containerd\.runtimes\.nvidia[\s\S]*$/,
          '',
        ),
      }),
    'cri.nvidia-runtime',
    /99-nvidia\.toml.*no runtime for "nvidia"/,
    /nvidia-ctk runtime configure/,
  ],
  [
    '6 as the cluster says it',
    () =>
      cp({
        said: adding(
          'event nvidia-device-plugin/nvdp-x Failed to create pod sandbox: no runtime for "nvidia" is configured',
        ),
      }),
    'k8s.gpu-plugin-sees',
    /runtime class nvidia/,
    /nvidia-ctk/,
  ],
  [
    '7 DESIRED 0',
    () =>
      cp(
        object('DaemonSet', 'nvdp', (set) => {
          set.status.desiredNumberScheduled = 0;
        }),
      ),
    'k8s.gpu-plugin',
    /DESIRED 0/,
    /gpu\.present=true/,
  ],
  [
    '7 two device plugins on a node',
    () =>
      cp(
        object('Pod', 'coredns', (pod) => {
          pod.metadata.name = 'nvidia-device-plugin-daemonset-x2v9c';
          pod.spec.nodeName = 'gpu-1';
        }),
      ),
    'k8s.gpu-plugin',
    /Two device plugins offer the GPUs of gpu-1/,
    /gpuLayer/,
  ],
  [
    '7 the GPU operator waits',
    () =>
      cp({ said: adding('policy cluster-policy notReady ClusterPolicy is not ready: [state-operator-validation]') }),
    'k8s.gpu-operator',
    /not ready: cluster-policy notReady .*state-operator-validation/,
    /cuda-/,
  ],
  [
    '8 SystemdCgroup missing for nvidia',
    () => gpu({ containerd: replacing(/(runtimes\.nvidia\.options\][\s\S]*)SystemdCgroup = true/, '$1') }),
    'cri.systemd-cgroup',
    /nvidia.*flap/,
    /SystemdCgroup = true/,
  ],
  [
    '9 no pause image',
    () =>
      gpu({
        journal:
          'Failed to create sandbox: rpc error: failed to get sandbox image "registry.k8s.io/pause:3.10.2": failed to pull image: i/o timeout',
      }),
    'cri.pause-image',
    /registry\.k8s\.io\/pause:3\.10\.2 cannot be pulled/,
    /pinned_images/,
  ],
  [
    '10 control groups of version 1',
    () => fresh({ 'host.cgroup': 'type: tmpfs' }),
    'host.cgroup2',
    /version 1/,
    /unified_cgroup_hierarchy=1/,
  ],
  [
    '11 a kernel that is not on the list',
    () => fresh({ 'host.kernel': 'Linux 5.14.0-570.el9.x86_64 x86_64' }),
    'host.kernel',
    /5\.14\.0/,
    /1\.34/,
  ],
  [
    '12 Fabric Manager is not there',
    () => gpu({ driver: replacing('nvidia-fabricmanager: active\n', '') }),
    'driver.fabric-manager',
    /802/,
    /exactly the version/,
  ],
  [
    '12 Fabric Manager of another version',
    () => gpu({ driver: replacing('Fabric Manager version is : 580.95.05', 'Fabric Manager version is : 580.82.07') }),
    'driver.fabric-manager',
    /580\.82\.07.*580\.95\.05/,
    /exactly the version/,
  ],
  [
    '12 the fabric is not ready',
    () => gpu({ 'gpu.query': recording('q-x-h100-no-fabric-manager.xml') }),
    'gpu.fabric',
    /fabric/i,
    /fabricmanager/,
  ],
  [
    '13 a driver too old for CUDA 13',
    () => gpu({ driver: (text) => text.replaceAll('580.95.05', '560.35.03') }),
    'driver.minimum',
    /560\.35\.03.*803/,
    /580 or newer/,
  ],
  [
    '14 the plugin lost its GPUs',
    () => cp({ said: adding('plugin E1124 Failed to initialize NVML: Unknown Error') }),
    'k8s.gpu-plugin-sees',
    /lost/,
    /daemon-reload.*CDI/,
  ],
  [
    '14 a toolkit that loses them',
    () => gpu({ toolkit: replacing('mode = "auto"', 'mode = "legacy"') }),
    'cri.cdi',
    /legacy.*Unknown Error/,
    /nvidia-ctk cdi/,
  ],
  [
    '15 portmap is missing',
    () => gpu({ podNetwork: replacing('program portmap\n', '') }),
    'cni.plugins',
    /portmap/,
    /kubernetes-cni/,
  ],
  [
    '15 no subnet of flannel',
    () => gpu({ podNetwork: replacing('subnet\n', '') }),
    'cni.subnet',
    /subnet\.env/,
    /podSubnet/,
  ],
  [
    '15 no podCIDR',
    () =>
      cp(
        object('Node', 'gpu-1', (node) => {
          delete node.spec.podCIDR;
        }),
      ),
    'k8s.pod-cidr',
    /gpu-1.*pod cidr not assigned/,
    /podSubnet/,
  ],
  [
    '15 no br_netfilter',
    () => gpu({ modules: replacing('br_netfilter on', 'br_netfilter there') }),
    'host.modules',
    /br_netfilter/,
    /modules-load\.d/,
  ],
  [
    '16 UDP 8472 is blocked',
    () => reached(cluster(), { host: true, pods: false }),
    'cni.overlay',
    /gpu-1.*though the hosts reach one another/,
    /8472/,
  ],
  ['16 hosts are apart', () => reached(cluster(), { host: false, pods: false }), 'net.peers', /10250/, /firewall/],
  [
    '16 the wrong link',
    () => gpu({ links: replacing('local 10.0.0.12 dev ens3', 'local 192.168.122.5 dev ens4') }),
    'cni.link',
    /192\.168\.122\.5.*10\.0\.0\.12/,
    /--iface=ens3/,
  ],
  ['16 packets too large', () => gpu({ links: replacing('mtu 1450', 'mtu 1500') }), 'cni.link', /1500/, /1450/],
  [
    '17 CoreDNS asks itself',
    () => cp({ said: adding('dns [FATAL] plugin/loop: Loop (127.0.0.1:43211 -> :53) detected for zone "."') }),
    'k8s.dns',
    /Loop/,
    /resolvConf/,
  ],
  [
    '17 the kubelet hands on the stub',
    () => cp({ kubelet: replacing('/run/systemd/resolve/resolv.conf', '/etc/resolv.conf') }),
    'net.resolver',
    /127\.0\.0\.53.*loop/,
    /resolvConf/,
  ],
  [
    '18 clocks apart',
    () => gpu({ 'node.clock': '1795507990000\nasked 1795507926790\nanswered 1795507926810' }),
    'hosts.clock',
    /gpu-1 \+63 s/,
    /chrony/,
  ],
  [
    '18 a certificate out of its time',
    () =>
      gpu({
        journal:
          'kubelet: Unable to register node: x509: certificate has expired or is not yet valid: current time 2026-11-24T07:00:00Z is before 2026-11-24T08:00:00Z',
      }),
    'kubelet.trust',
    /out of its time/,
    /clocks first/,
  ],
  [
    '18 another cluster answers',
    () => gpu({ journal: "kubelet: couldn't validate the identity of the API Server: expected a JWS" }),
    'kubelet.trust',
    /another cluster/,
    /print-join-command/,
  ],
  [
    '18 certificates ran out',
    () => cp({ certificates: '/etc/kubernetes/pki/apiserver.crt notAfter=Nov 20 09:12:44 2026 GMT' }),
    'kubelet.certificates',
    /2026-11-20/,
    /renew all/,
  ],
  [
    '19 one host name',
    () => gpu({ identity: replacing('host: gpu-1', 'host: cp-1') }),
    'hosts.hostname',
    /cp-1, gpu-1 have one host name: cp-1/,
    /set-hostname/,
  ],
  [
    '19 one machine-id',
    () => gpu({ identity: replacing(/machine: \w+/, 'machine: 11111c3d4e5f60718293a4b5c6d7e8f9') }),
    'hosts.machine-id',
    /cp-1, gpu-1/,
    /systemd-machine-id-setup/,
  ],
  [
    '19 one product_uuid',
    () => gpu({ identity: replacing('4d5312', '4d5311') }),
    'hosts.product-uuid',
    /cp-1, gpu-1/,
    /hypervisor/,
  ],
  [
    '19 one MAC address',
    () => gpu({ identity: replacing('aa:bb:12', 'aa:bb:11') }),
    'hosts.mac',
    /52:54:00:aa:bb:11/,
    /MAC/,
  ],
  [
    '20 the lock of apt',
    () => fresh({ packages: adding('locked unattended-upgr (812)', 'asked') }),
    'packages.lock',
    /unattended-upgr \(812\)/,
    /Lock::Timeout/,
  ],
  [
    '20 half installed',
    () => fresh({ packages: adding('broken containerd.io', 'asked') }),
    'packages.broken',
    /containerd\.io/,
    /dpkg --configure -a/,
  ],
  [
    '21 a dead source',
    () =>
      fresh({
        sources: adding(
          '/etc/apt/sources.list.d/kubernetes.list:deb https://apt.kubernetes.io/ kubernetes-xenial main',
        ),
      }),
    'packages.sources',
    /kubernetes\.list/,
    /pkgs\.k8s\.io/,
  ],
  [
    '21 two keys for one source',
    () =>
      gpu({
        sources: adding(
          '/etc/apt/sources.list.d/nvidia-docker.list:deb [signed-by=/etc/apt/trusted.gpg.d/nvidia.gpg] https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH) /',
        ),
      }),
    'packages.sources',
    /Signed-By.*nvidia-docker\.list/,
    /Keep one/,
  ],
  [
    '22 a full disk in a cluster',
    () =>
      gpu({ rooms: replacing('/var/lib/containerd 1048576000 824288000', '/var/lib/containerd 1048576000 104857600') }),
    'host.disk',
    /10 % free/,
    /prune/,
  ],
  [
    '22 the node says so',
    () =>
      cp(
        object('Node', 'gpu-1', (node) => {
          node.status.conditions[1].status = 'True';
        }),
      ),
    'k8s.pressure',
    /gpu-1 DiskPressure/,
    /disk of its own/,
  ],
  [
    '22 as the pull says it',
    () =>
      cp({
        said: adding(
          'event deepseek/engine-blue-0 Failed to pull image: write /var/lib/containerd: no space left on device',
        ),
      }),
    'k8s.pressure',
    /no space left/,
    /prune/,
  ],
  [
    '23 no shared memory',
    () =>
      cp(
        object('Pod', 'engine', (pod) => {
          delete pod.spec.volumes[0].emptyDir.medium;
        }),
      ),
    'serve.shm',
    /64 MB in deepseek\/engine-blue-0/,
    /emptyDir/,
  ],
  [
    '24 no interface named',
    () =>
      cp(
        object('Pod', 'engine', (pod) => {
          pod.spec.hostNetwork = true;
          pod.metadata.labels['leaderworkerset.sigs.k8s.io/name'] = 'engine';
        }),
      ),
    'serve.interfaces',
    /engine-blue-0.*Gloo/,
    /VLLM_HOST_IP/,
  ],
  [
    '25 fewer GPUs than boards',
    () => gpu({ 'host.pci': adding('0000:2b:00.0 0x2335 0x030200 nvidia') }),
    'gpu.count',
    /3 boards.*2/,
    /power-cycle/,
  ],
  [
    '25 an Xid in the log',
    () =>
      gpu({
        kernelLog: adding('[ 999.1] NVRM: Xid (PCI:0000:0a:00): 94, pid=1234, name=python3, Contained: SM (0x1).'),
      }),
    'gpu.xid-log',
    /Xid 94/,
    /dcgmi/,
  ],
  [
    '25 fallen off the bus',
    () => gpu({ 'gpu.query': recording('q-x-b300-lost.xml') }),
    'gpu.lost',
    /no longer answers/,
    /power-cycle/,
  ],
  ['25 nvidia-smi hangs', () => gpu({ 'gpu.query': { code: 124 } }), 'gpu.hung', /did not come back/, /reboot/],
];

describe('the 25 failures', () => told(rows));
