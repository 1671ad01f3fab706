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
  readonly verbs: readonly string[];
}

/** An account, and what it may do in the whole cluster. */
export function account(name: string, inNamespace: string, rules: readonly Rule[]): readonly KubeObject[] {
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
  const api = 'rbac.authorization.k8s.io/v1';
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: inNamespace } },
    { apiVersion: api, kind: 'ClusterRole', metadata: { name }, rules },
    {
      apiVersion: api,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: role,
      subjects: [{ kind: 'ServiceAccount', name, namespace: inNamespace }],
    },
  ];
}

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
