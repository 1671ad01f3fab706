/** What offers GPUs is one at a time, also when it is changed on a cluster that stands: the API server is played. */
import { describe, expect, it, test } from 'vitest';
import { needsOf } from '../../src/bundle/needs.js';
import { merge } from '../../src/config/load.js';
import { manifests } from '../../src/install/pins.js';
import { devicePluginImage } from '../../src/manifests/gpu.js';
import { clusterPolicy, operands, gpuOperator as operatorObjects } from '../../src/manifests/gpu-operator.js';
import { documentsOf, imagesIn, type KubeObject } from '../../src/manifests/object.js';
import { perform } from '../../src/plan/perform.js';
import { show } from '../../src/plan/step.js';
import { gpuDevicePlugin, gpuMetrics } from '../../src/steps/gpu.js';
import { discovered, dropKindsScript, operatorCrds } from '../../src/steps/gpu-layers.js';
import { gpuOperator } from '../../src/steps/gpu-operator.js';
import type { Machine, NodeStep } from '../../src/steps/machine.js';
import { kubernetesSteps } from '../../src/targets/kubernetes.js';
import type { World } from '../../src/world.js';
import { fakeWorld } from '../world/fake.js';

type Layer = 'device-plugin' | 'operator' | 'none';

const settings = merge(undefined, []).config.kubernetes;
const machineOf = (gpuLayer: Layer): Machine => {
  const peers = [{ name: 'gpu-1', address: '10.0.0.1', roles: ['control-plane'], gpu: true }];
  const sources = { manifests: 'https://raw.example', registries: {}, packages: {}, keys: {} };
  const cluster = { settings: { ...settings, gpuLayer }, sources, machines: peers };
  return { ...peers[0], facts: {}, cluster } as unknown as Machine;
};

const keyOf = (kind: string, name: string): string => `${kind.toLowerCase().replace(/s\.nvidia\.com$/, '')}/${name}`;

/** What an API server keeps of what is applied and deleted, and what the operator and the plugin make of it. */
class Api {
  readonly objects = new Map<string, KubeObject>();
  readonly crds = new Set<string>();
  readonly seen: string[] = [];
  labels: Record<string, string> = { 'nvidia.com/gpu.present': 'true', mine: 'yes' };
  annotations: Record<string, string> = {};
  /** Of an operator that somebody else installed. */
  foreign = false;
  version = devicePluginImage;
  brought = operands.map((name) => ({ kind: 'DaemonSet', metadata: { name, namespace: 'gpu-operator' } }));
  state = 'ready';

  has = (kind: string, name: string): boolean => this.objects.has(keyOf(kind, name));
  private ours = (kind: string): string[] =>
    [...this.objects.keys()].filter((key) => key.startsWith(`${kind}/`)).map((key) => key.replace('/', '.apps/'));

  run(words: readonly string[], stdin = ''): { code: number; stdout: string } {
    const line = words.join(' ');
    this.seen.push(line);
    const said = (stdout: string, code = 0) => ({ code, stdout });
    if (words[0] === 'apply' && words.at(-1) === '-') this.apply(stdin);
    else if (words[0] === 'apply') this.crds.add(words.at(-1)!.split('/').at(-1)!);
    else if (words[0] === 'diff' && words.at(-1) === '-') return said('', this.matches(stdin) ? 0 : 1);
    else if (words[0] === 'diff') return said('', this.crds.has(words.at(-1)!.split('/').at(-1)!) ? 0 : 1);
    else if (words.includes('delete')) this.delete(words);
    else if (words[0] === 'label' || words[0] === 'annotate') this.drop(words);
    else if (line === 'get nodes -o json')
      return said(JSON.stringify({ items: [{ metadata: { name: 'gpu-1', ...this.node() } }] }));
    else if (line.startsWith('get nodes -o jsonpath='))
      return said(`gpu-1\t{}\t\t\t{}\t[]\t{"nvidia.com/gpu":"${this.offers() ? 8 : 0}"}\n`);
    else if (line.startsWith('get daemonsets,deployments -A')) return said(this.workloads());
    else if (line.startsWith('get clusterrole '))
      return said(
        this.has('clusterrole', 'gpu-operator') ? 'clusterrole.rbac.authorization.k8s.io/gpu-operator\n' : '',
      );
    else if (words.includes('daemonset,service'))
      return said([...this.ours('daemonset'), ...this.ours('service')].join('\n'));
    else if (line.includes('managed-by!=')) return said(this.foreign ? 'clusterpolicy.nvidia.com/theirs\n' : '');
    else if (line.includes('{range .items[*]}{.status.state}')) return said(`${this.state}\n${this.version}\n`);
    else if (line.includes('.status.conditions')) return said('states not ready: [state-device-plugin]');
    else if (line.startsWith('get clusterpolicies'))
      return said(this.has('clusterpolicy', 'cluster-policy') ? 'x\n' : '');
    else throw new Error(`nobody expected: ${line}`);
    if (this.has('daemonset', 'nvidia-device-plugin') && this.has('clusterpolicy', 'cluster-policy'))
      throw new Error(`two device plugins after: ${line}`);
    return said('');
  }

  private offers = (): boolean =>
    this.has('daemonset', 'nvidia-device-plugin') || this.has('clusterpolicy', 'cluster-policy');
  /** All of them run, and what the operator brings, once it has. */
  private workloads = (): string =>
    [...this.objects.values(), ...(this.has('clusterpolicy', 'cluster-policy') ? this.brought : [])]
      .filter(({ kind }) => /^(Deployment|DaemonSet)$/.test(kind))
      .map(({ kind, metadata }) => {
        const replicas = kind === 'Deployment' ? '1' : '';
        return `${kind}/${metadata.name}\t${metadata.namespace}\t1\t${replicas}\t{"observedGeneration":1,"updatedReplicas":1,"availableReplicas":1}\n`;
      })
      .join('');
  private node = () => ({ labels: this.labels, annotations: this.annotations });
  private parse = (text: string): KubeObject[] => text.split('\n---\n').map((one) => JSON.parse(one));
  private matches = (text: string): boolean =>
    this.parse(text).every((one) => {
      const is = this.objects.get(keyOf(one.kind, one.metadata.name));
      return JSON.stringify(is) === JSON.stringify(one);
    });

  private apply(text: string): void {
    for (const one of this.parse(text)) this.objects.set(keyOf(one.kind, one.metadata.name), one);
    if (!this.has('clusterpolicy', 'cluster-policy')) return;
    const told = ['pci-10de.present', 'system-os_release.ID'].map((name) => [
      `feature.node.kubernetes.io/${name}`,
      'x',
    ]);
    this.labels = { ...this.labels, ...Object.fromEntries(told), 'nvidia.com/gpu.deploy.device-plugin': 'true' };
    this.labels['nvidia.com/gpu.product'] = 'H100';
    this.annotations = {
      'nfd.node.kubernetes.io/feature-labels': 'nvidia.com/gpu.product,pci-10de.present,system-os_release.ID',
      mine: 'yes',
    };
  }

  private delete(words: readonly string[]): void {
    if (words.includes('clusterpolicies.nvidia.com')) this.objects.delete(keyOf('ClusterPolicy', 'cluster-policy'));
    for (const key of words.filter((word) => word.includes('/'))) this.objects.delete(key);
    if (!words.includes('namespace/gpu-operator')) return;
    for (const [key, { metadata }] of this.objects) if (metadata.namespace === 'gpu-operator') this.objects.delete(key);
  }

  private drop(words: readonly string[]): void {
    const map = words[0] === 'label' ? this.labels : this.annotations;
    for (const word of words.slice(3)) delete map[word.replace(/-$/, '')];
  }
}

function worldOf(api: Api): World {
  const run = async ({ argv, stdin }: { argv: readonly string[]; stdin?: unknown }) => {
    if (argv[0] === 'kubectl') return { stderr: '', ...api.run(argv.slice(3), stdin as string) };
    if (argv[2] === dropKindsScript) api.crds.clear();
    const file = argv[4]?.split('/').at(-1) ?? '';
    const pinned = operatorCrds.find(({ path }) => path.replaceAll('/', '-').endsWith(file));
    return { code: 0, stderr: '', stdout: api.crds.has(file) ? `${pinned?.sha256}\n` : '' };
  };
  const base = fakeWorld();
  return { ...base, host: { ...base.host, run } } as unknown as World;
}

async function bring(step: NodeStep, layer: Layer, api: Api): Promise<readonly string[]> {
  const world = worldOf(api);
  const actions = await step.apply(machineOf(layer), world);
  for (const action of actions) await perform(action, world, () => {});
  return actions.map(show);
}
const isDone = (step: NodeStep, layer: Layer, api: Api) => step.done(machineOf(layer), worldOf(api));

describe('from one to the other', () => {
  it('the device plugin goes before the operator comes', async () => {
    const api = new Api();
    for (const step of [gpuDevicePlugin, gpuMetrics]) await bring(step, 'device-plugin', api);
    expect(await isDone(gpuDevicePlugin, 'device-plugin', api)).toBe(true);
    const [first, ...rest] = await bring(gpuOperator, 'operator', api);
    expect(first).toMatch(
      /delete .*-n kube-system daemonset\/nvidia-device-plugin daemonset\/nvidia-dcgm-exporter service/,
    );
    expect(rest.join('\n')).not.toContain('delete');
    expect(await isDone(gpuOperator, 'operator', api)).toBe(true);
    expect(api.has('daemonset', 'nvidia-dcgm-exporter')).toBe(false);
    // Whoever has it: pods of engines name it all the while.
    expect(api.has('runtimeclass', 'nvidia')).toBe(true);
  });

  it('the operator goes first, then its policy, kinds last; and nothing of it stays', async () => {
    const api = new Api();
    const before = { ...api.labels };
    await bring(gpuOperator, 'operator', api);
    const lines = await bring(gpuDevicePlugin, 'device-plugin', api);
    const at = (piece: string): number => lines.findIndex((line) => line.includes(piece));
    const order = [
      'deployment/gpu-operator',
      'clusterpolicies.nvidia.com',
      'namespace/gpu-operator',
      'label node',
      'annotate node',
      'nodefeatures.nfd.k8s-sigs.io',
      'clusterrole/gpu-operator',
      ' apply ',
    ];
    expect(order.map(at)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(api.labels).toEqual(before);
    expect(api.annotations).toEqual({ mine: 'yes' });
    expect([...api.objects.keys()].sort()).toEqual(['daemonset/nvidia-device-plugin', 'runtimeclass/nvidia']);
    expect(api.crds.size).toBe(0);
    expect(await isDone(gpuDevicePlugin, 'device-plugin', api)).toBe(true);
    expect(await isDone(gpuOperator, 'operator', api)).toBe(false);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('cut off after %i actions, the next run ends the same', async (cut) => {
    const api = new Api();
    await bring(gpuOperator, 'operator', api);
    const world = worldOf(api);
    const actions = await gpuDevicePlugin.apply(machineOf('device-plugin'), world);
    expect(actions.length).toBeGreaterThan(8);
    for (const action of actions.slice(0, cut)) await perform(action, world, () => {});
    await bring(gpuDevicePlugin, 'device-plugin', api);
    expect([...api.objects.keys()].sort()).toEqual(['daemonset/nvidia-device-plugin', 'runtimeclass/nvidia']);
    expect(api.labels).toEqual({ 'nvidia.com/gpu.present': 'true', mine: 'yes' });
    expect(api.crds.size).toBe(0);
  });

  it.each(['device-plugin', 'operator'] as const)('%s on a bare cluster takes nothing away', async (layer) => {
    const step = layer === 'operator' ? gpuOperator : gpuDevicePlugin;
    expect((await bring(step, layer, new Api())).join('\n')).not.toContain('delete');
  });

  it("somebody else's operator is told of, and nothing is done", async () => {
    const api = new Api();
    api.foreign = true;
    await expect(bring(gpuOperator, 'operator', api)).rejects.toMatchObject({ id: 'gpu.operator', exit: 'unready' });
    expect(api.seen.filter((line) => /delete|apply/.test(line))).toEqual([]);
  });
});

describe('ready', () => {
  it.each([
    ['as the operator says', {}, true],
    ['not yet', { state: 'notReady' }, false],
    ['of a part that it has not brought yet', { brought: [] }, false],
    ['of a plugin that it has not renewed yet', { version: 'nvcr.io/nvidia/k8s-device-plugin:v0.19.0' }, false],
  ])('%s', async (_, is, ready) => {
    const api = new Api();
    await bring(gpuOperator, 'operator', api);
    expect(await isDone(gpuOperator, 'operator', Object.assign(api, is))).toBe(ready);
  });

  it('is waited for, in the words of the operator', async () => {
    const api = new Api();
    api.state = 'notReady';
    const world = worldOf(api);
    const waits = (await gpuOperator.apply(machineOf('operator'), world)).filter(({ kind }) => kind === 'wait');
    const wait = waits.find((one) => one.kind === 'wait' && one.what.en === 'the GPU operator');
    expect(wait?.kind === 'wait' && (await wait.until(world))).toMatchObject({
      en: 'states not ready: [state-device-plugin]',
    });
  });
});

test('each layer has its steps, and hosts their driver and toolkit with either', () => {
  const ids = (layer: Layer) =>
    kubernetesSteps
      .filter(({ id }) => /^(gpu|nvidia)\./.test(id))
      .filter((step) => step.needed?.(machineOf(layer)) ?? true)
      .map(({ id }) => id);
  const host = ['nvidia.driver', 'nvidia.toolkit'];
  expect(ids('device-plugin')).toEqual([...host, 'gpu.device-plugin', 'gpu.metrics']);
  expect(ids('operator')).toEqual([...host, 'gpu.operator']);
  expect(ids('none')).toEqual([]);
});

test('a bundle has what the operator brings, and the kinds', () => {
  const { images, manifests: pinned } = needsOf([gpuOperator], machineOf('operator'));
  expect(images.map((name) => name.replace(/:.*/, '')).sort()).toEqual([
    'nvcr.io/nvidia/gpu-operator',
    'nvcr.io/nvidia/k8s-device-plugin',
    'nvcr.io/nvidia/k8s/dcgm-exporter',
    'registry.k8s.io/nfd/node-feature-discovery',
  ]);
  expect(pinned).toContain(manifests.clusterPolicyCrd);
  expect(pinned).toHaveLength(4);
});

test('every part of the policy that is on names its image whole, and what hosts have of their own is off', () => {
  const [policy] = clusterPolicy();
  const spec = policy!.spec as Record<string, { enabled?: boolean; image?: string; repository?: string }>;
  expect(spec.driver).toEqual({ enabled: false });
  expect(spec.toolkit).toEqual({ enabled: false });
  const on = Object.values(spec).filter(({ enabled, image }) => enabled || image);
  expect(on).toHaveLength(4);
  for (const { image, repository } of on) {
    expect(imagesIn(`"image":"${image}"`)).toEqual([image]);
    expect(repository).toBeUndefined();
  }
  expect(imagesIn(documentsOf(operatorObjects()))).toContain(spec.validator!.image);
});

test('of the labels of a node only those go that were found out', () => {
  const labels = {
    'nvidia.com/gpu.product': 'x',
    'nvidia.com/gpu.present': 'true',
    'feature.node.kubernetes.io/mine': 'x',
  };
  const metadata = {
    name: 'a',
    labels,
    annotations: { 'nfd.node.kubernetes.io/feature-labels': 'nvidia.com/gpu.product' },
  };
  expect(discovered({ metadata })).toEqual(['nvidia.com/gpu.product']);
  expect(discovered({ metadata: { name: 'a' } })).toEqual([]);
});
