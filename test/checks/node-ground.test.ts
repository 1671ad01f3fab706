/** Bad ground for a cluster is told before any change; healthy hosts are silent. */
import { describe, expect, it } from 'vitest';
import { judge, nodeProblems, stands } from '../../src/checks/node.js';
import type { Survey } from '../../src/checks/node-check.js';
import {
  adding,
  type Changes,
  cluster,
  cp,
  fresh,
  gpu,
  hosts,
  object,
  problems,
  type Row,
  reached,
  recording,
  replacing,
  surveyOf,
  told,
  viewOf,
  withoutDriver,
} from './node-hosts.js';

const rows: readonly Row[] = [
  [
    'an unknown system',
    () => fresh({ 'host.os': 'ID=arch\nVERSION_ID="2026.11.01"\nPRETTY_NAME="Arch Linux"' }),
    'host.os',
    /Arch Linux/,
    /Debian 12/,
  ],
  [
    'a system too old',
    () => fresh({ 'host.os': 'ID=ubuntu\nVERSION_ID="20.04"\nPRETTY_NAME="Ubuntu 20.04.6 LTS"' }),
    'host.os',
    /20\.04/,
    /22\.04/,
  ],
  [
    '2 GB of disk',
    () => fresh({ rooms: (text) => text.replace(/^(\/\S*) \d+ \d+/gm, '$1 8388608 2097152') }),
    'host.disk',
    /2\.0 GiB free; 5 GiB is the least/,
    /larger disk/,
  ],
  [
    'pods in the network of the hosts',
    () => fresh({}, { podSubnet: '10.0.0.0/16' }),
    'net.ranges',
    /10\.0\.0\.0\/24 \(ens3\) overlaps 10\.0\.0\.0\/16/,
    /podSubnet/,
  ],
  [
    'services in that of Docker',
    () =>
      fresh(
        { routes: adding('172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1') },
        { serviceSubnet: '172.16.0.0/12' },
      ),
    'net.ranges',
    /172\.17\.0\.0\/16 \(docker0\)/,
    /serviceSubnet/,
  ],
  [
    'pods and services in one range',
    () => fresh({}, { podSubnet: '10.96.0.0/16' }),
    'hosts.ranges',
    /10\.96\.0\.0\/16/,
    /apart/,
  ],
  [
    'two control planes to be',
    () => surveyOf([viewOf(hosts.fresh), viewOf({ ...hosts.fresh, name: 'second', address: '10.0.0.21' })]),
    'hosts.control-planes',
    /2 control planes \(fresh, second\): etcd wants 2 of them.*loss of 0, as with 1/,
    /one or three/,
  ],
  [
    '6443 taken',
    () => fresh({ listening: adding('LISTEN 0 4096 *:6443 *:* users:(("k3s-server",pid=901,fd=12))') }),
    'net.ports',
    /6443 \(k3s-server, pid 901\)/,
    /k3s-uninstall/,
  ],
  [
    "another cluster's leftovers",
    () => fresh({ membership: adding('file pki/ca.crt', 'file admin.conf', 'etcd: yes', 'asked') }),
    'host.leftovers',
    /admin\.conf.*etcd|ca\.crt.*etcd/,
    /kubeadm reset/,
  ],
  [
    'a member of a cluster that is gone',
    () =>
      surveyOf([
        viewOf(hosts.gpu, {
          membership: (text) => replacing('answers: 200', 'answers: 000')(text).replace('ours: yes\n', ''),
        }),
      ]),
    'host.leftovers',
    /10\.0\.0\.11:6443/,
    /kubeadm reset/,
  ],
  [
    'a member of another cluster',
    () => gpu({ membership: replacing('ca: 5d0c', 'ca: 77aa') }),
    'hosts.cluster',
    /gpu-1/,
    /kubeadm reset/,
  ],
  [
    'a pod network of old',
    () => fresh({ podNetwork: adding('config 10-calico.conflist', 'asked') }),
    'host.leftovers',
    /10-calico/,
    /net\.d/,
  ],
  [
    'links of a pod network of old',
    () =>
      fresh({ links: adding('7: flannel.1: <BROADCAST> mtu 1450 qdisc noqueue vxlan id 1 local 10.0.0.9 dev ens3') }),
    'host.leftovers',
    /flannel\.1/,
    /ip link del/,
  ],
  [
    'a foreign network comes first',
    () => gpu({ podNetwork: adding('config 05-cilium.conflist') }),
    'cni.config',
    /05-cilium\.conflist comes before/,
    /first by name/,
  ],
  ['swap', () => gpu({ swap: 'on /dev/sda3\nfstab: 1\nasked' }), 'host.swap', /\/dev\/sda3/, /fstab/],
  [
    'behind NAT',
    () => surveyOf([{ ...viewOf(hosts.fresh), given: '203.0.113.7' }]),
    'net.address',
    /203\.0\.113\.7.*NAT; the cluster takes 10\.0\.0\.20/,
    /bastion/,
  ],
  [
    'no forwarding',
    () => gpu({ sysctls: replacing('ip_forward 1', 'ip_forward 0') }),
    'host.sysctl',
    /ip_forward = 0/,
    /read it back/,
  ],
  [
    'a kernel without modules',
    () => fresh({ modules: replacing('br_netfilter there', 'br_netfilter absent') }),
    'host.modules',
    /no br_netfilter/,
    /kernel-modules-extra/,
  ],
  [
    'not run by systemd',
    () => fresh({ 'host.tools': 'has systemctl\nsystemd 255' }),
    'host.systemd',
    /process 1/,
    /boot/,
  ],
  ['one processor', () => fresh({ 'host.cpu': 'CPU(s): 1' }), 'host.size', /1 processor/, /2 processors/],
  [
    'a proxy that takes all',
    () => fresh({ proxies: 'shell https_proxy=http://user:secret@proxy:3128\nasked' }),
    'net.proxy',
    /proxy:3128\).*NO_PROXY lacks 10\.244/,
    /cluster\.local/,
  ],
  [
    'a firewall',
    () => fresh({ firewall: 'firewalld: active\nufw: inactive\nzone   ports: 22/tcp' }),
    'net.firewall',
    /firewalld.*6443/,
    /--add-port=6443/,
  ],
  ['SELinux', () => fresh({ selinux: 'Enforcing' }), 'host.selinux', /container-selinux/, /permissive/],
  [
    'a name that no node may have',
    () => fresh({ identity: replacing('host: fresh', 'host: My_Host') }),
    'host.hostname',
    /My_Host/,
    /lower-case/,
  ],
  ['two runtimes', () => fresh({ sockets: adding('socket k3s') }), 'cri.others', /k3s/, /k3s-uninstall/],
  [
    'a containerd of old',
    () => gpu({ sockets: replacing('v2.3.4', 'v1.6.20') }),
    'cri.version',
    /1\.6\.20/,
    /containerd\.io/,
  ],
  [
    'the wrong flavour',
    () =>
      gpu({
        driver: replacing('UNIX Open Kernel Module for x86_64', 'UNIX x86_64 Kernel Module'),
        'gpu.query': recording('q-x-b300-lost.xml'),
      }),
    'driver.flavour',
    /B300.*open/,
    /nvidia-open/,
  ],
  [
    'a node is not Ready',
    () =>
      cp(
        object('Node', 'gpu-1', (node) => {
          Object.assign(node.status.conditions[3], {
            status: 'Unknown',
            reason: 'NodeStatusUnknown',
            message: 'Kubelet stopped posting node status.',
          });
        }),
      ),
    'k8s.nodes',
    /gpu-1 \(NodeStatusUnknown/,
    /kubelet of that host/,
  ],
  [
    'the API server is not ready',
    () => cp({ api: '[-]etcd failed: reason withheld\nversion: ' }),
    'k8s.api',
    /etcd failed/,
    /crictl/,
  ],
  [
    'a kubelet newer than its API server',
    () =>
      cp(
        object('Node', 'gpu-1', (node) => {
          node.status.nodeInfo.kubeletVersion = 'v1.37.1';
        }),
      ),
    'k8s.skew',
    /gpu-1 1\.37\.1/,
    /control plane first/,
  ],
  [
    'fewer GPUs offered',
    () =>
      cp(
        object('Node', 'gpu-1', (node) => {
          node.status.allocatable['nvidia.com/gpu'] = '1';
        }),
      ),
    'k8s.gpu-count',
    /gpu-1 1\/2/,
    /unhealthy/,
  ],
  [
    'a pod of the system in trouble',
    () =>
      cp(
        object('Pod', 'kube-flannel', (pod) => {
          pod.status.containerStatuses[0].state = { waiting: { reason: 'ImagePullBackOff' } };
        }),
      ),
    'k8s.pods',
    /kube-flannel.*ImagePullBackOff/,
    /mirrors/,
  ],
  [
    'no storage class',
    () =>
      cp(
        object('StorageClass', 'local-path', (one) => {
          one.kind = 'Gone';
        }),
      ),
    'k8s.storage-class',
    /Pending/,
    /local-path/,
  ],
  [
    'the kubelet is down',
    () =>
      gpu({
        kubelet: replacing('active: active', 'active: failed'),
        journal: 'kubelet: failed to run Kubelet: running with swap on is not supported\ncontainerd: another',
      }),
    'kubelet.running',
    /swap on is not supported/,
    /journalctl/,
  ],
  [
    'containerd is down',
    () => gpu({ sockets: replacing('active: active', 'active: failed'), containerd: undefined }),
    'cri.running',
    /does not run/,
    /journalctl/,
  ],
  [
    'an old Ceph cluster on the disks',
    () => surveyOf([{ ...viewOf(hosts.fresh, { leftovers: 'ceph sdb\nasked' }), roles: ['storage'] }]),
    'host.ceph-leftovers',
    /\/dev\/sdb/,
    /zap-all/,
  ],
];

describe('bad ground', () => told(rows));

const found = (survey: Survey, id: string) => problems(survey).filter(({ check }) => check.id === id);

it('no sudo: in the words of who refused', () => {
  const view = viewOf(hosts.fresh);
  const survey = surveyOf([{ ...view, facts: { ...view.facts, root: 'sudo: a password is required' } }]);
  const [one] = found(survey, 'host.sudo');
  expect(one?.verdict).toMatchObject({
    state: 'problem',
    found: { en: 'No way to root: sudo: a password is required' },
  });
});

it('a host that cannot be reached is told, and nothing is claimed of it', () => {
  const unreachable = { id: 'ssh.timeout', text: { en: 'a: it does not answer in time.', zh: 'a' } };
  const survey = surveyOf([{ name: 'a', roles: ['worker'], facts: { host: { usable: {} } }, unreachable }]);
  expect(problems(survey).map(({ check }) => check.id)).toEqual(['host.reach']);
});

it('a wide route to the outside is worth knowing, no fault', () => {
  const wide = fresh({ routes: adding('10.0.0.0/8 via 10.0.0.254 dev ens3') });
  expect(found(wide, 'net.ranges').map((one) => stands(one))).toEqual(['warned']);
});

it("a registry's certificate says nothing of the API server", () => {
  const pull = 'kubelet: E1124 Failed to pull image "r.example/a": tls: x509: certificate signed by unknown authority';
  expect(
    found(gpu({ journal: `${pull}\ncontainerd: x509: certificate signed by unknown authority` }), 'kubelet.trust'),
  ).toEqual([]);
});

describe('a firewall that lets pods in', () => {
  it.each([
    [
      'firewalld',
      'firewalld: active\nufw: inactive\ntrusted trusted (active)\ntrusted   sources: 10.0.0.11 10.0.0.12 10.244.0.0/16 10.96.0.0/12',
    ],
    [
      'ufw',
      'firewalld: inactive\nufw: active\nufw Status: active\nufw Anywhere                   ALLOW       10.244.0.0/16             ',
    ],
    [
      'ufw, by its ports',
      'firewalld: inactive\nufw: active\nufw Status: active\nufw 6443/tcp ALLOW Anywhere\nufw 10250/tcp ALLOW Anywhere\nufw 8472/udp ALLOW Anywhere',
    ],
  ])('%s', (_, text) => {
    expect(problems(cluster({ cp: { firewall: text }, gpu: { firewall: text } }))).toEqual([]);
  });
});

describe('healthy recordings', () => {
  it('a cluster of a control plane and a GPU worker is silent', () => {
    expect(problems(cluster())).toEqual([]);
    expect(problems(reached(cluster(), { host: true, pods: true }))).toEqual([]);
  });

  it('and everything in it is known', () => {
    const dark = judge(cluster()).filter(
      ({ verdict }) => verdict.state === 'skipped' && verdict.why.en === 'not known',
    );
    expect(dark.map(({ check }) => check.id)).toEqual([]);
  });

  it('of a fresh host only what an install brings about is told', () => {
    const survey = surveyOf([viewOf(hosts.fresh)]);
    expect(problems(survey).map(({ check, verdict }) => [check.id, verdict.byInit])).toEqual([
      ['host.programs', true],
      ['host.modules', true],
      ['host.sysctl', true],
    ]);
    expect(nodeProblems(survey)).toEqual([]);
  });
});

describe('the preflight of an install', () => {
  const ids = (survey: Survey) => nodeProblems(survey).map(({ check }) => check.id);

  it('stops at what it cannot mend', () => {
    expect(ids(fresh({ 'host.cgroup': 'type: tmpfs' }))).toEqual(['host.cgroup2']);
    expect(ids(fresh({ 'host.cgroup': 'type: tmpfs' }, { allowCgroupV1: true }))).toEqual([]);
  });

  it('advises nothing that is set already', () => {
    const told = (wanted: object) =>
      judge(fresh({ 'host.cgroup': 'type: tmpfs' }, wanted)).find(({ check }) => check.id === 'host.cgroup2')!.verdict;
    expect(told({})).toMatchObject({ hint: { en: expect.stringContaining('allowCgroupV1: true') } });
    const allowed = told({ allowCgroupV1: true });
    expect(allowed).toMatchObject({ severity: 'warn', hint: { en: expect.stringContaining('reboot') } });
    expect(JSON.stringify(allowed)).not.toMatch(/allowCgroupV1: true|does not start/);
  });

  it('opens firewalld and ufw by itself, not what stands in between', () => {
    const closed = (firewall: string) =>
      reached(surveyOf([viewOf(hosts.cp, { firewall }), viewOf({ ...hosts.fresh, roles: ['worker'] }, { firewall })]), {
        host: false,
        pods: true,
      });
    expect(ids(closed('firewalld: active\nufw: inactive'))).toEqual([]);
    expect(ids(closed('firewalld: inactive\nufw: active\nufw Status: active'))).toEqual([]);
    expect(ids(closed('firewalld: inactive\nufw: inactive'))).toEqual(['net.peers', 'net.peers']);
    expect(ids(closed('firewalld: inactive\nufw: inactive\n-P INPUT DROP'))).toEqual(['net.peers', 'net.peers']);
  });

  it('goes on where it mends', () => {
    expect(ids(fresh({ swap: 'on /dev/sda3\nfstab: 1\nasked' }))).toEqual([]);
    expect(ids(gpu({ ...withoutDriver }))).toContain('gpu.driver-missing');
    expect(ids(gpu({ ...withoutDriver }, { driver: 'install' }))).not.toContain('gpu.driver-missing');
  });

  it.each<[string, Changes, string]>([
    ['nouveau has the boards', { 'host.pci': '0000:0a:00.0 0x2335 0x030200 nouveau' }, 'gpu.nouveau'],
    [
      'a driver half installed',
      { driver: 'release: 6.8.0-87-generic\ndisk: \nsigner: \ndkms nvidia/580.95.05: added' },
      'driver.built',
    ],
  ])('installs the driver where %s', (_, changes, id) => {
    expect(ids(gpu({ ...withoutDriver, ...changes }))).toContain(id);
    expect(ids(gpu({ ...withoutDriver, ...changes }, { driver: 'install' }))).toEqual([]);
  });

  it('what we made, or began to, is no leftover; what others made is', () => {
    const half = { membership: adding('file pki/ca.crt', 'file manifests/etcd.yaml', 'etcd: yes', 'asked') };
    expect(ids(fresh(half))).toEqual(['host.leftovers']);
    expect(ids(fresh({ membership: (text) => half.membership(`ours: yes\n${text}`) }))).toEqual([]);
    const theirs = { membership: (text: string) => text.replace('ours: yes\n', '') };
    expect(ids(cluster({ cp: theirs, gpu: theirs }))).toEqual(['host.leftovers', 'host.leftovers']);
    expect(problems(cluster({ cp: theirs, gpu: theirs }))).toEqual([]);
  });

  it('asks nothing of a cluster that only a finished one has', () => {
    expect(ids(gpu({ podNetwork: replacing('subnet\n', '') }))).toEqual([]);
    expect(ids(cp({ api: '[-]etcd failed\nversion: ' }))).toEqual([]);
  });
});

it('what fails and what is worth knowing are told apart', () => {
  const states = new Map(
    judge(gpu({ toolkit: replacing('mode = "auto"', 'mode = "legacy"'), swap: 'on /a\nfstab: 0\nasked' })).map(
      (one) => [`${one.host}:${one.check.id}`, stands(one)],
    ),
  );
  expect(states.get('gpu-1:cri.cdi')).toBe('warned');
  expect(states.get('gpu-1:host.swap')).toBe('failed');
  expect(states.get('cp-1:host.swap')).toBe('ok');
});
