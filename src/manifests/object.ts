/** Objects of a cluster as values, and as the text that kubectl takes. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

const managed = { 'app.kubernetes.io/managed-by': 'deepseek-deploy' };
/** Selects what is ours. */
export const managedBy = 'app.kubernetes.io/managed-by=deepseek-deploy';
export const notOurs = 'app.kubernetes.io/managed-by!=deepseek-deploy';

/** JSON documents, each labelled as ours. */
export const documentsOf = (objects: readonly KubeObject[]): string =>
  objects
    .map((one) => ({ ...one, metadata: { ...one.metadata, labels: { ...one.metadata.labels, ...managed } } }))
    .map((one) => JSON.stringify(one))
    .join('\n---\n');

/** The images that a manifest names, in JSON or YAML, also within texts of it. */
export const imagesIn = (text: string): string[] => [
  ...new Set(
    [...text.matchAll(/\bimage\\*["']?: *\\*["']?([\w.-]+\.[\w.-]+\/[\w./-]+:[\w.-]+)/g)].map(([, name]) => name!),
  ),
];

/** @param enforce the Pod Security level: pods that belong to the host itself are 'privileged' */
export const namespace = (name: string, enforce: 'privileged' | 'baseline'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': enforce } },
});

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** The value of a field of the pod itself, in its environment. */
export const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });

const rbac = 'rbac.authorization.k8s.io';

/** What a role may do, given to one account: in the whole cluster, or in the account's own namespace. */
function granted(name: string, inNamespace: string, rules: readonly Rule[], where: 'Cluster' | ''): KubeObject[] {
  const metadata = where === '' ? { name, namespace: inNamespace } : { name };
  return [
    { apiVersion: `${rbac}/v1`, kind: `${where}Role`, metadata, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: `${where}RoleBinding`,
      metadata,
      roleRef: { apiGroup: rbac, kind: `${where}Role`, name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: inNamespace }],
    },
  ];
}

/** @param rules what it may do in the whole cluster @param within and what in its own namespace alone */
export const account = (
  name: string,
  inNamespace: string,
  rules: readonly Rule[],
  within: readonly Rule[] = [],
): readonly KubeObject[] => [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: inNamespace } },
  ...(rules.length > 0 ? granted(name, inNamespace, rules, 'Cluster') : []),
  ...(within.length > 0 ? granted(name, inNamespace, within, '') : []),
];

/** One pod of it, on any node. */
export const deployment = (name: string, inNamespace: string, pod: object): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: inNamespace },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: pod },
  },
});

/** A pod of it on each node that the pod's own selector allows. */
export const daemonSet = (name: string, inNamespace: string, pod: object): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name, namespace: inNamespace },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: pod },
  },
});
