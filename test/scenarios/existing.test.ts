/** `init --kubeconfig`: what others made is looked at, remembered, and never touched. */
import { describe, expect, it } from 'vitest';
import { run } from '../../src/cli.js';
import { type FakeOptions, type FakeWorld, fakeWorld } from '../world/fake.js';

const section = (id: string, text: string): string => `=== ${id}\n${text.replace(/^/gm, ' ')}\n=== /${id} 0.\n`;

const dns = {
  kind: 'Pod',
  metadata: { name: 'coredns-1', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
  spec: { nodeName: 'cp' },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
};
const storage = { kind: 'StorageClass', metadata: { name: 'standard' } };

const objects = (ready: boolean) => ({
  items: [...['cp', 'gpu-1'].map((name, at) => nodeOf(name, at, ready)), dns, storage],
});

const nodeOf = (name: string, at: number, ready: boolean) => ({
  kind: 'Node',
  spec: { podCIDR: `10.244.${at}.0/24` },
  metadata: { name, labels: at === 0 ? { 'node-role.kubernetes.io/control-plane': '' } : {} },
  status: {
    addresses: [{ type: 'InternalIP', address: `10.0.0.${at + 1}` }],
    conditions: [{ type: 'Ready', status: ready || at === 0 ? 'True' : 'False', reason: 'KubeletNotReady' }],
    allocatable: at === 1 ? { 'nvidia.com/gpu': '8' } : {},
  },
});

function existing(ready = true, commands: FakeOptions['commands'] = []): FakeWorld {
  const answer = section('api', 'ok\nversion: 1.35.2') + section('objects', JSON.stringify(objects(ready)));
  const world = fakeWorld({
    commands: [
      ...commands,
      ['kubectl --kubeconfig /work/kube.config --request-timeout=10s get --raw /readyz', { stdout: 'ok' }],
      [/^DEEPSEEK_DEPLOY_KUBECONFIG=\/work\/kube\.config sh -c .*section objects/s, { stdout: answer }],
    ],
  });
  world.folders.set('/work', 0o755);
  world.disk.set('/work/kube.config', { content: new Uint8Array(), mode: 0o600, mtimeMs: 0 });
  return world;
}

const type = (world: FakeWorld, line: string): Promise<number> => run(line.split(' '), world.env, () => world, '0.0.0');
const init = 'init --target kubernetes --kubeconfig kube.config --yes';
const text = ({ shown, errors }: FakeWorld): string => [...shown, ...errors].join('\n');

describe('a cluster that others made', () => {
  it('is told as it stands, and nothing is installed', async () => {
    const world = existing();
    expect(await type(world, init), text(world)).toBe(0);
    expect(text(world)).toMatch(/● ready {2}default \(kubernetes 1\.35\.2\)/);
    expect(text(world)).toMatch(/gpu-1 +● ready +10\.0\.0\.2 +worker +8 GPU/);
    expect(text(world)).toContain('nothing is installed on it');
    expect([...world.disk.keys()].filter((path) => path !== '/work/kube.config')).toEqual([
      `${world.places.home}/cluster.json`,
    ]);
    expect(world.ran.every((line) => line.startsWith('kubectl') || line.startsWith('DEEPSEEK_DEPLOY'))).toBe(true);
  });

  it('needs no flag again, for init and for status', async () => {
    const world = existing();
    await type(world, init);
    expect(await type(world, 'init --yes')).toBe(0);
    expect(await type(world, 'status')).toBe(0);
  });

  it('that is not well says so, with what to do', async () => {
    const world = existing(false);
    expect(await type(world, init)).toBe(1);
    expect(text(world)).toMatch(/Not Ready: gpu-1.*k8s\.nodes/);
  });

  it.each([
    ['no file', 'init --target kubernetes --kubeconfig none --yes', [], 2, 'There is no file /work/none'],
    ['no kubectl', init, [[/readyz/, { code: 127 }]], 3, 'no kubectl on this machine'],
    ['no answer', init, [[/readyz/, { code: 1, stderr: 'dial tcp: i/o timeout' }]], 3, 'does not answer: dial tcp'],
  ] as const)('%s is told, and nothing is kept', async (_, line, commands, code, words) => {
    const world = existing(true, commands as FakeOptions['commands']);
    expect(await type(world, line)).toBe(code);
    expect(text(world)).toContain(words);
    expect(world.disk.size).toBe(1);
  });

  it.each(['reset --cluster default --yes', 'node drain gpu-1 --yes', 'node add --host b'])(
    'is not ours: %s',
    async (line) => {
      const world = existing();
      await type(world, init);
      expect(await type(world, line)).toBe(2);
      expect(text(world)).toContain('made by others');
    },
  );
});
