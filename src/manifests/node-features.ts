/** Node feature discovery: each host tells what it is, and its node is labelled so. What the GPU operator finds GPUs by. */
import { versions } from '../install/pins.js';
import { account, daemonSet, deployment, field, type KubeObject } from './object.js';

const image = `registry.k8s.io/nfd/node-feature-discovery:${versions.nodeFeatures}`;
export const nodeFeatureMaster = 'nfd-master';
export const nodeFeatureWorker = 'nfd-worker';
/** On each node: the labels that it was given, by their names, divided by commas. */
export const nodeFeatureAnnotation = 'nfd.node.kubernetes.io/feature-labels';

const group = 'nfd.k8s-sigs.io';
const probe = { httpGet: { path: '/healthz', port: 'http' } };
const ports = [{ name: 'http', containerPort: 8080 }];

const securityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
};

const container = (name: string, args: readonly string[]) => ({
  name,
  image,
  command: [name],
  args,
  env: [field('NODE_NAME', 'spec.nodeName')],
  ports,
  readinessProbe: probe,
  livenessProbe: { ...probe, initialDelaySeconds: 10 },
  securityContext,
});

/** The system and the PCI devices by their vendor: 'feature.node.kubernetes.io/pci-10de.present' is a GPU of NVIDIA's. */
const workerArgs = [
  '-feature-sources=pci,system',
  '-label-sources=pci,system',
  '-options={"sources":{"pci":{"deviceLabelFields":["vendor"]}}}',
  // What a node told goes with the node; with its pod, labels would go at each restart.
  '-owner-refs=node',
];

const read = (name: string, mountPath: string) => ({ name, mountPath, readOnly: true });
const host = (name: string, path: string) => ({ name, hostPath: { path } });

/** @param others label domains that others may tell by the same way: 'nvidia.com' for GPUs by their model and memory */
export const nodeFeatures = (inNamespace: string, others: readonly string[]): readonly KubeObject[] => [
  ...account(nodeFeatureMaster, inNamespace, [
    { apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] },
    { apiGroups: [''], resources: ['nodes', 'nodes/status'], verbs: ['get', 'list', 'patch', 'update'] },
    {
      apiGroups: [group],
      resources: ['nodefeatures', 'nodefeaturerules', 'nodefeaturegroups'],
      verbs: ['get', 'list', 'watch'],
    },
    { apiGroups: [group], resources: ['nodefeaturegroups/status'], verbs: ['patch', 'update'] },
  ]),
  deployment(nodeFeatureMaster, inNamespace, {
    serviceAccountName: nodeFeatureMaster,
    priorityClassName: 'system-cluster-critical',
    tolerations: [{ operator: 'Exists' }],
    containers: [container(nodeFeatureMaster, [`-extra-label-ns=${others.join(',')}`])],
  }),
  ...account(
    nodeFeatureWorker,
    inNamespace,
    [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
    [{ apiGroups: [group], resources: ['nodefeatures'], verbs: ['get', 'create', 'update', 'delete'] }],
  ),
  daemonSet(nodeFeatureWorker, inNamespace, {
    serviceAccountName: nodeFeatureWorker,
    priorityClassName: 'system-node-critical',
    tolerations: [{ operator: 'Exists' }],
    containers: [
      {
        ...container(nodeFeatureWorker, workerArgs),
        volumeMounts: [read('sys', '/host-sys'), read('os-release', '/host-etc/os-release')],
      },
    ],
    volumes: [host('sys', '/sys'), host('os-release', '/etc/os-release')],
  }),
];
