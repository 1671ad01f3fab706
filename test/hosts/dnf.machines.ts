/**
 * Two bare hosts with a real dnf, rpm and firewalld, one a Rocky Linux 9 to them and one a 10: packages come through dnf
 * out of signed repositories, and a cluster stands on them. What else RHEL does of its own is not shown here: SELinux, its
 * kernel and modules, its builds of systemd and of the programs; the userland is Debian's.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import type { Distribution } from '../../src/install/distribution.js';
import { driverPackages, toolkitPackages } from '../../src/install/nvidia.js';
import { install, installFailed, type Package } from '../../src/install/packages.js';
import { fetchKey, refresh, sourceFile, sourceText } from '../../src/install/repositories.js';
import { type Repository, type RepositoryName, repositoryOf, sourcesOf } from '../../src/install/sources.js';
import { allDone, many } from '../../src/plan/many.js';
import { sh } from '../hosts-contract/contract.js';
import { partsFor } from '../kube/control-plane.js';
import { cli, type Told } from './cli.js';
import { keptKernel, type Machines, machines } from './machines.js';
import { type Mirror, mirror } from './mirror.js';
import { asRocky, asRocky10, must } from './rhel.js';

const parts = partsFor('no dnf was asked', 'rpms');

// As old instructions have it: nothing is kept out of upgrades. $1: the mirror.
const oldFiles = `printf '[docker-ce-stable]\\nname=Docker\\nbaseurl=%s/docker/linux/centos/$releasever/$basearch/stable\\ngpgcheck=0\\n' "$1" >/etc/yum.repos.d/docker-ce.repo
printf '[kubernetes]\\nname=Kubernetes\\nbaseurl=%s/kubernetes/v1.36/rpm/\\ngpgcheck=0\\n' "$1" >/etc/yum.repos.d/kubernetes.repo`;

const versionsScript = `rpm -q --qf '%{NAME} %{VERSION}\\n' containerd.io kubelet kubeadm kubectl cri-tools kubernetes-cni`;
const pinned = `containerd.io 2.3.4
kubelet 1.36.4
kubeadm 1.36.4
kubectl 1.36.4
cri-tools 1.36.0
kubernetes-cni 1.8.0`;

// A podman that needs runc, as they are on hosts where people run containers.
const stubs = `mkdir -p /srv/stubs && cd /srv/stubs
for name in runc podman; do
  printf 'Name: %s\\nVersion: 1\\nRelease: 1\\nSummary: x\\nLicense: x\\nAutoReqProv: no\\n' $name >$name.spec
  [ $name = runc ] || echo 'Requires: runc' >>$name.spec
  printf '%%description\\nx\\n%%files\\n' >>$name.spec
  rpmbuild -bb --quiet --define "_topdir $PWD" --define "_rpmdir $PWD" --define '_rpmfilename %{NAME}.rpm' $name.spec
done
dnf -y -q --disablerepo='*' --nogpgcheck install ./runc.rpm ./podman.rpm`;

// What a reset may not leave.
const leftScript = `rpm -qa --qf '%{NAME}\\n' | grep -xE 'kube.*|cri-tools|containerd.io'
rpm -q gpg-pubkey --qf '%{SUMMARY}\\n' | grep vendor
find / -xdev -name '*deepseek-deploy*' -not -path '/proc/*' -not -path '/var/lib/deepseek-deploy*'
firewall-cmd --zone=trusted --list-sources | grep .
firewall-cmd --permanent --zone=trusted --list-sources | grep .
ps -eo comm= | grep -E '^(kubelet|containerd|etcd|kube-.*|flanneld)$'
exit 0`;

describe.skipIf(!parts)('two hosts with dnf', () => {
  let two: Machines;
  let from: Mirror;
  let ssh: Ssh;
  let hosts: [SshHost, SshHost];
  let folder: string;
  let type: ReturnType<typeof cli>;
  const putBack = keptKernel();

  beforeAll(async () => {
    two = await machines(2, 'rhel');
    from = await mirror(two.hosts[0]!.address.replace(/\d+$/, '1'), parts!);
    ssh = openSsh(two.settings, process.env);
    hosts = two.hosts.map((machine) => ssh.host(machine.target())) as [SshHost, SshHost];
    folder = mkdtempSync(`${tmpdir()}/dd-dnf-`);
    type = cli(`${process.cwd()}/src/main.ts`, folder);
    writeFileSync(`${folder}/deepseek.yaml`, configuration());
    await Promise.all(hosts.map((host) => asRocky(host, from.address)));
    await asRocky10(hosts[1], from.address);
  });
  afterAll(async () => {
    await ssh?.close();
    await from?.close();
    await two?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
    putBack();
  });

  const mirrors = () => {
    const { address, fingerprint } = from;
    const names = ['docker', 'kubernetes', 'toolkit', 'driver'] as const;
    return {
      ...(Object.fromEntries(names.map((name) => [name, `${address}/${name}`])) as Record<RepositoryName, string>),
      keys: Object.fromEntries(names.map((name) => [name, fingerprint])) as Record<RepositoryName, string>,
      registries: { 'registry.k8s.io': [address], 'ghcr.io': [address] },
    };
  };

  function configuration(): string {
    const lines = two.hosts.map((machine, at) => {
      const { address, identityFile } = machine.target();
      const [user, role] = at === 0 ? ['root', 'control-plane'] : ['free', 'worker'];
      return `    ${machine.name}: {address: ${address}, user: ${user}, roles: [${role}], identityFile: ${identityFile}}`;
    });
    return `version: 1
target: kubernetes
kubernetes: {allowCgroupV1: true, docker: false, storage: none}
mirrors: ${JSON.stringify(mirrors())}
hosts:
  machines:
${lines.join('\n')}
`;
  }

  const on = async (script: string): Promise<string[]> =>
    allDone(await many(hosts, 2, (host) => host.run({ ...sh(script), timeoutMs: 60_000 }))).map(({ stdout }) =>
      stdout.trim(),
    );
  const well = (told: Told, what: string): void => {
    console.log(`${what}: ${(told.ms / 1000).toFixed(1)} s`);
    expect(told.code, `${what}:\n${told.text}`).toBe(0);
  };

  const system = (version: '9' | '10'): Distribution => ({ family: 'dnf', id: 'rhel', version, arch: 'amd64' });
  const repository = (name: RepositoryName, version: '9' | '10'): Repository =>
    repositoryOf(
      name,
      sourcesOf({ preset: 'none', manifests: undefined, systems: undefined, ...mirrors() }),
      system(version),
      '1.36.4',
    );
  const release = (host: SshHost) => (host === hosts[0] ? ('9' as const) : ('10' as const));
  const add = async (host: SshHost, one: Repository): Promise<void> => {
    const here = system(release(host));
    expect(await host.run(fetchKey(one, here))).toMatchObject({ code: 0 });
    await host.put(sourceFile(one, here), sourceText(one, here), { mode: 0o644, sudo: true });
  };
  const drop = (host: SshHost, one: Repository) => must(host, 'rm -f "$1"', sourceFile(one, system(release(host))));
  const get = (host: SshHost, packages: readonly Package[], one: Repository) =>
    host.run(install(system(release(host)), packages, { from: one }));

  it('become a cluster, though firewalld stands between them', async () => {
    await must(hosts[0], oldFiles, from.address);
    const told = await type('init --yes --accept-new-host-keys');
    well(told, 'init');
    expect(told.text).toMatch(/● ready {2}default \(kubernetes 1\.36\.4\)[\s\S]*host-1 +● ready[\s\S]*host-2 +● ready/);
    expect(told.text).toContain('Firewall: peers and pods');
    expect(await on(versionsScript)).toEqual([pinned, pinned]);
  }, 900_000);

  it('take none of it from an upgrade of the whole system', async () => {
    const offered = await on('dnf -q --refresh upgrade --assumeno 2>&1; exit 0');
    for (const one of offered) expect(one).not.toMatch(/kube|containerd/);
    expect((await on('ls /etc/yum.repos.d'))[0]!.split('\n')).toEqual(
      expect.arrayContaining(['docker-ce.repo.before-deepseek-deploy', 'kubernetes.repo.before-deepseek-deploy']),
    );
  });

  it('are left alone by the next init, and well as doctor sees them', async () => {
    const again = await type('init --yes');
    well(again, 'nothing to change');
    expect(again.text).toContain('Nothing to change.');
    const { code, text } = await type('doctor');
    expect(code, text).toBe(0);
    expect(text).toMatch(/host-1 .*Rocky Linux 9\.7 [\s\S]*host-2 .*Rocky Linux 10\.1 /);
  }, 300_000);

  it('are bare again after a reset: what dnf trusts and remembers too', async () => {
    well(await type('reset --cluster default --yes'), 'reset');
    expect(await on(leftScript)).toEqual(['', '']);
    expect((await on('ls /etc/yum.repos.d'))[0]).toBe('docker-ce.repo\nkubernetes.repo\nrocky.repo');
    await must(hosts[0], 'rm /etc/yum.repos.d/docker-ce.repo /etc/yum.repos.d/kubernetes.repo');
  }, 300_000);

  it.each([
    ['unsigned', 'packages', /not signed/],
    ['stranger', 'packages', /GPG check FAILED|is not installed|not correct/],
    ['stranger', 'list', /GPG signature/],
  ] as const)('take nothing that is %s (%s)', async (what, signed, says) => {
    const one: Repository = { ...repository('kubernetes', '9'), address: `${from.address}/bad/${what}/`, signed };
    await add(hosts[0], one);
    const wanted = [{ name: 'cri-tools', version: '1.36.0' }];
    const result = await get(hosts[0], wanted, one);
    expect(result.code, result.stdout + result.stderr).not.toBe(0);
    expect(installFailed('x', 'host-1')(result).text.en).toMatch(says);
    expect(await must(hosts[0], 'rpm -q cri-tools || true')).toMatch(/not installed/);
    await drop(hosts[0], one);
  });

  it('take the toolkit all of one version, from a list that is signed', async () => {
    await Promise.all(
      hosts.map(async (host) => {
        const one = repository('toolkit', release(host));
        await add(host, one);
        expect(await get(host, toolkitPackages, one)).toMatchObject({ code: 0 });
        const names = toolkitPackages.map(({ name }) => name);
        expect(await must(host, `rpm -q --qf '%{VERSION} ' ${names.join(' ')}`)).toBe(
          Array(4).fill('1.20.0').join(' '),
        );
      }),
    );
  });

  it('take Docker Engine of its line, not the newest', async () => {
    await Promise.all(
      hosts.map(async (host) => {
        const one = repository('docker', release(host));
        await add(host, one);
        const packages = ['docker-ce', 'docker-ce-cli'].map((name) => ({ name, version: '29.*', epoch: '5' }));
        expect(await get(host, packages, one)).toMatchObject({ code: 0 });
        expect(await must(host, `rpm -q --qf '%{VERSION} ' docker-ce docker-ce-cli`)).toBe('29.7.1 29.7.1');
      }),
    );
  });

  it('keep a podman that would go with its runc; a runc alone makes room', async () => {
    const [host] = hosts;
    const one = repository('docker', '9');
    await must(host, stubs);
    const containerd = [{ name: 'containerd.io', version: '2.3.*' }];
    const refused = await get(host, containerd, one);
    const error = installFailed('x', 'host-1')(refused);
    expect([error.exit, error.text.en]).toEqual(['unready', expect.stringContaining('podman-1-1')]);
    expect(await must(host, 'rpm -q --qf "%{NAME} " runc podman')).toBe('runc podman');
    await must(host, 'dnf -y -q remove podman --noautoremove');
    const taken = await get(host, containerd, one);
    expect(taken.code, taken.stderr).toBe(0);
    expect(await must(host, 'rpm -q runc || true')).toMatch(/not installed/);
  });

  it('take the driver of its branch: a stream in 9, whatever stood before; a lock in 10', async () => {
    await Promise.all(
      hosts.map(async (host) => {
        const version = release(host);
        const one = repository('driver', version);
        await add(host, one);
        if (version === '9') await must(host, 'dnf -y module enable nvidia-driver:595-open');
        const { before, packages } = driverPackages(system(version), {}, 'x');
        for (const script of before) await must(host, script, '');
        const driver = packages.filter(({ name }) => name === 'nvidia-open');
        const result = await get(host, driver, one);
        expect(result.code, result.stdout + result.stderr).toBe(0);
        expect(await must(host, `rpm -q --qf '%{VERSION}' nvidia-open`)).toBe('580.178.04');
        // Nor is it anything that an upgrade of the system could take.
        expect(await must(host, 'dnf -q repoquery nvidia-open')).toBe('');
      }),
    );
  });

  it('find what was published after they last looked', async () => {
    const [host] = hosts;
    const one: Repository = { ...repository('kubernetes', '9'), address: 'file:///srv/late', signed: 'packages' };
    const list = `mkdir -p /srv/late && cd /srv/late && curl -fsSO "$1" && createrepo_c -q .`;
    const place = `${from.address}/kubernetes/v1.36/rpm/x86_64`;
    await must(host, list, `${place}/kubectl-1.36.4-150500.1.1.x86_64.rpm`);
    await add(host, one);
    expect(await host.run(refresh(system('9')))).toMatchObject({ code: 0 });
    await must(host, list, `${place}/kubectl-1.36.9-150500.1.1.x86_64.rpm`);
    const result = await get(host, [{ name: 'kubectl', version: '1.36.9' }], one);
    expect(result.code, result.stdout + result.stderr).toBe(0);
  });

  it('say that it was the network when it was', async () => {
    const [host] = hosts;
    const one: Repository = { ...repository('toolkit', '9'), address: 'http://127.0.0.1:9/none' };
    await add(host, { ...one, key: repository('toolkit', '9').key! });
    const error = installFailed('x', 'host-1')(await get(host, [{ name: 'nothing' }], one));
    expect([error.exit, error.text.en]).toEqual(['network', expect.stringContaining('could not be downloaded')]);
  });
});
