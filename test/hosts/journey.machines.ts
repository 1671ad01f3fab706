/** What a person types: three bare hosts become a cluster, survive kills, lose a node and get it back, and are bare again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { allDone, many } from '../../src/plan/many.js';
import { sh } from '../hosts-contract/contract.js';
import { builtImages, builtPackages } from '../kube/control-plane.js';
import { cli, type Told } from './cli.js';
import { clusterFile } from './cluster-file.js';
import { keptKernel, type Machines, machines, processorMs } from './machines.js';
import { type Mirror, mirror } from './mirror.js';
import { spent } from './spent.js';

const packages = builtPackages();
const images = builtImages();
if (!packages || !images)
  console.warn('\n*** no cluster was brought up; build its parts first: test/kube/images && test/kube/packages ***\n');

describe.skipIf(!packages || !images)('three bare hosts', () => {
  let three: Machines;
  let from: Mirror;
  let ssh: Ssh;
  let hosts: SshHost[];
  let folder: string;
  let type: ReturnType<typeof cli>;
  const putBack = keptKernel();

  beforeAll(async () => {
    three = await machines(3);
    from = await mirror(three.hosts[0]!.address.replace(/\d+$/, '1'), { packages: packages!, images: images! });
    ssh = openSsh(three.settings, process.env);
    hosts = three.hosts.map((machine) => ssh.host(machine.target()));
    folder = mkdtempSync(`${tmpdir()}/dd-journey-`);
    type = cli(`${process.cwd()}/src/main.ts`, folder);
    writeFileSync(`${folder}/deepseek.yaml`, clusterFile(three, from));
  });
  afterAll(async () => {
    await ssh?.close();
    await from?.close();
    await three?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
    putBack();
  });

  const on = async (script: string): Promise<string[]> =>
    allDone(await many(hosts, 3, (host) => host.run({ ...sh(script), timeoutMs: 60_000 }))).map(({ stdout }) => stdout);

  const well = (told: Told, what: string): void => {
    console.log(`${what}: ${(told.ms / 1000).toFixed(1)} s`);
    expect(told.code, `${what}:\n${told.text}`).toBe(0);
  };
  const overhead = (): string => {
    const { wallMs, busyMs } = spent(readFileSync(`${folder}/home/journal.ndjson`, 'utf8'));
    return `steps ${(wallMs / 1000).toFixed(1)} s, commands ${(busyMs / 1000).toFixed(1)} s: ${(wallMs / busyMs).toFixed(2)}x`;
  };
  const isReady =
    /● ready {2}default \(kubernetes 1\.36\.4\)[\s\S]*host-1 +● ready[\s\S]*host-2 +● ready[\s\S]*host-3 +● ready/;

  it('are told what would be done, and left alone', async () => {
    const told = await type('plan --accept-new-host-keys');
    well(told, 'plan');
    expect(told.text).toContain('kubeadm.init');
    expect(told.text).toMatch(/host-3 \(.*\) {2}as host-2/);
    expect(await on('ls -d /etc/containerd /var/lib/deepseek-deploy /etc/kubernetes 2>/dev/null')).toEqual([
      '',
      '',
      '',
    ]);
  });

  it('become a cluster, though the run is killed on the way', async () => {
    const first = await type('init --yes', { killAt: /✔ host-2 {2}containerd: CRI/ });
    expect(first.code, first.text).toBeNull();
    // In the middle of kubeadm init, which goes on over there for a while.
    const second = await type('init --yes', { killAt: /✔ host-1 {2}Images of the control plane/, killAfterMs: 4000 });
    expect(second.code, second.text).toBeNull();
    expect(second.text).toContain('Took over from a run that ended early');
    const told = await type('init --yes');
    well(told, 'init, the third time');
    console.log(overhead());
    expect(told.text).toMatch(isReady);
  }, 900_000);

  it('are left alone by the next init', async () => {
    // What a cluster does for itself, of each ms.
    const [idleMs, begun] = [5000, processorMs(three)];
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    const before = processorMs(three);
    const itself = (before - begun) / idleMs;
    const told = await type('init --yes');
    const busyMs = processorMs(three) - before - itself * told.ms;
    well(told, `nothing to change (${(busyMs / 1000).toFixed(1)} s of processor on the hosts)`);
    expect(told.text).toContain('Nothing to change.');
    // On cores of its own it is 1.6 s.
    expect(busyMs).toBeLessThan(4000);
  }, 300_000);

  it('are well, as status and doctor see it', async () => {
    expect((await type('status')).text).toMatch(isReady);
    const { code, text } = await type('doctor --json');
    expect(code, text).toBe(0);
  }, 300_000);

  it('lose a node, and get it back', async () => {
    const removed = await type('node remove host-3 --yes');
    well(removed, 'node remove');
    expect(JSON.parse((await type('status --json')).text).machines[2]).toMatchObject({
      name: 'host-3',
      state: 'absent',
    });
    const again = await type('init --yes');
    well(again, 'and back');
    console.log(overhead());
    expect(again.text).toMatch(isReady);
  }, 900_000);

  it('have a journal that tells no token', async () => {
    const local = readFileSync(`${folder}/home/journal.ndjson`, 'utf8');
    const all = [local, ...(await on('cat /var/lib/deepseek-deploy/journal.ndjson'))];
    for (const journal of all) {
      expect(journal).toMatch(/"step":"kubeadm\.(init|join)","event":"action"/);
      expect(journal).not.toMatch(/[a-z0-9]{6}\.[a-z0-9]{16}/);
    }
  });

  it('are bare again after a reset', async () => {
    const told = await type('reset --cluster default --yes');
    well(told, 'reset');
    const left = `dpkg-query -W -f '\${Package}\n' | grep -xE 'kube.*|cri-tools|containerd.io'
ls -d /etc/kubernetes/*.conf /etc/kubernetes/manifests/* /etc/cni/net.d /var/lib/etcd/member 2>/dev/null
ps -eo comm= | grep -E '^(kubelet|containerd|etcd|kube-.*|flanneld)$'; exit 0`;
    expect(await on(left)).toEqual(['', '', '']);
    expect((await type('status')).text).toContain('Nothing is deployed');
  }, 900_000);
});
