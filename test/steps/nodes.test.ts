/** The whole list on bare hosts in memory, on every system. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it, test } from 'vitest';
import { format, systemId } from '../../src/bundle/manifest.js';
import type { Bundle } from '../../src/bundle/open.js';
import { UserError } from '../../src/errors.js';
import { keepalivedFile } from '../../src/install/keepalived.js';
import { madePackages } from '../../src/install/packages.js';
import { dropIn } from '../../src/install/proxy.js';
import { fromBundle, sourcesOf } from '../../src/install/sources.js';
import { allLanesDone, applyLanes, type Lane } from '../../src/plan/lanes.js';
import { needed, show } from '../../src/plan/step.js';
import { stateFile } from '../../src/steps/kubeadm-init.js';
import { isOn, type Machine, type NodeStep } from '../../src/steps/machine.js';
import { kubernetesSteps } from '../../src/targets/kubernetes.js';
import type { LaneSink } from '../../src/world.js';
import { systems } from '../install/systems.js';
import { sha256 } from '../models/hub-server.js';
import { fakeWorld } from '../world/fake.js';
import { type SimulatedCluster, simulatedCluster, token } from '../world/nodes.js';

const quiet: LaneSink = {
  begin: () => {},
  note: () => {},
  finish: () => {},
  wait: () => {},
  end: () => {},
  close: async () => {},
};

const stepsOf = (machine: Machine): NodeStep[] =>
  needed<Machine>(
    kubernetesSteps.filter((step) => isOn(step, machine)),
    machine,
  ) as NodeStep[];

const lanesOf = ({ machines, worlds }: SimulatedCluster): Lane<Machine>[] =>
  machines.map((machine, index) => ({
    name: machine.name,
    steps: stepsOf(machine),
    context: machine,
    world: worlds[index]!,
    journal: { add: async () => {}, flush: async () => {} },
  }));

const apply = async (made: SimulatedCluster) => allLanesDone(await applyLanes(lanesOf(made), 10, quiet));

const peers = [
  { name: 'cp', roles: ['control-plane'] },
  { name: 'gpu-1', roles: ['worker'] },
  { name: 'gpu-2', roles: ['worker'] },
] as const;

const debian = systems[0]![1];

/** Its files say their own path. */
function smallBundle(system: string): Bundle {
  const paths = [`packages/${system}/a.deb`, 'packages/other-amd64/a.deb', 'images/index.json', 'images.txt'];
  const files = paths.map((path) => ({ path, bytes: path.length, sha256: sha256(Buffer.from(path)) }));
  const about = { kind: 'deepseek-deploy bundle', format, createdAt: '', target: 'kubernetes', weights: [] } as const;
  return {
    path: '/bundle',
    key: '',
    manifest: { ...about, systems: [], images: [], files },
    content: ({ path, ...file }) => ({
      ...file,
      async *chunks() {
        yield Buffer.from(path);
      },
    }),
  };
}

describe.each(systems.filter(([name]) => name !== 'rhel-10'))('%s', (_, system) => {
  it('becomes a cluster, its driver included, and a second run changes nothing', async () => {
    const made = await simulatedCluster({ system, peers, gpus: ['gpu-1', 'gpu-2'], settings: { driver: 'install' } });
    const changed = await apply(made);
    // In this world a node is ready as soon as it is there.
    const all = (index: number) =>
      stepsOf(made.machines[index]!)
        .map(({ id }) => id)
        .filter((id) => id !== 'nodes.ready' && id !== 'cluster.dns');
    expect(changed.get('cp')).toEqual(all(0));
    expect(changed.get('gpu-1')).toEqual(all(1));
    expect(Object.fromEntries(made.shared.nodes)).toMatchObject({
      cp: { taints: [{ key: 'node-role.kubernetes.io/control-plane' }] },
      'gpu-1': { labels: { 'node-role.kubernetes.io/worker': '', 'nvidia.com/gpu.present': 'true' }, taints: [] },
    });
    expect([...(await apply(made)).values()]).toEqual([[], [], []]);
  });
});

test('RHEL 10 without a confirmed key of the driver is told so before anything is installed there', async () => {
  const made = await simulatedCluster({
    system: systems.at(-1)![1],
    peers,
    gpus: ['gpu-1'],
    settings: { driver: 'install' },
  });
  await expect(apply(made)).rejects.toMatchObject({ details: expect.anything() });
  expect(made.states[1]!.packages.has('containerd.io')).toBe(false);
  const checked = await simulatedCluster({ system: systems.at(-1)![1], peers });
  await expect(apply(checked)).resolves.toBeDefined();
});

test('GPUs by the operator, in place of device plugin and exporter', async () => {
  const made = await simulatedCluster({ system: debian, peers, gpus: ['gpu-1'], settings: { gpuLayer: 'operator' } });
  for (const state of made.states) state.driver = true;
  const steps = (await apply(made)).get('cp')!;
  expect(steps.filter((id) => id.startsWith('gpu.'))).toEqual(['gpu.operator']);
  expect([...(await apply(made)).values()]).toEqual([[], [], []]);
});

test('a token is in no command line, and made for each host when it joins', async () => {
  const made = await simulatedCluster({ system: debian, peers });
  await apply(made);
  const ran = made.worlds.flatMap((world) => world.ran);
  expect(ran.filter((line) => line.includes(token))).toEqual([]);
  const tokens = ran.filter((line) => line.includes('kubeadm token create'));
  expect(tokens).toHaveLength(2);
  for (const line of tokens) expect(line).toContain('--ttl 15m');
  expect(ran.filter((line) => line.includes('< <join-configuration>'))).toHaveLength(2);
});

test('the node that a cut-off join left goes before the next try, when it is this very machine’s', async () => {
  for (const [machineId, deleted] of [
    ['id-gpu-1', true],
    ['id-another', false],
  ] as const) {
    const made = await simulatedCluster({ system: debian, peers: peers.slice(0, 2) });
    await apply(made);
    const { context, world, steps } = lanesOf(made)[1]!;
    await world.files.write(stateFile, 'begun\n');
    await world.files.write('/etc/machine-id', `${machineId}\n`);
    const join = steps.find(({ id }) => id === 'kubeadm.join')!;
    const actions = await join.apply(context, world);
    const joining = actions.find((action) => action.kind === 'run' && action.command.stdin !== undefined)!;
    await (joining as { command: { stdin: { get(): Promise<string> } } }).command.stdin.get();
    expect(made.shared.nodes.has('gpu-1')).toBe(!deleted);
  }
});

test('a single machine takes pods itself', async () => {
  const made = await simulatedCluster({
    system: debian,
    peers: [{ name: 'one', roles: ['control-plane', 'worker'] }],
    settings: { docker: false },
  });
  const changed = await apply(made);
  expect(changed.get('one')).not.toContain('docker.install');
  expect(made.shared.nodes.get('one')).toMatchObject({ taints: [], labels: { 'node-role.kubernetes.io/worker': '' } });
});

test('where no host is a worker, every host takes pods', async () => {
  const made = await simulatedCluster({
    system: debian,
    peers: [
      { name: 'cp', roles: ['control-plane'] },
      { name: 's1', roles: ['storage'] },
    ],
  });
  await apply(made);
  for (const { taints } of made.shared.nodes.values()) expect(taints).toEqual([]);
});

test('a further control plane gets the certificates by a key that is fetched with its token', async () => {
  const made = await simulatedCluster({
    system: debian,
    peers: [peers[0], { name: 'cp-2', roles: ['control-plane'] }, peers[1]],
  });
  const changed = await apply(made);
  expect(changed.get('cp-2')).toContain('kubeadm.join');
  expect(changed.get('cp-2')).not.toContain('kubeadm.init');
  expect(made.worlds[0]!.ran.filter((line) => line.includes('--upload-certs'))).toHaveLength(1);
  expect(made.shared.nodes.get('cp-2')!.taints).toMatchObject([{ key: 'node-role.kubernetes.io/control-plane' }]);
});

const planes = ['cp', 'cp-2', 'cp-3'].map((name) => ({ name, roles: ['control-plane'] as const }));

test('three control planes share an address, which the first of those that answer has', async () => {
  const made = await simulatedCluster({
    system: debian,
    peers: [...planes, peers[1]],
    settings: { virtualAddress: '10.0.0.9' },
  });
  const changed = await apply(made);
  expect(changed.get('gpu-1')).not.toContain('control-plane.address');
  expect(made.shared.config).toContain('controlPlaneEndpoint: 10.0.0.9:6443');
  const texts = await Promise.all(made.worlds.slice(0, 3).map((world) => world.files.read(keepalivedFile)));
  const of = (name: RegExp) => texts.map((text) => name.exec(text)![1]!.trim().split(/\s+/).join(' '));
  expect(of(/priority (\d+)/)).toEqual(['200', '160', '120']);
  expect(of(/unicast_src_ip (.*)/)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  expect(of(/unicast_peer \{([^}]*)\}/)).toEqual(['10.0.0.2 10.0.0.3', '10.0.0.1 10.0.0.3', '10.0.0.1 10.0.0.2']);
  expect(new Set(of(/virtual_ipaddress \{([^}]*)\}/))).toEqual(new Set(['10.0.0.9/32']));
  expect(made.worlds.flatMap(({ ran }) => ran).filter((line) => /delete secret kubeadm-certs/.test(line))).toHaveLength(
    2,
  );
  expect([...(await apply(made)).values()]).toEqual([[], [], [], []]);
});

test('a further control plane does not join by another endpoint than the cluster was made with', async () => {
  const made = await simulatedCluster({ system: debian, peers: [planes[0]!] });
  await apply(made);
  const wish = { system: debian, peers: planes, settings: { virtualAddress: '10.0.0.9' } };
  const more = await simulatedCluster(wish);
  const join = kubernetesSteps.find(({ id }) => id === 'kubeadm.join')!;
  const cluster = { ...more.cluster, controlPlane: () => made.worlds[0]! };
  const asked = join.apply({ ...more.machines[1]!, cluster }, more.worlds[1]!);
  await expect(asked).rejects.toMatchObject({ id: 'kubeadm.join.endpoint', exit: 'unready' });
});

test('a worker is made no control plane where it stands', async () => {
  const made = await simulatedCluster({ system: debian, peers: [planes[0]!, peers[1]] });
  await apply(made);
  const join = kubernetesSteps.find(({ id }) => id === 'kubeadm.join')!;
  const asked = join.apply({ ...made.machines[1]!, roles: ['control-plane'] }, made.worlds[1]!);
  await expect(asked).rejects.toMatchObject({ id: 'kubeadm.join.role' });
});

test('a control plane has joined when the API server on it answers, not only another', async () => {
  const made = await simulatedCluster({ system: debian, peers: planes, settings: { virtualAddress: '10.0.0.9' } });
  await apply(made);
  const join = kubernetesSteps.find(({ id }) => id === 'kubeadm.join')!;
  const [, machine] = made.machines;
  const world = made.worlds[1]!;
  expect(await join.done(machine!, world)).toBe(true);
  const run: typeof world.host.run = async (command, options) =>
    show({ kind: 'run', command }).includes('https://127.0.0.1:6443/readyz')
      ? { code: 7, stdout: '', stderr: '' }
      : world.host.run(command, options);
  expect(await join.done(machine!, { ...world, host: { ...world.host, run } })).toBe(false);
});

test('keepalived goes also after an undo that was cut off, and one that was there before stays', async () => {
  const made = await simulatedCluster({ system: debian, peers: planes, settings: { virtualAddress: '10.0.0.9' } });
  const [machine] = made.machines;
  const { undo } = kubernetesSteps.find(({ id }) => id === 'control-plane.address')!;
  const world = fakeWorld();
  expect(await undo!(machine!, world)).toEqual([]);
  await world.files.makeDir(madePackages.slice(0, madePackages.lastIndexOf('/')));
  await world.files.write(madePackages, 'keepalived\n');
  expect((await undo!(machine!, world)).map(show).join('\n')).toMatch(/disable -q --now keepalived[\s\S]*purge/);
});

test('Docker is stopped, with its rules, before its packages go: they would stay without it', async () => {
  const made = await simulatedCluster({ system: debian, peers });
  const { undo } = kubernetesSteps.find(({ id }) => id === 'docker.install')!;
  const [stop, file, packages] = (await undo!(made.machines[0]!, made.worlds[0]!)).map(show);
  expect(stop).toContain(`systemctl disable -q --now docker.socket docker`);
  expect(file).toContain(dropIn('docker'));
  expect(packages).toContain('docker-ce');
});

test.each([
  [
    'another network',
    { stdout: 'eth0\n10.9.9.9 via 10.0.0.254 dev eth0 src 10.0.0.1' },
    undefined,
    'control-plane.address',
  ],
  [
    'a keepalived of somebody',
    { stdout: 'eth0\n10.0.0.9 dev eth0' },
    'vrrp_instance web {}',
    'control-plane.address.taken',
  ],
])('a virtual address is refused for %s', async (_, answer, file, id) => {
  const made = await simulatedCluster({ system: debian, peers: planes, settings: { virtualAddress: '10.9.9.9' } });
  const [machine] = made.machines;
  const world = fakeWorld({ commands: [[/ip -o -4 route get/, answer]] });
  if (file !== undefined) {
    await world.files.makeDir('/etc/keepalived');
    await world.files.write(keepalivedFile, file);
  }
  const step = kubernetesSteps.find((one) => one.id === 'control-plane.address')!;
  await expect(step.apply(machine!, world)).rejects.toMatchObject({ id, exit: 'unready' });
  expect(await step.undo!(machine!, world)).toEqual([]);
});

test('three storage hosts get Ceph on the disks that were named', async () => {
  const names = ['s1', 's2', 's3'];
  const made = await simulatedCluster({
    system: debian,
    peers: [...peers.slice(0, 2), ...names.map((name) => ({ name, roles: ['storage'] as const }))],
    settings: { storageDevices: Object.fromEntries(names.map((name) => [name, [`/dev/disk/by-id/${name}`]])) },
  });
  expect((await apply(made)).get('cp')).toContain('storage.rook');
  const written = [...made.shared.applied].join('\n');
  for (const name of names)
    expect(written).toContain(`{"name":"${name}","devices":[{"name":"/dev/disk/by-id/${name}"}]}`);
  expect(made.shared.nodes.get('s1')!.taints).toEqual([{ key: 'deepseek-deploy.io/storage', effect: 'NoSchedule' }]);
  expect([...(await apply(made)).values()]).toEqual([[], [], [], [], []]);
});

describe('a run that was cut off', () => {
  it.each(Array.from({ length: 40 }, (_, cut) => cut))(
    'after %i actions of a worker and the control plane ends in the same state',
    async (cut) => {
      const whole = await simulatedCluster({ system: debian, peers: peers.slice(0, 2) });
      await apply(whole);
      const made = await simulatedCluster({ system: debian, peers: peers.slice(0, 2) });
      const lanes = lanesOf(made).map((lane) => {
        let left = cut;
        const journal = {
          add: async ({ event }: { event: string }) => {
            if (event === 'action' && left-- <= 0) throw new Error('cut off');
          },
          flush: async () => {},
        };
        return { ...lane, journal };
      });
      await applyLanes(lanes, 10, quiet);
      await apply(made);
      expect(made.shared).toEqual(whole.shared);
      expect(made.states).toEqual(whole.states);
      expect([...made.worlds[1]!.disk.keys()].sort()).toEqual([...whole.worlds[1]!.disk.keys()].sort());
    },
  );
});

test.each([systems[0]!, systems[5]!])('from a bundle, %s asks no network at all', async (_, system, distribution) => {
  const sources = fromBundle(sourcesOf('none'));
  const bundle = smallBundle(systemId(distribution));
  const made = await simulatedCluster({ system, peers, sources, bundle, settings: { network: 'calico' } });
  const changed = await apply(made);
  expect(changed.get('gpu-1')).toEqual(
    expect.arrayContaining(['bundle.upload', 'bundle.repository', 'bundle.images', 'kubeadm.join']),
  );
  // Its images are containerd's now; its packages stay for the package manager.
  expect([...made.worlds[1]!.disk.keys()].filter((path) => path.includes('/bundle/'))).toEqual([
    `${sources.bundle}/packages/a.deb`,
    `${sources.bundle}/images.txt`,
  ]);
  expect(changed.get('cp')).not.toContain('kubernetes.images');
  for (const world of made.worlds) {
    expect(world.ran.filter((line) => /https?:\/\/(?!127\.0\.0\.1)/.test(line))).toEqual([]);
    for (const line of world.ran.filter((one) => / install -y /.test(one)))
      expect(line).toContain('deepseek-deploy-bundle');
    for (const path of world.disk.keys()) expect(path).not.toMatch(/deepseek-deploy-(docker|kubernetes)/);
  }
  expect([...(await apply(made)).values()]).toEqual([[], [], []]);
});

test('through a proxy goes what goes out, and the cluster itself does not', async () => {
  const settings = { proxy: 'http://u:p@proxy.example:3128', noProxy: ['.corp.example'] };
  const made = await simulatedCluster({ system: debian, peers, settings });
  await apply(made);
  const [world] = made.worlds;
  const direct =
    'localhost,127.0.0.1,10.0.0.1,10.0.0.2,10.0.0.3,10.244.0.0/16,10.96.0.0/12,.svc,.cluster.local,.corp.example';
  const out = world!.ran.filter((line) => /apt-get|curl -fsSL --retry/.test(line) && !line.includes('remove'));
  expect(out.length).toBeGreaterThan(4);
  for (const line of out) expect(line).toContain(`https_proxy=<proxy> no_proxy=${direct}`);
  expect(await world!.files.read('/etc/systemd/system/containerd.service.d/deepseek-deploy-proxy.conf')).toContain(
    `Environment="NO_PROXY=${direct}"`,
  );
  expect(world!.ran.filter((line) => line.includes('u:p@'))).toEqual([]);
  expect([...(await apply(made)).values()]).toEqual([[], [], []]);
  // Without it again, nothing of it is left.
  const cluster = { ...made.cluster, settings: { ...made.cluster.settings, proxy: undefined } };
  const without = { ...made, cluster, machines: made.machines.map((machine) => ({ ...machine, cluster })) };
  expect((await apply(without)).get('cp')).toEqual(['containerd.configure', 'docker.install']);
});

test('what is not ours is not touched', async () => {
  const made = await simulatedCluster({ system: debian, peers });
  made.states[1]!.ca = 'another';
  const error = await apply(made).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).details[0]!.en).toContain('gpu-1: something of a cluster that we did not make is here');
  expect(made.states[1]!.ca).toBe('another');
});

test('a worker of an earlier cluster of ours is told from a lost one', async () => {
  const made = await simulatedCluster({ system: debian, peers: peers.slice(0, 2) });
  await apply(made);
  made.shared.nodes.delete('gpu-1');
  const worker = lanesOf(made)[1]!;
  const join = worker.steps.find(({ id }) => id === 'kubeadm.join')!;
  expect(await join.done(worker.context, worker.world)).toBe(false);
  expect((await join.apply(worker.context, worker.world)).map(show)[0]).toContain('systemctl restart kubelet');
  made.states[1]!.ca = 'older';
  await expect(join.apply(worker.context, worker.world)).rejects.toMatchObject({ id: 'kubeadm.join.other-cluster' });
});

test('without a driver, and without leave to install one, a GPU host says what to do', async () => {
  const made = await simulatedCluster({ system: debian, peers, gpus: ['gpu-1'] });
  await expect(apply(made)).rejects.toMatchObject({
    details: expect.arrayContaining([{ en: expect.stringContaining('driver: install'), zh: expect.anything() }]),
  });
});

test('what was made is taken away in reverse, and only where it was made', async () => {
  const made = await simulatedCluster({ system: debian, peers: peers.slice(0, 2) });
  const undo = async (index: number): Promise<string[]> => {
    const machine = made.machines[index]!;
    const lines: string[] = [];
    for (const step of stepsOf(machine).reverse())
      for (const action of (await step.undo?.(machine, made.worlds[index]!)) ?? [])
        lines.push(`${step.id}: ${show(action).split('\n')[0]}`);
    return lines;
  };
  expect((await undo(1)).join('\n')).not.toContain('kubeadm reset');
  await apply(made);
  const lines = await undo(1);
  expect(lines[0]).toContain('kubeadm.join: ');
  expect(lines.at(-1)).toContain('host.kernel: remove /etc/modules-load.d/deepseek-deploy.conf');
});

/** Every script of the whole list on every system, its undoing included. */
async function scriptsOf(system: (typeof systems)[number][1]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const network of ['flannel', 'calico'] as const) {
    const names = ['s1', 's2', 's3'];
    const made = await simulatedCluster({
      system,
      peers: [...peers, ...names.map((name) => ({ name, roles: ['storage'] as const }))],
      gpus: ['gpu-1'],
      settings: { network, driver: system.os?.id === 'rhel' ? 'check' : 'install' },
    });
    if (system.os?.id === 'rhel') for (const state of made.states) state.driver = true;
    await apply(made);
    for (const [index, machine] of made.machines.entries()) {
      const world = made.worlds[index]!;
      for (const path of ['node', 'swap-units', 'firewall'])
        await world.files.write(`/var/lib/deepseek-deploy/${path}`, '');
      for (const step of stepsOf(machine))
        for (const action of (await step.undo?.(machine, world)) ?? [])
          if (action.kind === 'run') found.add(action.command.argv[2]!);
    }
    for (const script of made.spoken) found.add(script);
  }
  return [...found];
}

test.each(systems)('%s: every script is one that a POSIX shell reads', async (_, system) => {
  const scripts = await scriptsOf(system);
  expect(scripts.length).toBeGreaterThan(30);
  for (const script of scripts) {
    const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' });
    expect(`${status} ${stderr} ${status === 0 ? '' : script}`).toBe('0  ');
  }
});
