/** A bundle made with a network, and three bare hosts without one, one of them with GPUs, that become a cluster from it. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { allDone, many } from '../../src/plan/many.js';
import { kubectl } from '../../src/steps/at-node.js';
import { sh } from '../hosts-contract/contract.js';
import { partsFor } from '../kube/control-plane.js';
import { HubServer, serve, sha256 } from '../models/hub-server.js';
import { cli, type Told } from './cli.js';
import { giveGpus } from './gpu.js';
import { keptKernel, type Machines, machines } from './machines.js';
import { mirror } from './mirror.js';

const parts = partsFor('no cluster was brought up', 'packages');

// $1: what may be reached: the hosts, and whoever sends to them. Whoever tries for more is counted.
const cutOff = `apt-get clean; rm -rf /var/lib/apt/lists/*
for chain in OUTPUT FORWARD; do iptables -I $chain 1 -o host0 ! -d "$1" -j REJECT; done
iptables -I OUTPUT 1 -o host0 ! -d "$1" -p tcp -m multiport --dports 80,443 -j REJECT
! timeout 5 curl -fsS -o /dev/null http://deb.debian.org/debian/dists/bookworm/Release 2>/dev/null
iptables -Z`;
const triedScript = `iptables -nvxL OUTPUT | awk '/multiport dports 80,443/ {print $1}'`;

/** Weights of a model of the catalogue, but for their size. */
const weights: Readonly<Record<string, Buffer>> = {
  'config.json': Buffer.from('{}'),
  'model-1.safetensors': Buffer.alloc(20_000_000, 'one'),
  'model-2.safetensors': Buffer.alloc(10_000_000, 'two'),
};

async function hubOf(): Promise<HubServer> {
  const hub = await HubServer.start();
  const siblings = Object.entries(weights).map(([rfilename, content]) => ({
    ...{ rfilename, size: content.length, lfs: { sha256: sha256(content) } },
  }));
  hub.answer = (request, response, count) => {
    if (request.url!.startsWith('/api/'))
      return response.writeHead(200).end(JSON.stringify({ sha: 'c'.repeat(40), siblings }));
    return serve(weights[request.url!.replace(/.*\//, '')]!)(request, response, count);
  };
  return hub;
}

/** Each whole file by its inode: one that is sent again has another. */
const packagesScript = `find /var/cache/deepseek-deploy/bundle -name '*.deb' -printf '%i %f\\n' 2>/dev/null; true`;

describe.skipIf(!parts)('three bare hosts without a network', () => {
  let three: Machines;
  let ssh: Ssh;
  let hosts: SshHost[];
  let folder: string;
  let type: ReturnType<typeof cli>;
  const putBack = keptKernel();

  const configuration = (mirrors: string): void => {
    const lines = three.hosts.map((machine, at) => {
      const { address, identityFile } = machine.target();
      const roles = at === 0 ? 'control-plane' : 'worker';
      return `    ${machine.name}: {address: ${address}, user: free, roles: [${roles}], identityFile: ${identityFile}}`;
    });
    const head = ['version: 1', 'target: kubernetes'];
    const wish = 'kubernetes: {allowCgroupV1: true, docker: false, storage: none}';
    writeFileSync(
      `${folder}/deepseek.yaml`,
      [...head, wish, mirrors, 'hosts:', '  machines:', ...lines, ''].join('\n'),
    );
  };

  const said = (what: string, { text, ms, code }: Told): void =>
    console.log(`${what}: ${(ms / 1000).toFixed(1)} s, status ${code}\n${text}`);

  const on = async (script: string, ...words: string[]): Promise<string[]> =>
    allDone(await many(hosts, 3, (host) => host.run({ ...sh(script, ...words), sudo: true, timeoutMs: 60_000 }))).map(
      ({ stdout }) => stdout.trim(),
    );

  beforeAll(async () => {
    three = await machines(3);
    ssh = openSsh(three.settings, process.env);
    hosts = three.hosts.map((machine) => ssh.host(machine.target()));
    await giveGpus(hosts[2]!);
    folder = mkdtempSync(`${tmpdir()}/dd-bundle-`);
    process.env.XDG_CACHE_HOME = `${folder}/cache`;
    type = cli(`${process.cwd()}/src/main.ts`, folder);
  });
  afterAll(async () => {
    await ssh?.close();
    await three?.close();
    delete process.env.XDG_CACHE_HOME;
    if (folder) rmSync(folder, { recursive: true, force: true });
    putBack();
  });

  it('a bundle is made where there is one', async () => {
    const from = await mirror('127.0.0.1', parts!);
    const hub = await hubOf();
    const { address, fingerprint } = from;
    try {
      const names = ['docker', 'kubernetes', 'toolkit'];
      const keys = names.map((name) => `${name}: ${fingerprint}`).join(', ');
      const registries = ['registry.k8s.io', 'ghcr.io', 'nvcr.io'].map((name) => `${name}: ["${address}"]`).join(', ');
      const places = names.map((name) => `${name}: "${address}/${name}"`).join(', ');
      configuration(`mirrors: {${places}, keys: {${keys}}, registries: {${registries}}}`);
      const made = await type(
        `bundle create --os debian12 --model deepseek-v3.1 --hub ${hub.url} --out debian12.bundle`,
      );
      said('bundle create', made);
      expect(made.code).toBe(0);
    } finally {
      await from.close();
      await hub.close();
    }
    configuration('');
    const subnet = three.hosts[0]!.address.replace(/\d+$/, '0/24');
    await on(cutOff, subnet);
  }, 600_000);

  it('one that is damaged, cut short, or of somebody unknown is refused, and nothing is touched', async () => {
    copyFileSync(`${folder}/debian12.bundle`, `${folder}/bad.bundle`);
    symlinkSync(`${folder}/debian12.bundle.weights`, `${folder}/bad.bundle.weights`);
    const bytes = readFileSync(`${folder}/bad.bundle`);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(`${folder}/bad.bundle`, bytes);
    const damaged = await type('init --yes --accept-new-host-keys --bundle bad.bundle');
    expect([damaged.code, damaged.text]).toEqual([6, expect.stringContaining('is damaged')]);
    truncateSync(`${folder}/bad.bundle`, bytes.length - 1000);
    const cut = await type('init --yes --accept-new-host-keys --bundle bad.bundle');
    expect([cut.code, cut.text]).toEqual([6, expect.stringContaining('was cut short')]);
    const key = `${'A'.repeat(43)}=`;
    const unknown = await type(`init --yes --accept-new-host-keys --bundle debian12.bundle --bundle-key ${key}`);
    expect([unknown.code, unknown.text]).toEqual([3, expect.stringContaining(`not by ${key}`)]);
    expect(await on('ls -d /var/cache/deepseek-deploy /var/lib/deepseek-deploy 2>/dev/null; true')).toEqual([
      '',
      '',
      '',
    ]);
  }, 300_000);

  it('become a cluster, and ask no network; what was sent before the run was killed is not sent again', async () => {
    const killed = await type('init --yes --accept-new-host-keys --bundle debian12.bundle', {
      killAt: /steps to do/,
      // Sending takes twice as long and more.
      killAfterMs: 7000,
    });
    expect(killed.code, killed.text).toBe(null);
    const sent = await on(packagesScript);
    expect(sent.join('')).toContain('.deb');
    const made = await type('init --yes');
    said('init', made);
    expect(made.code, made.text).toBe(0);
    const there = await on(packagesScript);
    for (const [at, before] of sent.entries())
      expect(there[at]!.split('\n')).toEqual(expect.arrayContaining(before.split('\n').filter(Boolean)));
    const [first] = hosts as [SshHost];
    expect((await first.run(kubectl(['get', '--raw', '/readyz']))).stdout).toBe('ok');
    const nodes = await first.run(kubectl(['get', 'nodes', '--no-headers']));
    expect(nodes.stdout.match(/ Ready /g)).toHaveLength(3);
    expect(await on(triedScript)).toEqual(['0', '0', '0']);
    const images = await on('ctr -n k8s.io images ls -q');
    expect(images.map((names) => /registry.k8s.io.(etcd|kube-apiserver):/.test(names))).toEqual([true, false, false]);
    expect(images.map((names) => /nvcr.io.nvidia.k8s-device-plugin:/.test(names))).toEqual([false, false, true]);
    for (const names of images) expect(names).toContain('registry.k8s.io/kube-proxy:');
    const laid = await on('cd /var/lib/deepseek-deploy/models/deepseek-v3.1 2>/dev/null && sha256sum *; true');
    const lines = Object.entries(weights).map(([name, content]) => `${sha256(content)}  ${name}`);
    expect(laid).toEqual(['', '', lines.join('\n')]);
    expect(await on('ls /var/cache/deepseek-deploy/bundle')).toEqual(Array(3).fill('images.txt\npackages'));
  }, 1_200_000);

  it('are left alone by the next init, which knows its bundle', async () => {
    const again = await type('init --yes');
    said('again', again);
    expect(again.text).toContain('Nothing to change.');
    expect(again.code).toBe(0);
  }, 300_000);

  it('reset takes the bundle away too', async () => {
    rmSync(`${folder}/debian12.bundle`);
    const told = await type('reset --cluster default --yes');
    said('reset', told);
    expect(told.code, told.text).toBe(0);
    expect(told.text).toContain('model weights of the bundle, in /var/lib/deepseek-deploy/models');
    const left = "find / -xdev -name '*deepseek-deploy*' -not -path '/proc/*' -not -path '/var/lib/deepseek-deploy*'";
    expect(await on(left)).toEqual(['', '', '']);
  }, 600_000);
});
