/**
 * NVIDIA's GPU operator, for hosts that have driver and container toolkit already: its controller, what it may do, and
 * the policy that says what it is to bring. The kinds of its objects are its authors' own manifests (install/pins.ts).
 */
import { versions } from '../install/pins.js';
import { dcgmImage, devicePluginImage } from './gpu.js';
import { nodeFeatures } from './node-features.js';
import { account, deployment, field, type KubeObject, namespace, type Rule } from './object.js';

export const operatorNamespace = 'gpu-operator';
export const operatorName = 'gpu-operator';
/** The operator acts by one policy only. */
export const policyName = 'cluster-policy';
export const operatorPlugin = 'nvidia-device-plugin-daemonset';
/** The DaemonSets that it brings by our policy, by the names that it gives them. */
export const operands = [
  operatorPlugin,
  'nvidia-operator-validator',
  'gpu-feature-discovery',
  'nvidia-dcgm-exporter',
] as const;

/** The operator, and what checks driver, runtime, plugin and CUDA on each node. */
const image = `nvcr.io/nvidia/gpu-operator:${versions.gpuOperator}`;

const reads = ['get', 'list', 'watch'];
const keeps = [...reads, 'create', 'update', 'patch', 'delete'];
const kinds = (names: readonly string[]): readonly string[] =>
  names.flatMap((name) => [name, `${name}/finalizers`, `${name}/status`]);

/** Nobody may give rights that he lacks: some of these it passes on to what it brings. */
const inCluster: readonly Rule[] = [
  {
    apiGroups: ['nvidia.com'],
    resources: kinds(['clusterpolicies', 'gpuclusters', 'nvidiadrivers']),
    verbs: keeps,
  },
  { apiGroups: [''], resources: ['nodes'], verbs: [...reads, 'update', 'patch'] },
  { apiGroups: [''], resources: ['pods'], verbs: reads },
  { apiGroups: ['apps'], resources: ['daemonsets'], verbs: reads },
  { apiGroups: ['rbac.authorization.k8s.io'], resources: ['clusterroles', 'clusterrolebindings'], verbs: keeps },
  { apiGroups: ['node.k8s.io'], resources: ['runtimeclasses'], verbs: keeps },
  { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'], verbs: reads },
  // It asks whether this is OpenShift; and gives its pods a right that only OpenShift knows.
  { apiGroups: ['config.openshift.io'], resources: ['clusterversions'], verbs: ['get'] },
  {
    apiGroups: ['security.openshift.io'],
    resources: ['securitycontextconstraints'],
    resourceNames: ['privileged'],
    verbs: ['use'],
  },
];

const within: readonly Rule[] = [
  { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'], verbs: keeps },
  { apiGroups: ['apps'], resources: ['daemonsets'], verbs: keeps },
  { apiGroups: ['apps'], resources: ['controllerrevisions'], verbs: reads },
  { apiGroups: [''], resources: ['configmaps', 'pods', 'services', 'serviceaccounts'], verbs: keeps },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update'] },
  { apiGroups: ['nfd.k8s-sigs.io'], resources: ['nodefeatures'], verbs: [...reads, 'create', 'update'] },
];

const probe = (path: string) => ({ httpGet: { path, port: 8081 }, periodSeconds: 10 });

/** Its kinds must be known before: without them it ends at once. */
export const gpuOperator = (): readonly KubeObject[] => [
  namespace(operatorNamespace, 'privileged'),
  ...nodeFeatures(operatorNamespace, ['nvidia.com']),
  ...account(operatorName, operatorNamespace, inCluster, within),
  deployment(operatorName, operatorNamespace, {
    serviceAccountName: operatorName,
    priorityClassName: 'system-cluster-critical',
    tolerations: [{ operator: 'Exists' }],
    containers: [
      {
        name: operatorName,
        image,
        command: ['gpu-operator'],
        args: ['--leader-elect'],
        env: [field('OPERATOR_NAMESPACE', 'metadata.namespace')],
        ports: [{ name: 'metrics', containerPort: 8080 }],
        readinessProbe: probe('/readyz'),
        livenessProbe: { ...probe('/healthz'), initialDelaySeconds: 15 },
      },
    ],
  }),
];

const off = { enabled: false };
/** Without repository and version the operator takes the whole name from here. */
const brought = (name: string) => ({ enabled: true, image: name, imagePullPolicy: 'IfNotPresent' });

/**
 * The driver and the toolkit are the hosts' own. As with our own device plugin, pods name the runtime class `nvidia` and
 * get their devices by it: with CDI an image that asks for all devices would be given all of them under that class.
 */
export const clusterPolicy = (): readonly KubeObject[] => [
  {
    apiVersion: 'nvidia.com/v1',
    kind: 'ClusterPolicy',
    metadata: { name: policyName },
    spec: {
      operator: { runtimeClass: 'nvidia' },
      daemonsets: { priorityClassName: 'system-node-critical', tolerations: [{ operator: 'Exists' }] },
      cdi: off,
      driver: off,
      toolkit: off,
      devicePlugin: brought(devicePluginImage),
      gfd: brought(devicePluginImage),
      dcgm: off,
      dcgmExporter: { ...brought(dcgmImage), serviceMonitor: off },
      validator: { image, imagePullPolicy: 'IfNotPresent' },
      mig: { strategy: 'none' },
      migManager: off,
      nodeStatusExporter: off,
      sandboxWorkloads: off,
    },
  },
];
