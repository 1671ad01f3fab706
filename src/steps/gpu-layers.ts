/** What offers GPUs to pods is one thing at a time: how each of the two is taken away before the other comes. */
import { manifests, type Pinned } from '../install/pins.js';
import { dcgmExporter, devicePlugin, gpuNamespace } from '../manifests/gpu.js';
import { gpuOperator, operatorName, operatorNamespace, policyName } from '../manifests/gpu-operator.js';
import { nodeFeatureAnnotation } from '../manifests/node-features.js';
import { type KubeObject, managedBy } from '../manifests/object.js';
import type { Action } from '../plan/step.js';
import type { World } from '../world.js';
import { asRoot, kubectl, run } from './at-node.js';

/** The kinds of the GPU operator and of node feature discovery; an object of a kind that is not defined is refused. */
export const operatorCrds: readonly Pinned[] = [
  manifests.nodeFeatureCrds,
  manifests.clusterPolicyCrd,
  manifests.gpuClusterCrd,
  manifests.nvidiaDriverCrd,
];

export const policyKind = 'clusterpolicies.nvidia.com';
const takeMs = 5 * 60_000;

/** Until what it owns is gone too: a DaemonSet with its pods. */
const take = (...words: readonly string[]): Action =>
  run(kubectl(['delete', '--ignore-not-found', '--cascade=foreground', '--wait', ...words], undefined, takeMs));

const linesOf = async (world: World, ...words: readonly string[]): Promise<readonly string[]> => {
  const { code, stdout } = await world.host.run(kubectl(words));
  return code === 0 ? stdout.split('\n').filter(Boolean) : [];
};

/** Our own device plugin and exporter; the runtime class stays, both have it. */
const pluginParts: readonly string[] = [...devicePlugin(), ...dcgmExporter()]
  .filter(({ metadata }) => metadata.namespace === gpuNamespace)
  .map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`);

/** 'daemonset.apps/a' as kubectl names it, without the group. */
const plain = (name: string): string => name.replace(/^(\w+)\.[\w.]+\//, '$1/');

/** Nothing where nothing of it is there, or it is not ours. */
export async function withoutPlugin(world: World): Promise<readonly Action[]> {
  const words = ['-n', gpuNamespace, 'get', 'daemonset,service', '-l', managedBy, '-o', 'name'];
  const there = (await linesOf(world, ...words)).map(plain).filter((name) => pluginParts.includes(name));
  return there.length === 0 ? [] : [take('-n', gpuNamespace, ...there)];
}

interface Node {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

const domain = 'feature.node.kubernetes.io';

/** The labels of a node that feature discovery and the operator have set: what each has written down, and its own. */
export function discovered({ metadata: { labels = {}, annotations = {} } }: Node): readonly string[] {
  const told = (annotations[nodeFeatureAnnotation] ?? '')
    .split(',')
    .map((name) => (name.includes('/') ? name : `${domain}/${name}`));
  return Object.keys(labels).filter((key) => told.includes(key) || key.startsWith('nvidia.com/gpu.deploy.'));
}

const isNoted = (key: string): boolean => key.startsWith('nfd.node.kubernetes.io/');

function sweep(node: Node): readonly Action[] {
  const change = (verb: string, keys: readonly string[]): readonly Action[] =>
    keys.length === 0 ? [] : [run(kubectl([verb, 'node', node.metadata.name, ...keys.map((key) => `${key}-`)]))];
  return [
    ...change('label', discovered(node)),
    ...change('annotate', Object.keys(node.metadata.annotations ?? {}).filter(isNoted)),
  ];
}

const ownRole = `clusterrole/${operatorName}`;

/** Roles and their bindings lie outside of the namespace. The operator's role says that one of ours was here: it is last. */
const outside = (objects: readonly KubeObject[]): readonly string[] => [
  ...objects
    .filter(({ kind }) => /^ClusterRole(Binding)?$/.test(kind))
    .map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`)
    .filter((name) => name !== ownRole),
  ownRole,
];

/** Kinds go last, and only those of which nobody has an object: with a kind its objects would go. $@: by their names. */
export const dropKindsScript = `set -eu
export KUBECONFIG=/etc/kubernetes/admin.conf
for kind do
  kubectl get crd "$kind" >/dev/null 2>&1 || continue
  [ -n "$(kubectl get "$kind" -A -o name)" ] || kubectl delete crd "$kind" --wait
done`;

const kinds = [
  policyKind,
  'gpuclusters.nvidia.com',
  'nvidiadrivers.nvidia.com',
  'nodefeatures.nfd.k8s-sigs.io',
  'nodefeaturerules.nfd.k8s-sigs.io',
  'nodefeaturegroups.nfd.k8s-sigs.io',
];

/** The operator before its policy: it would bring back at once what goes with that. Nothing where it is not ours. */
export async function withoutOperator(world: World): Promise<readonly Action[]> {
  if (!(await linesOf(world, 'get', 'clusterrole', '-l', managedBy, '-o', 'name')).map(plain).includes(ownRole))
    return [];
  const { code, stdout } = await world.host.run(kubectl(['get', 'nodes', '-o', 'json']));
  const nodes = code === 0 ? (JSON.parse(stdout) as { readonly items: readonly Node[] }).items : [];
  const policies = await linesOf(world, 'get', policyKind, '-l', managedBy, '-o', 'name');
  return [
    take('-n', operatorNamespace, `deployment/${operatorName}`),
    ...(policies.length > 0 ? [take(policyKind, policyName)] : []),
    take(`namespace/${operatorNamespace}`),
    ...nodes.flatMap(sweep),
    run(asRoot(dropKindsScript, kinds, takeMs)),
    take(...outside(gpuOperator())),
  ];
}
