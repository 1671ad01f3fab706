/** The test hosts can carry a real cluster: kubeadm init, two joins, every node Ready, a pod running on a worker. */
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { allDone, many } from '../../src/plan/many.js';
import type { Result, Upload } from '../../src/world.js';
import { sh } from '../hosts-contract/contract.js';
import { builtImages, builtPrograms } from '../kube/control-plane.js';
import { type Machines, machines } from './machines.js';

const programs = builtPrograms();
const images = builtImages();
if (!programs || !images)
  console.warn('\n*** no cluster was brought up; build its parts first: test/kube/images ***\n');

/** What a host of this kind (control groups of version 1, no CAP_SYS_RESOURCE) needs so that kubelet and runc run. */
const containerd = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10.2"
  restrict_oom_score_adj = true
`;

const kubelet = `[Unit]
After=containerd.service
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=3
[Install]
WantedBy=multi-user.target
`;

const clusterConfig = (address: string) => `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: ${address}}
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
  kubeletExtraArgs: [{name: node-ip, value: ${address}}]
  ignorePreflightErrors: [SystemVerification]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.4
controlPlaneEndpoint: "${address}:6443"
networking: {podSubnet: 10.244.0.0/16}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
conntrack: {maxPerCore: 0}
`;

/** Stands for flannel: pods of one host reach one another and the outside. */
const cni = (third: number) =>
  JSON.stringify({
    cniVersion: '0.4.0',
    name: 'bridge',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: `10.244.${third}.0/24` }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });

const file = (path: string): Upload => ({
  bytes: statSync(path).size,
  sha256: createHash('sha256').update(readFileSync(path)).digest('hex'),
  chunks: () => createReadStream(path),
});

/** @throws Error with what it wrote when it fails */
async function must(host: SshHost, script: string, timeoutMs = 300_000): Promise<string> {
  const result: Result = await host.run({ ...sh(script), timeoutMs });
  if (result.code !== 0) throw new Error(`${host.name}: ${script}: ${result.code}\n${result.stdout}\n${result.stderr}`);
  return result.stdout;
}

async function prepare(host: SshHost, third: number): Promise<void> {
  const packages = 'containerd containernetworking-plugins conntrack socat ethtool ebtables';
  await must(
    host,
    `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${packages}`,
  );
  await must(
    host,
    'mkdir -p /opt/cni/bin /etc/cni/net.d /root/images && cp /usr/lib/cni/* /opt/cni/bin/ && echo 1 >/proc/sys/net/ipv4/ip_forward',
  );
  await host.put('/etc/containerd/config.toml', containerd);
  await host.put('/etc/systemd/system/kubelet.service', kubelet, { mode: 0o644 });
  await host.put('/etc/cni/net.d/10-bridge.conflist', cni(third), { mode: 0o644 });
  for (const name of ['kubeadm', 'kubelet', 'kubectl'])
    await host.put(`/usr/bin/${name}`, file(`${programs}/${name}`), { mode: 0o755 });
  await must(host, 'systemctl daemon-reload && systemctl enable -q kubelet && systemctl restart containerd');
  const wanted = host.name === 'host-1' ? /\.tar$/ : /(kube-proxy|pause|coredns)\.tar$/;
  for (const name of readdirSync(images!).filter((each) => wanted.test(each))) {
    await host.put(`/root/images/${name}`, file(`${images}/${name}`));
    await must(host, `ctr -n k8s.io images import /root/images/${name} && rm /root/images/${name}`);
  }
}

describe.skipIf(!programs || !images)('three hosts', () => {
  let three: Machines;
  let ssh: Ssh;
  let hosts: SshHost[];
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    const value = await work();
    console.log(`${what}: ${Math.round((performance.now() - startedAt) / 100) / 10} s`);
    return value;
  };
  const kubectl = (words: string) => must(hosts[0]!, `kubectl --kubeconfig /etc/kubernetes/admin.conf ${words}`);

  beforeAll(async () => {
    three = await machines(3);
    console.log(`booted: ${Math.round(three.bootMs / 100) / 10} s`);
    ssh = openSsh(three.settings, process.env);
    hosts = three.hosts.map((machine) => ssh.host(machine.target()));
    await timed('prepared', async () => allDone(await many(hosts, 3, (host) => prepare(host, hosts.indexOf(host)))));
  });
  afterAll(async () => {
    await ssh?.close();
    await three?.close();
  });

  it('kubeadm init, and the API server is ready', async () => {
    await hosts[0]!.put('/root/kubeadm.yaml', clusterConfig(three.hosts[0]!.address));
    await timed('init', () => must(hosts[0]!, 'kubeadm init --config /root/kubeadm.yaml --skip-token-print 2>&1'));
    expect(await kubectl('get --raw /readyz')).toBe('ok');
  }, 400_000);

  it('the others join, and every node is Ready', async () => {
    const join = (await must(hosts[0]!, 'kubeadm token create --ttl 1h --print-join-command 2>/dev/null')).trim();
    const words = '--cri-socket unix:///run/containerd/containerd.sock --ignore-preflight-errors=SystemVerification';
    await timed('joins', async () =>
      allDone(await many(hosts.slice(1), 2, (host) => must(host, `${join} ${words} 2>&1`))),
    );
    await kubectl('wait --for=condition=Ready node --all --timeout=120s');
    expect((await kubectl('get nodes -o name')).trim().split('\n')).toHaveLength(3);
  }, 400_000);

  it('a pod runs on a worker', async () => {
    await kubectl('run p --image=registry.k8s.io/pause:3.10.2 --image-pull-policy=Never');
    await kubectl('wait --for=condition=Ready pod/p --timeout=120s');
    expect(await kubectl(`get pod p -o 'jsonpath={.spec.nodeName}'`)).toMatch(/^host-[23]$/);
    await kubectl('-n kube-system rollout status deployment/coredns --timeout=120s');
  }, 200_000);
});
