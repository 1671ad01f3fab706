/** What a person types: three bare hosts become a cluster, survive kills, lose a node and get it back, and are bare again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { allDone, many } from '../../src/plan/many.js';
import { kubectl } from '../../src/steps/at-node.js';
import { sh } from '../hosts-contract/contract.js';
import { partsFor } from '../kube/control-plane.js';
import { cli, type Told } from './cli.js';
import { clusterFile } from './cluster-file.js';
import { keptKernel, type Machines, machines, processorMs } from './machines.js';
import { type Mirror, mirror } from './mirror.js';
import { spent } from './spent.js';
import { claim, pod, volumesScript } from './volumes.js';

const parts = partsFor('no cluster was brought up', 'packages');

describe.skipIf(!parts)('three bare hosts', () => {
  let three: Machines;
  let from: Mirror;
  let ssh: Ssh;
  let hosts: SshHost[];
  let folder: string;
  let type: ReturnType<typeof cli>;
  const putBack = keptKernel();

  beforeAll(async () => {
    three = await machines(3);
    from = await mirror(three.hosts[0]!.address.replace(/\d+$/, '1'), parts!);
    ssh = openSsh(three.settings, process.env);
    hosts = three.hosts.map((machine) => ssh.host(machine.target()));
    folder = mkdtempSync(`${tmpdir()}/dd-journey-`);
    type = cli(`${process.cwd()}/src/main.ts`, folder);
    writeFileSync(`${folder}/deepseek.yaml`, clusterFile(three.hosts, from, { settings: '' }));
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

  /** The cluster, by its first host. */
  const ask = async (words: string, stdin?: string): Promise<string> => {
    const { code, stdout, stderr } = await hosts[0]!.run(kubectl(words.split(' '), stdin, 200_000));
    if (code !== 0) throw new Error(`kubectl ${words}: ${code}\n${stdout}\n${stderr}`);
    return stdout;
  };
  const list = (...items: object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

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

  it('keep what a pod writes, and let another read it, on its host and over the network of the pods', async () => {
    await ask('apply -f -', list(claim('weights'), claim('scratch')));
    const serve = 'echo whale >/weights/name; echo x >/scratch/y; exec httpd -f -p 8080 -h /weights';
    await ask('apply -f -', list(pod('writer', serve, ['weights', 'scratch'], 'host-2')));
    await ask('wait --for=condition=Ready pod/writer --timeout=120s');
    const address = await ask('get pod writer -o jsonpath={.status.podIP}');
    const client = `for i in 1 2 3 4 5; do timeout 5 wget -qO- http://${address}:8080/name && break; sleep 1; done`;
    await ask('apply -f -', list(pod('reader', 'cat /weights/name', ['weights']), pod('client', client, [], 'host-3')));
    for (const name of ['reader', 'client']) {
      await ask(`wait --for=jsonpath={.status.phase}=Succeeded pod/${name} --timeout=120s`);
      expect(await ask(`logs ${name}`)).toBe('whale\n');
    }
    expect(await on(volumesScript)).toEqual(['', 'scratch\nweights\n', '']);
    await ask('delete pod writer reader client --wait');
    await ask('delete pvc scratch --wait');
    await expect.poll(() => on(volumesScript), { timeout: 60_000, interval: 1000 }).toEqual(['', 'weights\n', '']);
  }, 600_000);

  it("run a container by Docker beside the cluster's, and reach it from another host", async () => {
    const [first, second] = hosts as [SshHost, SshHost, SshHost];
    const started = await second.run({
      ...sh(`ctr -n k8s.io images export - docker.io/library/busybox:1.37 | docker load
        docker run --rm -m 64m busybox:1.37 echo a container
        docker run -d --name web -p 8088:80 busybox:1.37 sh -c 'echo whale >/name; exec httpd -f -h /'`),
      timeoutMs: 120_000,
    });
    expect(started.stdout, started.stderr).toContain('a container\n');
    const words = ['--max-time', '10', '--retry', '5', '--retry-delay', '1', '--retry-all-errors'];
    const { stdout, stderr } = await first.run({
      argv: ['curl', '-fsS', ...words, `http://${three.hosts[1]!.address}:8088/name`],
      timeoutMs: 60_000,
    });
    expect(stdout, stderr).toBe('whale\n');
    // What pods of other hosts send is forwarded as before.
    expect(await on('iptables -S FORWARD | head -n 1')).toEqual(Array(3).fill('-P FORWARD ACCEPT\n'));
    expect((await type('init --yes')).text).toContain('Nothing to change.');
    expect((await second.run(sh('docker ps --format {{.Names}}'))).stdout).toBe('web\n');
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
    expect(told.text).toContain('Stays on host-1, host-2, host-3: volumes in /opt/local-path-provisioner');
    expect(told.text).toContain('Stays on host-1, host-2, host-3: images and volumes in /var/lib/docker');
    expect(await on(volumesScript)).toEqual(['', 'weights\n', '']);
    const left = `dpkg-query -W -f '\${Package}\n' | grep -xE 'kube.*|cri-tools|containerd.io|docker.*'
ip -o link | grep -oE '(docker0|cni0|flannel.1|veth[^:@]*)[:@]'; iptables-save | grep -E 'DOCKER|KUBE-|FLANNEL|^:FORWARD DROP'
ls -d /etc/kubernetes/*.conf /etc/kubernetes/manifests/* /etc/cni/net.d /var/lib/etcd/member 2>/dev/null
ps -eo comm= | grep -E '^(kubelet|containerd|dockerd|etcd|kube-.*|flanneld)$'; exit 0`;
    expect(await on(left)).toEqual(['', '', '']);
    expect((await type('status')).text).toContain('Nothing is deployed');
  }, 900_000);
});
