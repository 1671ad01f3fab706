/** A cluster that init made of bare hosts: doctor finds it well, and says what is broken in it afterwards. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { sh } from '../hosts-contract/contract.js';
import { partsFor } from '../kube/control-plane.js';
import { cli } from './cli.js';
import { type Doctor, doctorHere, machineLine, type Said } from './doctor.js';
import { giveGpus } from './gpu.js';
import { keptKernel, type Machines, machines } from './machines.js';
import { type Mirror, mirror } from './mirror.js';

const parts = partsFor('no cluster was looked at', 'packages');

const kubectl = 'kubectl --kubeconfig /etc/kubernetes/admin.conf';

interface Break {
  readonly what: string;
  readonly on: 1 | 2;
  readonly break: string;
  readonly mend: string;
  readonly says: Readonly<Record<string, RegExp>>;
}

const breaks: readonly Break[] = [
  {
    what: 'UDP 8472 is dropped: the hosts reach one another, their pods do not',
    on: 2,
    break: 'iptables -w -I INPUT -p udp --dport 8472 -j DROP',
    mend: 'iptables -w -D INPUT -p udp --dport 8472 -j DROP',
    says: {
      'host-1:cni.overlay': /host-2 .*though the hosts reach one another/,
      'host-2:cni.overlay': /host-1 .*though the hosts reach one another/,
    },
  },
  {
    what: 'a program of the pod network is gone',
    on: 2,
    break: 'mv /opt/cni/bin/portmap /root/',
    mend: 'mv /root/portmap /opt/cni/bin/',
    says: { 'host-2:cni.plugins': /portmap/ },
  },
  {
    what: "flannel's part of the range is not there",
    on: 2,
    break: 'mv /run/flannel/subnet.env /root/',
    mend: 'mv /root/subnet.env /run/flannel/',
    says: { 'host-2:cni.subnet': /subnet\.env/ },
  },
  {
    what: 'a foreign network comes first',
    on: 1,
    break: 'echo "{}" >/etc/cni/net.d/00-other.conflist',
    // containerd sees the change by itself; the node is Ready again a little later.
    mend: 'rm /etc/cni/net.d/00-other.conflist && sleep 20',
    says: { 'host-1:cni.config': /00-other\.conflist comes before 10-flannel/ },
  },
  {
    what: 'the kubelet and the runtime disagree about control groups',
    on: 2,
    break: 'sed -i.test "s/^cgroupDriver: .*/cgroupDriver: systemd/" /var/lib/kubelet/config.yaml',
    mend: 'mv /var/lib/kubelet/config.yaml.test /var/lib/kubelet/config.yaml',
    says: { 'host-2:cri.systemd-cgroup': /kubelet: systemd; not so the runtimes/ },
  },
  {
    what: 'the kubelet is stopped',
    on: 2,
    break: 'systemctl stop kubelet',
    mend: `systemctl start kubelet`,
    says: { 'host-2:kubelet.running': /does not run/ },
  },
  {
    what: 'no node is meant for the device plugin',
    on: 1,
    break: `${kubectl} label node host-2 nvidia.com/gpu.present- && sleep 8`,
    mend: `${kubectl} label node host-2 nvidia.com/gpu.present=true`,
    says: { ':k8s.gpu-plugin': /DESIRED 0/ },
  },
];

describe.skipIf(!parts)('a cluster of two', () => {
  let two: Machines;
  let from: Mirror;
  let ssh: Ssh;
  let hosts: readonly SshHost[];
  let doctor: Doctor;
  const folder = mkdtempSync(`${tmpdir()}/dd-doctor-`);
  const putBack = keptKernel();

  const must = async (on: 1 | 2, script: string): Promise<string> => {
    const { code, stdout, stderr } = await hosts[on - 1]!.run({ ...sh(script), timeoutMs: 120_000 });
    if (code !== 0) throw new Error(`host-${on}: ${script}: ${code}\n${stdout}\n${stderr}`);
    return stdout.trim();
  };
  const lines = (): string[] =>
    two.hosts.map((machine, at) => machineLine(machine, at === 0 ? 'control-plane' : 'worker'));
  const look = (): Promise<Said> => doctor.look(lines());

  beforeAll(async () => {
    doctor = doctorHere();
    two = await machines(2);
    ssh = openSsh(two.settings, process.env);
    hosts = two.hosts.map((machine) => ssh.host(machine.target()));
    await giveGpus(hosts[1]!);
    const bridge = two.hosts[0]!.address.replace(/\d+$/, '1');
    from = await mirror(bridge, parts!);
    const { address, fingerprint } = from;
    writeFileSync(
      `${folder}/deepseek.yaml`,
      `version: 1
target: kubernetes
kubernetes: {allowCgroupV1: true, docker: false, storage: none}
mirrors:
  docker: ${address}/docker
  kubernetes: ${address}/kubernetes
  toolkit: ${address}/toolkit
  keys: {docker: ${fingerprint}, kubernetes: ${fingerprint}, toolkit: ${fingerprint}}
  registries: {registry.k8s.io: ["${address}"], ghcr.io: ["${address}"], nvcr.io: ["${address}"]}
hosts:
  acceptNewHostKeys: true
  machines:
${lines().join('\n')}
`,
    );
    const { code, text, ms } = await cli(`${process.cwd()}/src/main.ts`, folder)('init --yes');
    console.log(`init: ${Math.round(ms / 100) / 10} s`);
    if (code !== 0) throw new Error(text);
  }, 900_000);

  afterAll(async () => {
    await ssh?.close();
    await from?.close();
    await two?.close();
    doctor?.close();
    rmSync(folder, { recursive: true, force: true });
    putBack();
  });

  it('is well', async () => {
    const { exit, failed } = await look();
    expect({ exit, failed }).toEqual({ exit: 0, failed: {} });
  });

  it.each(breaks)('$what', async ({ on, break: broken, mend, says }) => {
    await must(on, broken);
    try {
      const { exit, failed } = await look();
      expect(exit).toBe(1);
      const expected = Object.entries(says).map(([id, text]) => [id, expect.stringMatching(text)]);
      expect(failed).toMatchObject(Object.fromEntries(expected));
    } finally {
      await must(on, mend);
    }
  });

  it('a resolver of the hosts that leads CoreDNS to itself', async () => {
    const restart = `${kubectl} -n kube-system delete pod -l k8s-app=kube-dns --wait=false`;
    for (const on of [1, 2] as const)
      await must(on, 'cp /etc/resolv.conf /root/ && echo nameserver 127.0.0.1 >/etc/resolv.conf');
    try {
      await must(
        1,
        `${restart} && for i in $(seq 60); do ${kubectl} -n kube-system logs -l k8s-app=kube-dns 2>/dev/null | grep -q detected && break; sleep 1; done`,
      );
      const { failed } = await look();
      expect(failed).toMatchObject({
        ':k8s.dns': expect.stringMatching(/Loop/),
        'host-1:net.resolver': expect.any(String),
      });
    } finally {
      for (const on of [1, 2] as const) await must(on, 'cp /root/resolv.conf /etc/resolv.conf');
      await must(1, restart);
    }
  });
});
