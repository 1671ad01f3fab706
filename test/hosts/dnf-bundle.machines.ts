/**
 * Two hosts with a real dnf: one that has a network makes a bundle for its kind, one that has none becomes a cluster from
 * it. As in dnf.machines.ts the userland is Debian's, with neither SELinux nor RHEL's kernel.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { kubectl } from '../../src/steps/at-node.js';
import { sh } from '../hosts-contract/contract.js';
import { partsFor } from '../kube/control-plane.js';
import { cli, type Told } from './cli.js';
import { keptKernel, type Machine, type Machines, machines } from './machines.js';
import { type Mirror, mirror } from './mirror.js';
import { asRocky, must } from './rhel.js';

const parts = partsFor('no bundle of rpms was made', 'rpms');

// $1: the mirror. A repository that goes before all others, with a package that nobody has signed.
const unsigned = `printf '[bad]\\nname=bad\\nbaseurl=%s/bad/unsigned/\\ngpgcheck=1\\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-Rocky-9\\npriority=1\\n' "$1" >/etc/yum.repos.d/bad.repo`;

/** The program as it is published, with Node.js, on a host's own disk. */
function bring({ leader }: Machine): void {
  const root = `/proc/${leader}/root`;
  const to = `${root}/opt/deepseek-deploy`;
  mkdirSync(to, { recursive: true });
  copyFileSync(process.execPath, `${root}/usr/local/bin/node`);
  for (const name of ['bin', 'templates', 'package.json']) cpSync(name, `${to}/${name}`, { recursive: true });
  const sources = execFileSync('find', ['src', '-name', '*.ts'], { encoding: 'utf8' }).trim().split('\n');
  execFileSync('node_modules/.bin/esbuild', [...sources, `--outdir=${to}/dist`, '--format=esm', '--log-level=error']);
  const words = ['ls', '--omit=dev', '--all', '--parseable'];
  const modules = execFileSync('npm', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  for (const module of modules.split('\n').slice(1)) {
    const path = module.slice(process.cwd().length);
    cpSync(module, to + path, { recursive: true });
  }
}

const within = ({ leader }: Machine, ...words: string[]): string =>
  execFileSync('nsenter', ['-t', String(leader), '-n', 'iptables', ...words], { encoding: 'utf8' });

/** What a host sends beyond its network is refused, and counted where it is the web's. */
function cutOff(machine: Machine): void {
  const { address } = machine;
  const away = ['-o', 'host0', '!', '-d', address.replace(/\d+$/, '0/24')];
  for (const chain of ['OUTPUT', 'FORWARD']) within(machine, '-I', chain, '1', ...away, '-j', 'REJECT');
  within(machine, '-I', 'OUTPUT', '1', ...away, '-p', 'tcp', '-m', 'multiport', '--dports', '80,443', '-j', 'REJECT');
}

/** Packets to the web that were refused. */
const tried = (machine: Machine): string =>
  /^ *(\d+) .*multiport dports 80,443/m.exec(within(machine, '-nvxL', 'OUTPUT'))![1]!;

describe.skipIf(!parts)('a host with dnf and without a network', () => {
  let two: Machines;
  let ssh: Ssh;
  let connected: SshHost;
  let bare: SshHost;
  let folder: string;
  let type: ReturnType<typeof cli>;
  let key: string;
  const putBack = keptKernel();

  /** @param identity a line's end that says which key opens the host; the machine that makes a bundle has none */
  const configuration = (
    mirrors: string,
    identity = `, identityFile: ${two.hosts[1]!.target().identityFile}`,
  ): string => {
    const { name, address } = two.hosts[1]!;
    return `version: 1
target: kubernetes
kubernetes: {allowCgroupV1: true, docker: false, storage: none}
${mirrors}
hosts:
  machines:
    ${name}: {address: ${address}, user: free, roles: [control-plane, worker]${identity}}
`;
  };
  const well = (told: Told, what: string): void => {
    console.log(`${what}: ${(told.ms / 1000).toFixed(1)} s`);
    expect(told.code, `${what}:\n${told.text}`).toBe(0);
  };

  beforeAll(async () => {
    two = await machines(2, 'rhel');
    ssh = openSsh(two.settings, process.env);
    [connected, bare] = two.hosts.map((machine) => ssh.host(machine.target())) as [SshHost, SshHost];
    folder = mkdtempSync(`${tmpdir()}/dd-dnf-bundle-`);
    type = cli(`${process.cwd()}/src/main.ts`, folder);
  });
  afterAll(async () => {
    await ssh?.close();
    await two?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
    putBack();
  });

  it('a machine of another system makes no such bundle', async () => {
    writeFileSync(`${folder}/deepseek.yaml`, configuration(''));
    const refused = await type('bundle create --os rhel9 --no-gpu');
    expect([refused.code, refused.text]).toEqual([3, expect.stringMatching(/lacks dnf|this one runs Debian/)]);
  });

  it('one of the same system makes it, whatever it has itself, from its own repositories', async () => {
    bring(two.hosts[0]!);
    const from: Mirror = await mirror(two.hosts[0]!.address.replace(/\d+$/, '1'), parts!);
    try {
      const { address, fingerprint } = from;
      await asRocky(connected, address);
      await asRocky(bare, address);
      // As Rocky's own files have it: addresses with variables of theirs. And something that is there already.
      await must(
        connected,
        `echo appstream >/etc/dnf/vars/contentdir; sed -i 's!/appstream$!/$contentdir!' /etc/yum.repos.d/rocky.repo
dnf install -y -q socat >/dev/null`,
      );
      const keys = `keys: {docker: ${fingerprint}, kubernetes: ${fingerprint}}`;
      const registries = `registries: {registry.k8s.io: ["${address}"], ghcr.io: ["${address}"]}`;
      const mirrors = `mirrors: {docker: "${address}/docker", kubernetes: "${address}/kubernetes", ${keys}, ${registries}}`;
      await connected.put('/root/deepseek.yaml', configuration(mirrors, ''), { mode: 0o644 });
      const line =
        'cd /root && node /opt/deepseek-deploy/bin/deepseek-deploy.js bundle create --os rhel9 --no-gpu --json';
      await must(connected, unsigned, address);
      const refused = await connected.run({ ...sh(line), timeoutMs: 300_000 });
      expect([refused.code, refused.stderr]).toEqual([6, expect.stringContaining('is not signed')]);
      await must(connected, 'rm /etc/yum.repos.d/bad.repo');
      const startedAt = performance.now();
      const made = await connected.run({ ...sh(line), timeoutMs: 300_000 });
      console.log(`bundle create: ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n${made.stdout}`);
      expect(made.code, made.stdout + made.stderr).toBe(0);
      const told = JSON.parse(made.stdout) as { key: string; systems: { id: string; packages: number }[] };
      key = told.key;
      expect(told.systems).toMatchObject([{ id: 'rhel9-amd64' }]);
    } finally {
      await from.close();
    }
    copyFileSync(`/proc/${two.hosts[0]!.leader}/root/root/deepseek.bundle`, `${folder}/rhel9.bundle`);
    cutOff(two.hosts[1]!);
  }, 600_000);

  it('becomes a cluster from it, with no other repository asked', async () => {
    writeFileSync(`${folder}/deepseek.yaml`, configuration(''));
    const made = await type(`init --yes --accept-new-host-keys --bundle rhel9.bundle --bundle-key ${key}`);
    console.log(made.text);
    well(made, 'init');
    expect((await bare.run(kubectl(['get', 'nodes', '--no-headers']))).stdout).toMatch(/ Ready /);
    expect(tried(two.hosts[1]!)).toBe('0');
    const origins = `dnf -q list installed containerd.io kubelet socat conntrack-tools container-selinux | awk '{print $3}' | grep -v '^Packages$' | sort -u`;
    expect(await must(bare, origins)).toBe('@deepseek-deploy-bundle');
    const again = await type('init --yes');
    well(again, 'again');
    expect(again.text).toContain('Nothing to change.');
  }, 600_000);

  it('and a reset takes the bundle away, in what dnf remembers too', async () => {
    well(await type('reset --cluster default --yes'), 'reset');
    const left = "find / -xdev -name '*deepseek-deploy*' -not -path '/proc/*' -not -path '/var/lib/deepseek-deploy*'";
    expect(await must(bare, left)).toBe('');
  }, 300_000);
});
