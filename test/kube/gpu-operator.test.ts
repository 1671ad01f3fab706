/**
 * GPUs by the operator as our steps install it, on a real API server. Node feature discovery is run for real, and so is
 * the operator, where DEEPSEEK_DEPLOY_TEST_GPU_OPERATOR names a folder with it: gpu-operator (the program), opt (what
 * its image has in /opt/gpu-operator) and crds (the manifests of its kinds).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterPolicy } from '../../src/manifests/gpu-operator.js';
import { nodeFeatures } from '../../src/manifests/node-features.js';
import { documentsOf, namespace } from '../../src/manifests/object.js';
import { perform } from '../../src/plan/perform.js';
import { applyObjects, applyPinned } from '../../src/steps/applied.js';
import { gpuDevicePlugin, gpuMetrics } from '../../src/steps/gpu.js';
import { operatorCrds } from '../../src/steps/gpu-layers.js';
import { gpuOperator } from '../../src/steps/gpu-operator.js';
import type { NodeStep } from '../../src/steps/machine.js';
import { askedBy } from './control-plane.js';
import { type GpuCluster, gpuCluster, missing, missingOperator, node, plain } from './gpu-cluster.js';

for (const [what, lacks] of [
  ['node feature discovery', missing],
  ['the GPU operator', missingOperator],
] as const)
  if (lacks.length > 0) console.warn(`\n*** ${what} did not run; missing: ${lacks.join('; ')} ***\n`);

const soon = async <T>(what: () => T | Promise<T>, good: (is: T) => boolean, seconds = 60): Promise<T> => {
  for (let i = 0; i < seconds * 5; i += 1) {
    const is = await what();
    if (good(is)) return is;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return what();
};

describe.skipIf(missing.length > 0)('node feature discovery', () => {
  let cluster: GpuCluster;
  beforeAll(async () => {
    cluster = await gpuCluster();
  });
  afterAll(() => cluster?.close());

  it('labels nodes by what their hosts are, with the rights and mounts that it has from us', async () => {
    const space = 'features';
    const objects = [namespace(space, 'privileged'), ...nodeFeatures(space, ['nvidia.com'])];
    const [crds] = operatorCrds;
    for (const action of [...applyPinned(crds!, cluster.machine('operator')), applyObjects(objects)])
      await perform(action, cluster.world, () => {});
    const labels = (of: string) => (cluster.json('get', 'node', of).metadata.labels ?? {}) as Record<string, string>;
    const found = await soon(
      () => [labels(node), labels(plain)] as const,
      (both) => both.every((one) => 'feature.node.kubernetes.io/system-os_release.ID' in one),
    );
    expect(found[0]).toMatchObject({
      'feature.node.kubernetes.io/pci-10de.present': 'true',
      'feature.node.kubernetes.io/system-os_release.ID': 'debian',
      'feature.node.kubernetes.io/system-os_release.VERSION_ID': '12',
    });
    expect(found[1]).not.toHaveProperty(['feature.node.kubernetes.io/pci-10de.present']);
    // As the GPU feature discovery tells what it has found.
    const metadata = { name: `gpus-${node}`, namespace: space, labels: { 'nfd.node.kubernetes.io/node-name': node } };
    const told = { features: {}, labels: { 'nvidia.com/gpu.product': 'H100', 'example.com/mine': 'x' } };
    cluster.create(
      JSON.stringify({ apiVersion: 'nfd.k8s-sigs.io/v1alpha1', kind: 'NodeFeature', metadata, spec: told }),
    );
    const product = () => labels(node)['nvidia.com/gpu.product'];
    expect(await soon(product, (is) => is !== undefined)).toBe('H100');
    const asked = askedBy(cluster.plane, space);
    expect(asked.map(({ said }) => said)).toEqual(
      expect.arrayContaining(['nfd-worker create nodefeatures', 'nfd-master patch nodes']),
    );
    expect(asked.filter(({ refused }) => refused)).toEqual([]);
  });
});

describe.skipIf(missing.length + missingOperator.length > 0)('the GPU operator', () => {
  let cluster: GpuCluster;
  beforeAll(async () => {
    cluster = await gpuCluster();
  });
  afterAll(() => cluster?.close());

  type Layer = 'operator' | 'device-plugin';
  const stepsOf = (layer: Layer): readonly NodeStep[] =>
    layer === 'operator' ? [gpuOperator] : [gpuDevicePlugin, gpuMetrics];
  const done = async (layer: Layer): Promise<boolean> => {
    const all = stepsOf(layer).map((step) => step.done(cluster.machine(layer), cluster.world));
    return (await Promise.all(all)).every(Boolean);
  };
  async function bring(layer: Layer): Promise<number> {
    const started = performance.now();
    for (const step of stepsOf(layer))
      for (const action of await step.apply(cluster.machine(layer), cluster.world))
        await perform(action, cluster.world, () => {}).catch((error: unknown) => {
          console.warn(cluster.log());
          throw error;
        });
    return Math.round((performance.now() - started) / 100) / 10;
  }
  const refused = () => askedBy(cluster.plane, 'gpu-operator').filter((one) => one.refused);
  const sets = () =>
    (cluster.json('-n', 'gpu-operator', 'get', 'daemonsets').items as Record<string, never>[]).map((set) => {
      const { metadata, spec } = set as unknown as {
        metadata: { name: string };
        spec: { template: { spec: { runtimeClassName?: string; containers: { image: string }[] } } };
      };
      const { runtimeClassName, containers } = spec.template.spec;
      return `${metadata.name} ${runtimeClassName} ${containers.map(({ image }) => image.split(':')[0]).join(' ')}`;
    });
  const left = () =>
    cluster.plane
      .kubectl('get', 'namespaces,crds,clusterroles,clusterrolebindings,runtimeclasses,daemonsets', '-A', '-o', 'name')
      .split('\n')
      .filter((name) => /nvidia|nfd|gpu/.test(name));

  it('comes in place of the device plugin, takes our policy, and brings what we expect', async () => {
    await bring('device-plugin');
    expect(await done('device-plugin')).toBe(true);
    expect(await done('operator')).toBe(false);
    console.log(`the operator is ready after ${await bring('operator')} s`);
    expect(await done('operator')).toBe(true);
    expect(sets()).toEqual([
      'gpu-feature-discovery nvidia nvcr.io/nvidia/k8s-device-plugin',
      'nfd-worker undefined registry.k8s.io/nfd/node-feature-discovery',
      'nvidia-dcgm-exporter nvidia nvcr.io/nvidia/k8s/dcgm-exporter',
      'nvidia-device-plugin-daemonset nvidia nvcr.io/nvidia/k8s-device-plugin',
      // For sharing a GPU, on nodes that are labelled so: on none.
      'nvidia-device-plugin-mps-control-daemon nvidia nvcr.io/nvidia/k8s-device-plugin',
      'nvidia-operator-validator nvidia nvcr.io/nvidia/gpu-operator',
    ]);
    expect(refused()).toEqual([]);
    expect(cluster.most.plugins).toBe(1);
    expect(left()).not.toContain('daemonset.apps/nvidia-device-plugin');
  });

  it('is ready only while what it brought is', async () => {
    const state = () =>
      cluster.plane.kubectl('get', 'clusterpolicy', 'cluster-policy', '-o', 'jsonpath={.status.state}');
    cluster.sicken('nvidia-operator-validator', true);
    cluster.touchPolicy();
    expect(await soon(state, (is) => is === 'notReady')).toBe('notReady');
    expect(await done('operator')).toBe(false);
    cluster.sicken('nvidia-operator-validator', false);
    expect(await soon(state, (is) => is === 'ready')).toBe('ready');
    expect(await soon(() => done('operator'), Boolean)).toBe(true);
  });

  it('keeps fields of the policy that others set, and takes its own back', async () => {
    const patch = (spec: object) =>
      cluster.plane.kubectl('patch', 'clusterpolicy', 'cluster-policy', '--type=merge', '-p', JSON.stringify({ spec }));
    patch({ daemonsets: { annotations: { mine: 'yes' } } });
    expect(await soon(() => done('operator'), Boolean)).toBe(true);
    patch({ dcgmExporter: { enabled: false } });
    expect(await done('operator')).toBe(false);
    await bring('operator');
    expect(await done('operator')).toBe(true);
    expect(cluster.json('get', 'clusterpolicy', 'cluster-policy').spec).toMatchObject({
      daemonsets: { annotations: { mine: 'yes' } },
      dcgmExporter: { enabled: true },
    });
  });

  it('a right that it lacks is seen, and given back', async () => {
    const role = cluster.json('get', 'clusterrole', 'gpu-operator') as { rules: { resources: string[] }[] };
    const less = role.rules.filter(({ resources }) => !resources.includes('runtimeclasses'));
    cluster.plane.kubectl(
      'patch',
      'clusterrole',
      'gpu-operator',
      '--type=merge',
      '-p',
      JSON.stringify({ rules: less }),
    );
    cluster.plane.kubectl('-n', 'gpu-operator', 'delete', 'pod', '-l', 'app=gpu-operator', '--wait=false');
    expect((await soon(refused, ({ length }) => length > 0)).map(({ said }) => said).join()).toContain(
      'runtimeclasses',
    );
    expect(await done('operator')).toBe(false);
    await bring('operator');
    expect(await done('operator')).toBe(true);
  });

  it('goes before the device plugin comes, and nothing of it stays', async () => {
    console.log(`the device plugin is back after ${await bring('device-plugin')} s`);
    expect(await done('device-plugin')).toBe(true);
    expect(cluster.most.plugins).toBe(1);
    expect(left()).toEqual([
      'runtimeclass.node.k8s.io/nvidia',
      'daemonset.apps/nvidia-dcgm-exporter',
      'daemonset.apps/nvidia-device-plugin',
    ]);
    const { labels, annotations } = cluster.json('get', 'node', node).metadata;
    expect(Object.keys(labels).filter((key) => /nvidia|feature/.test(key))).toEqual(['nvidia.com/gpu.present']);
    expect(Object.keys(annotations).filter((key) => /nfd/.test(key))).toEqual([]);
  });

  it("leaves alone what is somebody else's: a policy, and kinds that have objects", async () => {
    for (const crd of operatorCrds)
      for (const action of applyPinned(crd, cluster.machine('operator')))
        await perform(action, cluster.world, () => {});
    const theirs = documentsOf(clusterPolicy())
      .replaceAll('deepseek-deploy', 'helm')
      .replace('cluster-policy', 'theirs');
    cluster.plane.kubectl('wait', '--for=condition=Established', 'crd/clusterpolicies.nvidia.com', '--timeout=30s');
    cluster.create(theirs);
    await expect(bring('operator')).rejects.toMatchObject({ id: 'gpu.operator' });
    expect(await done('device-plugin')).toBe(true);
    cluster.plane.kubectl('delete', 'clusterpolicy', 'theirs');
    await bring('operator');
    const rule = {
      apiVersion: 'nfd.k8s-sigs.io/v1alpha1',
      kind: 'NodeFeatureRule',
      metadata: { name: 'theirs' },
      spec: { rules: [] },
    };
    cluster.create(JSON.stringify(rule));
    await bring('device-plugin');
    expect(left().filter((name) => /^customresourcedefinition/.test(name))).toEqual([
      'customresourcedefinition.apiextensions.k8s.io/nodefeaturerules.nfd.k8s-sigs.io',
    ]);
    expect(cluster.most.plugins).toBe(1);
  });
});
