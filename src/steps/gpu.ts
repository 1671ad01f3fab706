/** GPUs offered to pods, and measured. */
import { dcgmExporter, dcgmName, devicePlugin, devicePluginName } from '../manifests/gpu.js';
import type { Action } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { applyObjects, areRunning, bringsObjects } from './applied.js';
import { withoutOperator } from './gpu-layers.js';
import type { Machine, NodeStep } from './machine.js';
import { nodesNow } from './nodes.js';
import { untilRolledOut, type Workload } from './workloads.js';

const wanted = ({ cluster }: Machine): boolean =>
  cluster.settings.gpuLayer === 'device-plugin' && cluster.machines.some(({ gpu }) => gpu);

const workload = (name: string): Workload => ({ namespace: 'kube-system', name: `daemonset/${name}` });
const plugin = workload(devicePluginName);
const exporter = workload(dcgmName);

/** The GPU hosts that offer none yet: their kubelet tells a moment after the plugin has told it. */
async function offeringNone({ cluster }: Machine, world: World): Promise<readonly string[]> {
  const nodes = await nodesNow(world);
  const offering = nodes.filter(({ gpus = 0 }) => gpus > 0).map(({ name }) => name);
  return cluster.machines.filter(({ name, gpu }) => gpu && !offering.includes(name)).map(({ name }) => name);
}

export const offersAll = async (machine: Machine, world: World): Promise<boolean> =>
  (await offeringNone(machine, world)).length === 0;

export const untilOffered = (machine: Machine): Action => ({
  kind: 'wait',
  what: say('GPUs in the cluster', '集群中的 GPU'),
  timeoutMs: 120_000,
  until: async (world) => {
    const names = await offeringNone(machine, world);
    return names.length === 0 || say(`no GPU from ${names.join(', ')}`, `${names.join('、')} 未提供 GPU`);
  },
});

export const gpuDevicePlugin: NodeStep = {
  id: 'gpu.device-plugin',
  title: say('GPUs offered to pods: the device plugin', '向 Pod 提供 GPU：device plugin'),
  on: 'first',
  after: ['kubeadm.join', 'nvidia.toolkit'],
  needed: wanted,
  brings: () => bringsObjects(devicePlugin()),
  async done(machine, world) {
    const both = await Promise.all([areRunning(devicePlugin(), plugin, world), offersAll(machine, world)]);
    return both.every(Boolean);
  },
  apply: async (machine, world) => [
    ...(await withoutOperator(world)),
    applyObjects(devicePlugin()),
    untilRolledOut(plugin),
    untilOffered(machine),
  ],
};

export const gpuMetrics: NodeStep = {
  id: 'gpu.metrics',
  title: say('GPU metrics: the DCGM exporter', 'GPU 指标：DCGM exporter'),
  on: 'first',
  after: ['kubeadm.join', 'nvidia.toolkit'],
  needed: wanted,
  brings: () => bringsObjects(dcgmExporter()),
  done: (_, world) => areRunning(dcgmExporter(), exporter, world),
  apply: async () => [applyObjects(dcgmExporter()), untilRolledOut(exporter)],
};
