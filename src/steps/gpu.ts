/** GPUs offered to pods, and measured. */
import { dcgmExporter, dcgmName, devicePlugin, devicePluginName } from '../manifests/gpu.js';
import type { KubeObject } from '../manifests/object.js';
import { say, type Text } from '../say.js';
import { applyObjects, areRunning, untilRolledOut, type Workload } from './applied.js';
import type { Machine, NodeStep } from './machine.js';

const wanted = ({ cluster }: Machine): boolean =>
  cluster.settings.gpuLayer === 'device-plugin' && cluster.machines.some(({ gpu }) => gpu);

const gpuStep = (id: string, title: Text, objects: readonly KubeObject[], name: string): NodeStep => {
  const workload: Workload = { namespace: 'kube-system', name: `daemonset/${name}` };
  return {
    id,
    title,
    on: 'first',
    after: ['kubeadm.join', 'nvidia.toolkit'],
    needed: wanted,
    done: (_, world) => areRunning(objects, workload, world),
    apply: async () => [applyObjects(objects), untilRolledOut(workload)],
  };
};

export const gpuDevicePlugin = gpuStep(
  'gpu.device-plugin',
  say('GPUs offered to pods: the device plugin', '向 Pod 提供 GPU：device plugin'),
  devicePlugin(),
  devicePluginName,
);

export const gpuMetrics = gpuStep(
  'gpu.metrics',
  say('GPU metrics: the DCGM exporter', 'GPU 指标：DCGM exporter'),
  dcgmExporter(),
  dcgmName,
);
