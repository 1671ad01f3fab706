/** What offers GPUs to pods and measures them: RuntimeClass, device plugin, DCGM exporter. */
import { versions } from '../install/pins.js';
import { daemonSet, field, type KubeObject } from './object.js';

/** Where the device plugin and the exporter are that are not the operator's. */
export const gpuNamespace = 'kube-system';
export const devicePluginName = 'nvidia-device-plugin';
export const dcgmName = 'nvidia-dcgm-exporter';
/** Also of the feature discovery. */
export const devicePluginImage = `nvcr.io/nvidia/k8s-device-plugin:${versions.devicePlugin}`;
export const dcgmImage = `nvcr.io/nvidia/k8s/dcgm-exporter:${versions.dcgmExporter}`;
/** The port of DCGM's metrics. */
export const dcgmPort = 9400;

/** Set by us: without it, or NVIDIA's feature discovery, nothing of this is ever scheduled. */
export const gpuLabel = 'nvidia.com/gpu.present';

const onGpuNodes = {
  runtimeClassName: 'nvidia',
  nodeSelector: { [gpuLabel]: 'true' },
  tolerations: [{ operator: 'Exists' }],
  priorityClassName: 'system-node-critical',
};

const host = (name: string, path: string) => ({ name, hostPath: { path } });

export const devicePlugin = (): readonly KubeObject[] => [
  {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'nvidia' },
    handler: 'nvidia',
  },
  daemonSet(devicePluginName, gpuNamespace, {
    ...onGpuNodes,
    containers: [
      {
        name: 'plugin',
        image: devicePluginImage,
        env: [
          { name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' },
          { name: 'NVIDIA_DRIVER_CAPABILITIES', value: 'compute,utility' },
          { name: 'MIG_STRATEGY', value: 'none' },
          // A node without a working driver says so in the pod's state, not in silence.
          { name: 'FAIL_ON_INIT_ERROR', value: 'true' },
        ],
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        volumeMounts: [{ name: 'device-plugins', mountPath: '/var/lib/kubelet/device-plugins' }],
      },
    ],
    volumes: [host('device-plugins', '/var/lib/kubelet/device-plugins')],
  }),
];

export const dcgmExporter = (): readonly KubeObject[] => [
  daemonSet(dcgmName, gpuNamespace, {
    ...onGpuNodes,
    containers: [
      {
        name: 'exporter',
        image: dcgmImage,
        env: [
          { name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' },
          { name: 'DCGM_EXPORTER_LISTEN', value: `:${dcgmPort}` },
          // Which pod a GPU is given to.
          { name: 'DCGM_EXPORTER_KUBERNETES', value: 'true' },
          field('NODE_NAME', 'spec.nodeName'),
        ],
        ports: [{ name: 'metrics', containerPort: dcgmPort }],
        // Profiling fields (how busy the tensor cores are) want it.
        securityContext: { runAsUser: 0, capabilities: { add: ['SYS_ADMIN'] } },
        volumeMounts: [{ name: 'pod-resources', readOnly: true, mountPath: '/var/lib/kubelet/pod-resources' }],
      },
    ],
    volumes: [host('pod-resources', '/var/lib/kubelet/pod-resources')],
  }),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: dcgmName,
      namespace: gpuNamespace,
      labels: { app: dcgmName },
      annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(dcgmPort) },
    },
    spec: { selector: { app: dcgmName }, ports: [{ name: 'metrics', port: dcgmPort, targetPort: 'metrics' }] },
  },
];
