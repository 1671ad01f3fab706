/** Real hosts, broken for real: doctor says what is wrong, over ssh, and says nothing once it is mended. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { sh } from '../hosts-contract/contract.js';
import { type Doctor, doctorHere, machineLine, type Said } from './doctor.js';
import { type Machines, machines, newTraces } from './machines.js';

let two: Machines;
let ssh: Ssh;
let first: SshHost;
let second: SshHost;

async function must(host: SshHost, script: string): Promise<string> {
  const result = await host.run({ ...sh(script), timeoutMs: 120_000 });
  if (result.code !== 0) throw new Error(`${host.name}: ${script}: ${result.code}\n${result.stdout}\n${result.stderr}`);
  return result.stdout.trim();
}

let doctor: Doctor;

const both = (): Promise<Said> =>
  doctor.look([machineLine(two.hosts[0]!, 'control-plane'), machineLine(two.hosts[1]!, 'worker')]);

beforeAll(async () => {
  doctor = doctorHere();
  two = await machines(2);
  ssh = openSsh(two.settings, process.env);
  [first, second] = two.hosts.map((machine) => ssh.host(machine.target())) as [SshHost, SshHost];
});

afterAll(async () => {
  await ssh?.close();
  await two?.close();
  doctor?.close();
  expect(newTraces()).toEqual([]);
});

describe('two fresh hosts', () => {
  it('nothing stands against them', async () => {
    const said = await both();
    expect(said).toMatchObject({ exit: 0, failed: {}, warned: { 'host-1:host.cgroup2': expect.any(String) } });
    expect(said.forInit).toContain('host-1:host.programs');
  });

  it('in few lines', async () => {
    const startedAt = performance.now();
    await both();
    console.log(`doctor over ssh, two hosts: ${Math.round((performance.now() - startedAt) / 100) / 10} s`);
  });
});

/** What is done to which host, how it is undone, and what must be found there: real commands, real programs. */
interface Break {
  readonly what: string;
  readonly on: 1 | 2;
  readonly break: string;
  readonly mend: string;
  /** It fails no more than that `init` sees to it. */
  readonly init?: true;
  readonly says: Readonly<Record<string, RegExp>>;
}

const breaks: readonly Break[] = [
  {
    what: 'port 6443 is taken',
    on: 1,
    break: 'systemd-run -q --unit=taken systemd-socket-activate -l 6443 /bin/cat',
    mend: 'systemctl stop taken',
    says: { 'host-1:net.ports': /6443 \(systemd-socket/ },
  },
  {
    what: "another cluster's leftovers",
    on: 1,
    break:
      'mkdir -p /etc/kubernetes/pki /var/lib/etcd/member && touch /etc/kubernetes/admin.conf /etc/kubernetes/pki/ca.crt',
    mend: 'rm -rf /etc/kubernetes /var/lib/etcd',
    says: { 'host-1:host.leftovers': /admin\.conf.*etcd/ },
  },
  {
    what: 'a stale package source',
    on: 2,
    break: 'echo "deb https://apt.kubernetes.io/ kubernetes-xenial main" >/etc/apt/sources.list.d/kubernetes.list',
    mend: 'rm /etc/apt/sources.list.d/kubernetes.list',
    says: { 'host-2:packages.sources': /kubernetes\.list/ },
  },
  {
    what: 'a source with two keys, which apt itself refuses',
    on: 2,
    break: `for n in a b; do echo "deb [signed-by=/usr/share/keyrings/$n.gpg] http://pkgs.example/deb /" >/etc/apt/sources.list.d/$n.list; done
apt-get update 2>&1 | grep -q "Conflicting values set for option Signed-By"`,
    mend: 'rm /etc/apt/sources.list.d/a.list /etc/apt/sources.list.d/b.list',
    says: { 'host-2:packages.sources': /Signed-By.*a\.list, .*b\.list/ },
  },
  {
    what: 'a package that was half installed, which the next install mends',
    on: 2,
    init: true,
    break:
      'cd /root && apt-get update -qq && apt-get download -qq socat && { dpkg --unpack socat*.deb >/dev/null 2>&1; true; }',
    mend: 'dpkg --purge --force-all socat >/dev/null 2>&1; rm -f /root/socat*.deb',
    says: { 'host-2:packages.broken': /socat/ },
  },
  {
    what: 'a network in the range of the pods',
    on: 1,
    break: 'ip route add 10.244.7.0/24 dev host0',
    mend: 'ip route del 10.244.7.0/24',
    says: { 'host-1:net.ranges': /10\.244\.7\.0\/24 \(host0\)/ },
  },
  {
    what: '2 GB of disk',
    on: 1,
    break: 'mkdir -p /var/lib/containerd && mount -t tmpfs -o size=2G tmpfs /var/lib/containerd',
    mend: 'umount /var/lib/containerd',
    says: { 'host-1:host.disk': /2\.0 GiB free/ },
  },
  {
    what: 'a resolver that asks itself',
    on: 1,
    break: 'cp /etc/resolv.conf /root/resolv.conf && echo nameserver 127.0.0.53 >/etc/resolv.conf',
    mend: 'cp /root/resolv.conf /etc/resolv.conf',
    says: { 'host-1:net.resolver': /127\.0\.0\.53.*loop/ },
  },
  {
    what: 'a firewall that drops',
    on: 2,
    break: 'iptables -A INPUT -p tcp --dport 10250 -j DROP',
    mend: 'iptables -D INPUT -p tcp --dport 10250 -j DROP',
    says: { 'host-1:net.peers': /host-2 \(10\.77\./ },
  },
  {
    what: 'twins by name',
    on: 2,
    break: 'hostname host-1',
    mend: 'hostname host-2',
    says: { ':hosts.hostname': /host-1, host-2 have one host name: host-1/ },
  },
];

describe('broken for real', () => {
  it.each(breaks)('$what', async ({ on, break: broken, mend, says, init }) => {
    const host = on === 1 ? first : second;
    await must(host, broken);
    try {
      const { exit, failed, forInit } = await both();
      if (init) {
        expect(forInit).toEqual(expect.arrayContaining(Object.keys(says)));
        return;
      }
      expect(exit).toBe(1);
      expect(failed).toEqual(
        Object.fromEntries(Object.entries(says).map(([id, text]) => [id, expect.stringMatching(text)])),
      );
    } finally {
      await must(host, mend);
    }
  });

  it('twins by machine-id', async () => {
    const [one, other] = [await must(first, 'cat /etc/machine-id'), await must(second, 'cat /etc/machine-id')];
    await must(second, `echo ${one} >/etc/machine-id`);
    try {
      expect((await both()).failed).toEqual({ ':hosts.machine-id': expect.stringContaining(one) });
    } finally {
      await must(second, `echo ${other} >/etc/machine-id`);
    }
  });

  it('pods do not reach out, and swap comes back at the next boot: init sees to both', async () => {
    await must(
      second,
      'sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.ipv4.ip_forward=0 && echo "/dev/sdz none swap sw 0 0" >>/etc/fstab',
    );
    try {
      const { exit, failed, forInit } = await both();
      expect({ exit, failed }).toEqual({ exit: 0, failed: {} });
      expect(forInit).toEqual(expect.arrayContaining(['host-2:host.sysctl', 'host-2:host.swap']));
    } finally {
      await must(
        second,
        'sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.ipv4.ip_forward=1 && sed -i /swap/d /etc/fstab',
      );
    }
  });

  it('the lock of apt, held by a program', async () => {
    const held = `open(F,q(+<),q(/var/lib/dpkg/lock-frontend)) or die; my $l=pack(q(s s l! l! i),F_WRLCK,0,0,0,0); fcntl(F,F_SETLK,$l) or die; sleep 600`;
    await must(second, `systemd-run -q --unit=locker perl -e 'use Fcntl; ${held}' && sleep 1`);
    try {
      expect((await both()).forInit).toContain('host-2:packages.lock');
    } finally {
      await must(second, 'systemctl stop locker');
    }
  });

  it('containerd with the CRI disabled, as its package brings it', async () => {
    await must(
      second,
      'DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends containerd >/dev/null 2>&1',
    );
    await must(
      second,
      `echo 'disabled_plugins = ["cri"]' >/etc/containerd/config.toml && systemctl restart containerd`,
    );
    const { failed, warned, forInit } = await both();
    expect(failed).toEqual({});
    expect(forInit).toContain('host-2:cri.enabled');
    expect(warned['host-2:cri.version']).toMatch(/containerd 1\.6\./);
  });
});

describe('hosts that cannot be asked', () => {
  it('no sudo: told, and the rest of what can be seen is looked at', async () => {
    const { exit, failed } = await doctor.look([
      machineLine(two.hosts[0]!, 'control-plane', 'stranger'),
      machineLine(two.hosts[1]!, 'worker'),
    ]);
    expect(exit).toBe(1);
    expect(failed).toEqual({ 'host-1:host.sudo': expect.stringContaining('password') });
  });

  it('one that is not there does not keep the other from being looked at', async () => {
    const third = `    host-9: {address: ${two.hosts[0]!.address.replace(/\d+$/, '99')}, user: root}`;
    const { exit, failed, forInit } = await doctor.look([machineLine(two.hosts[0]!, 'control-plane'), third]);
    expect(exit).toBe(1);
    expect(Object.keys(failed)).toEqual(['host-9:host.reach']);
    expect(forInit).toContain('host-1:host.programs');
  });
});
