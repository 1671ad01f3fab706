/** Three control planes: what they share outlives the first of them, and one that leaves is forgotten by etcd. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { kubectl } from '../../src/steps/at-node.js';
import { sh } from '../hosts-contract/contract.js';
import { partsFor } from '../kube/control-plane.js';
import { cli, type Told } from './cli.js';
import { clusterFile } from './cluster-file.js';
import { keptKernel, type Machines, machines } from './machines.js';
import { type Mirror, mirror } from './mirror.js';

const parts = partsFor('no cluster was brought up', 'packages');

const pki = '/etc/kubernetes/pki/etcd';
const etcdctl = `etcdctl --endpoints https://127.0.0.1:2379 --cacert ${pki}/ca.crt --cert ${pki}/server.crt --key ${pki}/server.key`;

describe.skipIf(!parts)('three control planes', () => {
  let three: Machines;
  let from: Mirror;
  let ssh: Ssh;
  let hosts: SshHost[];
  let folder: string;
  let type: ReturnType<typeof cli>;
  let address: string;
  const putBack = keptKernel();

  beforeAll(async () => {
    three = await machines(3);
    const within = (last: number): string => three.hosts[0]!.address.replace(/\d+$/, String(last));
    address = within(9);
    from = await mirror(within(1), parts!);
    ssh = openSsh(three.settings, process.env);
    hosts = three.hosts.map((machine) => ssh.host(machine.target()));
    folder = mkdtempSync(`${tmpdir()}/dd-planes-`);
    type = cli(`${process.cwd()}/src/main.ts`, folder);
    configure(['host-1', 'host-2', 'host-3']);
  });
  afterAll(async () => {
    await ssh?.close();
    await from?.close();
    await three?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
    putBack();
  });

  const configure = (names: readonly string[]): void => {
    const named = three.hosts.filter(({ name }) => names.includes(name));
    const settings = `docker: false, storage: none, virtualAddress: ${address}`;
    writeFileSync(`${folder}/deepseek.yaml`, clusterFile(named, from, { settings, role: () => 'control-plane' }));
  };

  const well = (told: Told, what: string): void => {
    console.log(`${what}: ${(told.ms / 1000).toFixed(1)} s`);
    expect(told.code, `${what}:\n${told.text}`).toBe(0);
  };
  const ask = async (host: number, words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await hosts[host]!.run(kubectl(words));
    if (code !== 0) throw new Error(`kubectl ${words.join(' ')}: ${code}\n${stdout}\n${stderr}`);
    return stdout;
  };
  const etcd = (host: number, words: string): Promise<string> =>
    ask(host, ['-n', 'kube-system', 'exec', `etcd-host-${host + 1}`, '--', ...`${etcdctl} ${words}`.split(' ')]);
  const members = async (host: number): Promise<string[]> =>
    [...(await etcd(host, 'member list')).matchAll(/, started, (host-\d),/g)].map(([, name]) => name!).sort();
  /** From this machine, at the address they share: 'ok', or nothing. */
  const answer = (): string => {
    const words = ['-sk', '--max-time', '2', `https://${address}:6443/readyz`];
    return spawnSync('curl', words, { encoding: 'utf8' }).stdout;
  };
  /** Which of the hosts have the address on a link. */
  const holders = async (...of: number[]): Promise<string[]> => {
    const asked = of.map(async (at) => {
      const { stdout } = await hosts[at]!.run(sh('ip -o -4 address show to "$1"', address));
      return stdout === '' ? [] : [hosts[at]!.name];
    });
    return (await Promise.all(asked)).flat();
  };

  it('an even number of them is refused before anything is touched', async () => {
    configure(['host-1', 'host-2']);
    const told = await type('init --yes --accept-new-host-keys');
    expect(told.code, told.text).toBe(3);
    expect(told.text).toMatch(/2 control planes \(host-1, host-2\).*hosts\.control-planes/s);
    configure(['host-1', 'host-2', 'host-3']);
  }, 60_000);

  it('become a cluster whose etcd has three members, all well, and whose certificates lie in no secret', async () => {
    const made = await type('init --yes --accept-new-host-keys');
    well(made, 'init');
    expect(await members(0)).toEqual(['host-1', 'host-2', 'host-3']);
    const health = await etcd(0, 'endpoint health --cluster -w json');
    expect(JSON.parse(health).map(({ health: one }: { health: boolean }) => one)).toEqual([true, true, true]);
    expect(await ask(0, ['-n', 'kube-system', 'get', 'secret', 'kubeadm-certs', '--ignore-not-found'])).toBe('');
    expect(await ask(0, ['get', 'configmap', '-n', 'kube-system', 'kubeadm-config', '-o', 'yaml'])).toContain(
      `controlPlaneEndpoint: ${address}:6443`,
    );
    expect(answer()).toBe('ok');
    expect(await holders(0, 1, 2)).toEqual(['host-1']);
    const again = await type('init --yes');
    expect(again.text).toContain('Nothing to change.');
  }, 900_000);

  it('the first loses its power, and the API answers on at the address they share', async () => {
    three.hosts[0]!.cutPower();
    const cutAt = performance.now();
    // What the dying host still answered does not count.
    await expect.poll(() => holders(1, 2), { timeout: 60_000, interval: 250 }).toEqual(['host-2']);
    await expect.poll(answer, { timeout: 60_000, interval: 250 }).toBe('ok');
    console.log(`the API answers again after ${((performance.now() - cutAt) / 1000).toFixed(1)} s`);
    // A majority of two takes changes, once it has agreed on who leads.
    const change = () =>
      ask(1, ['annotate', 'node', 'host-2', 'after-the-cut=yes', '--overwrite']).then(() => 'taken', String);
    await expect.poll(change, { timeout: 30_000, interval: 500 }).toBe('taken');
    expect(await holders(1, 2)).toEqual(['host-2']);
    const status = await type('status');
    expect(status.text).toMatch(/host-1 +● unreachable[\s\S]*host-2 +● ready[\s\S]*host-3 +● ready/);
  }, 300_000);

  it('one that the others need is not let go', async () => {
    const refused = await type('node remove host-3 --yes');
    expect([refused.code, refused.text]).toEqual([3, expect.stringContaining('Without host-3 the cluster would stop')]);
    expect(await ask(1, ['get', 'node', 'host-3', '-o', 'jsonpath={.spec.unschedulable}'])).toBe('');
  }, 120_000);

  it('the lost one is forgotten, though the cluster was made on it, and the rest is a cluster', async () => {
    well(await type('node remove host-1 --lost --yes'), 'node remove --lost');
    expect(await members(1)).toEqual(['host-2', 'host-3']);
    configure(['host-2', 'host-3']);
    const two = await type('init --yes');
    well(two, 'init');
    expect((await type('init --yes')).text).toContain('Nothing to change.');
    const doctor = await type('doctor --only hosts.control-planes');
    expect([doctor.code, doctor.text]).toEqual([0, expect.stringContaining('2 control planes (host-2, host-3)')]);
  }, 600_000);

  it('one that leaves takes its member with it, and the last one carries on', async () => {
    well(await type('node remove host-3 --yes'), 'node remove');
    expect(await members(1)).toEqual(['host-2']);
    expect(answer()).toBe('ok');
    const left =
      "dpkg -l | awk '$1 == \"ii\" {print $2}' | grep -xE 'kube.*|containerd.io|keepalived'; pgrep -l 'etcd|keepalived'; exit 0";
    expect((await hosts[2]!.run(sh(left))).stdout).toBe('');
    configure(['host-2']);
    well(await type('reset --cluster default --yes'), 'reset');
    expect((await hosts[1]!.run(sh(left))).stdout).toBe('');
    expect(await holders(1, 2)).toEqual([]);
  }, 600_000);
});
