/** The cluster as its API tells it, asked by kubectl on a control plane. What a field does not say is absent. */
import type { Question } from './node-sections.js';
import { known } from './values.js';

interface Meta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface Node {
  readonly name: string;
  readonly address?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly conditions: readonly Condition[];
  readonly podCidr?: string;
  readonly kubelet?: string;
  /** As the host itself has it. */
  readonly machineId?: string;
  /** `nvidia.com/gpu` that pods can have; absent where none was ever offered. */
  readonly gpus?: number;
  readonly gpuCapacity?: number;
  readonly taints: readonly { readonly key: string; readonly effect: string }[];
  readonly unschedulable: boolean;
}

export interface DaemonSet {
  readonly name: string;
  readonly namespace: string;
  readonly desired: number;
  readonly ready: number;
  readonly runtimeClass?: string;
  readonly image: string;
}

export interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly node?: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly restarts: number;
  /** 'CrashLoopBackOff', 'ImagePullBackOff', 'Unschedulable', … of the first container that waits, or of the pod. */
  readonly waiting?: string;
  readonly message?: string;
  readonly hostNetwork: boolean;
  /** `nvidia.com/gpu` over all of its containers. */
  readonly gpus: number;
  /** A volume in memory lies at /dev/shm. */
  readonly shm: boolean;
  /** Names of the variables of its containers. */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface Objects {
  readonly nodes: readonly Node[];
  readonly daemonSets: readonly DaemonSet[];
  readonly pods: readonly Pod[];
  readonly storageClasses: readonly string[];
  readonly runtimeClasses: readonly string[];
}

// biome-ignore lint/suspicious/noExplicitAny: what kubectl prints is looked at field by field
type Raw = any;

const count = (value: unknown): number | undefined => {
  const number = Number(value);
  return value === undefined || Number.isNaN(number) ? undefined : number;
};

export const nodeOf = (raw: Raw): Node => ({
  name: (raw.metadata as Meta).name,
  labels: raw.metadata.labels ?? {},
  annotations: raw.metadata.annotations ?? {},
  conditions: raw.status?.conditions ?? [],
  taints: raw.spec?.taints ?? [],
  unschedulable: raw.spec?.unschedulable === true,
  ...known({
    address: raw.status?.addresses?.find((one: Raw) => one.type === 'InternalIP')?.address as string | undefined,
    podCidr: raw.spec?.podCIDR as string | undefined,
    kubelet: (raw.status?.nodeInfo?.kubeletVersion as string | undefined)?.replace(/^v/, ''),
    machineId: raw.status?.nodeInfo?.machineID as string | undefined,
    gpus: count(raw.status?.allocatable?.['nvidia.com/gpu']),
    gpuCapacity: count(raw.status?.capacity?.['nvidia.com/gpu']),
  }),
});

const daemonSetOf = (raw: Raw): DaemonSet => ({
  name: raw.metadata.name,
  namespace: raw.metadata.namespace,
  desired: raw.status?.desiredNumberScheduled ?? 0,
  ready: raw.status?.numberReady ?? 0,
  image: raw.spec?.template?.spec?.containers?.[0]?.image ?? '',
  ...known({ runtimeClass: raw.spec?.template?.spec?.runtimeClassName as string | undefined }),
});

function podOf(raw: Raw): Pod {
  const statuses: Raw[] = [...(raw.status?.initContainerStatuses ?? []), ...(raw.status?.containerStatuses ?? [])];
  const waiting = statuses.map((one) => one.state?.waiting).find((one) => one?.reason !== undefined);
  const unscheduled = raw.status?.conditions?.find((one: Raw) => one.type === 'PodScheduled' && one.status === 'False');
  const containers: Raw[] = raw.spec?.containers ?? [];
  const inMemory = new Set(
    (raw.spec?.volumes ?? []).filter((one: Raw) => one.emptyDir?.medium === 'Memory').map((one: Raw) => one.name),
  );
  return {
    name: raw.metadata.name,
    namespace: raw.metadata.namespace,
    phase: raw.status?.phase ?? 'Unknown',
    ready: raw.status?.conditions?.some((one: Raw) => one.type === 'Ready' && one.status === 'True') ?? false,
    restarts: statuses.reduce((sum, one) => sum + (one.restartCount ?? 0), 0),
    hostNetwork: raw.spec?.hostNetwork === true,
    gpus: containers.reduce((sum, one) => sum + (count(one.resources?.limits?.['nvidia.com/gpu']) ?? 0), 0),
    shm: containers.some((one) =>
      one.volumeMounts?.some((mount: Raw) => mount.mountPath === '/dev/shm' && inMemory.has(mount.name)),
    ),
    env: containers.flatMap((one) => (one.env ?? []).map((variable: Raw) => variable.name as string)),
    labels: raw.metadata.labels ?? {},
    ...known({
      node: raw.spec?.nodeName as string | undefined,
      waiting: (waiting?.reason ?? unscheduled?.reason) as string | undefined,
      message: (waiting?.message ?? unscheduled?.message) as string | undefined,
    }),
  };
}

const kubectl = 'kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=8s';

/** Undefined unless it is one whole document. */
export function readObjects(text: string): Objects | undefined {
  try {
    const items: Raw[] = JSON.parse(text).items;
    const of = (kind: string): Raw[] => items.filter((one) => one.kind === kind);
    return {
      nodes: of('Node').map(nodeOf),
      daemonSets: of('DaemonSet').map(daemonSetOf),
      pods: of('Pod').map(podOf),
      storageClasses: of('StorageClass').map((one) => one.metadata.name),
      runtimeClasses: of('RuntimeClass').map((one) => one.metadata.name),
    };
  } catch {
    return undefined;
  }
}

export const objects: Question<Objects> = {
  shell: `${kubectl} get nodes,daemonsets,pods,storageclasses,runtimeclasses -A -o json`,
  seconds: 20,
  read: ({ text, code }) => (code === 0 ? readObjects(text) : undefined),
};

export interface Api {
  readonly ready: boolean;
  /** What it said, or what kubectl said of it. */
  readonly says: string;
  /** '1.36.4' */
  readonly version?: string;
}

export const api: Question<Api> = {
  shell: `command -v kubectl >/dev/null && [ -r /etc/kubernetes/admin.conf ] || exit 127
${kubectl} get --raw /readyz 2>&1 | head -c 400 | tr '\\n' ' '; echo
echo "version: $(${kubectl} get --raw /version | tr -d '\\n ' | sed 's/.*"gitVersion":"v\\([^"]*\\)".*/\\1/')"`,
  seconds: 20,
  read({ text, code }) {
    const says = text.split('\n')[0]?.trim() ?? '';
    if (code !== 0 || says === '') return undefined;
    return { ready: says === 'ok', says, ...known({ version: /^version: (\d+\.\d+\.\d+)/m.exec(text)?.[1] }) };
  },
};

/** Warnings of the last hour and the last words of what tells its troubles only in its log. */
export const said: Question<Said> = {
  shell: `[ -r /etc/kubernetes/admin.conf ] || exit 127
${kubectl} get events -A --field-selector type=Warning -o 'jsonpath={range .items[*]}event {.involvedObject.namespace}/{.involvedObject.name} {.message}{"\\n"}{end}' | cut -c 1-400 | tail -n 100
${kubectl} -n kube-system logs -l k8s-app=kube-dns --tail=30 | sed 's/^/dns /'
for l in app=nvidia-device-plugin name=nvidia-device-plugin-ds app.kubernetes.io/name=nvidia-device-plugin app=nvidia-device-plugin-daemonset; do
  n=$(${kubectl} get pods -A -l "$l" -o 'jsonpath={.items[0].metadata.namespace}')
  [ -n "$n" ] && ${kubectl} -n "$n" logs -l "$l" --tail=30 | sed 's/^/plugin /'
done
${kubectl} get clusterpolicies.nvidia.com -o 'jsonpath={range .items[*]}policy {.metadata.name} {.status.state} {.status.conditions[*].message}{"\\n"}{end}' 2>/dev/null
echo asked`,
  seconds: 30,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const all = (what: string) => [...text.matchAll(new RegExp(`^${what} (.+)$`, 'gm'))].map(([, rest]) => rest!);
    return { events: all('event'), dns: all('dns'), plugin: all('plugin'), policies: all('policy') };
  },
};

export interface Said {
  /** 'namespace/name message' */
  readonly events: readonly string[];
  readonly dns: readonly string[];
  readonly plugin: readonly string[];
  /** Of GPU operators: 'cluster-policy notReady why' */
  readonly policies: readonly string[];
}
