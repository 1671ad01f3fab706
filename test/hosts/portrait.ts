/** All that an install leaves on hosts and in their cluster, in words that two installs alike have in common. */
import type { Stage } from './stage.js';

/** $1, $2: what is this network's and this mirror's own. Keys, certificates and what holds them have no content here. */
const hostScript = (own: readonly (readonly [RegExp, string])[]): string => {
  const words = own.map(([pattern, word]) => `s,${pattern.source},${word},g`).join(';');
  return `
section() { sed "s,^,$1: ,"; }
dpkg-query -W -f '\${db:Status-Status} \${Package} \${Version}\\n' | section package
apt-mark showhold | section held
apt-mark showmanual | section 'asked for'
sort /var/lib/deepseek-deploy/packages | section 'brought by us'
systemctl list-unit-files --no-legend --plain --state=enabled,masked | awk '{print $2, $1}' | section unit
systemctl list-units --failed --no-legend --plain | awk '{print $1}' | section failed
ls -d /run/deepseek-deploy* 2>/dev/null | section 'left over'
find /etc /opt /usr/local /root /var/lib/deepseek-deploy /var/lib/kubelet/*.* -xdev \\( -type f -o -type l \\) \\
  -not -path '/etc/ssh/ssh_host_*' -not -name machine-id -not -path '*/.ssh/*' -not -path '*cache*' -not -path /etc/mtab |
while read -r file; do
  case $file in
    */journal.ndjson|*/cpu_manager_state|*/memory_manager_state) continue ;;
    /etc/kubernetes/*.conf|/etc/kubernetes/pki/*|*/keyrings/*|*/.gnupg/*|/var/lib/kubelet/pki/*) is=secret ;;
    *) is=$(sed '${words}' "$file" | sha256sum | cut -c1-12) ;;
  esac
  echo "$(stat -c '%a %U:%G' "$file") $is $file"
done | section file
find /etc/cni /etc/kubernetes /var/lib/etcd -xdev -type d | section folder`;
};

const kinds = [
  'nodes,namespaces,daemonsets,deployments,services,configmaps,serviceaccounts',
  'roles,rolebindings,clusterroles,clusterrolebindings,runtimeclasses,storageclasses,priorityclasses',
].join(',');

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Of the moment or of the machine: other in each install. */
const passing =
  /^(uid|resourceVersion|creationTimestamp|generation|managedFields|selfLink|status|clusterIPs?|podCIDRs?|secrets|flannel\.alpha.*|volumes\.kubernetes.*|.*last-applied-configuration|jws-kubeconfig-.*)$/;

const settled = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(settled);
  if (typeof value === 'string') return /-----BEGIN|certificate-authority-data/.test(value) ? 'secret' : value;
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([key]) => !passing.test(key));
  return Object.fromEntries(entries.map(([key, one]) => [key, settled(one)]).sort(([a], [b]) => (a! < b! ? -1 : 1)));
};

interface Item {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

function objectLines(text: string): string[] {
  const { items } = JSON.parse(text) as { readonly items: readonly Item[] };
  return items.map((item) => {
    const { kind, metadata } = item;
    return `${kind} ${metadata.namespace ?? ''}/${metadata.name}: ${JSON.stringify(settled(item as never))}`;
  });
}

interface Pod {
  readonly metadata: { readonly namespace: string; readonly generateName?: string; readonly name: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase: string };
}

/** Pods by what made them; where those of a Deployment run is the scheduler's. */
const podLines = (text: string): string[] =>
  (JSON.parse(text) as { readonly items: readonly Pod[] }).items.map(({ metadata, spec, status }) => {
    const { namespace, generateName, name } = metadata;
    const anywhere = /-[0-9a-f]{8,10}-$/.test(generateName ?? '');
    const made = anywhere ? generateName!.replace(/[0-9a-f]{8,10}-$/, '') : (generateName ?? name);
    return `pod ${namespace}/${made} ${anywhere ? '' : spec.nodeName} ${status.phase}`;
  });

const kubectl = 'kubectl --kubeconfig /etc/kubernetes/admin.conf';

/** One line a thing, each with the name of its host; sorted. */
export async function portrait({ machines, mirror, hosts, on }: Stage): Promise<string[]> {
  const network = machines[0]!.address.replace(/\d+$/, '');
  const escaped = network.replaceAll('.', '\\.');
  const port = new URL(mirror.address).port;
  const own = [
    [new RegExp(`${escaped}1:${port}`), 'MIRROR'],
    [new RegExp(escaped), 'NET.'],
    [new RegExp(mirror.fingerprint), 'KEY'],
  ] as const;
  const plain = (line: string): string =>
    own.reduce((text, [pattern, word]) => text.replace(new RegExp(pattern, 'g'), word), line);
  const told = await on(hostScript(own));
  const ask = async (what: string): Promise<string> => {
    const { stdout } = await hosts[0]!.run({
      argv: ['sh', '-c', `${kubectl} get ${what} -A -o json`],
      timeoutMs: 60_000,
    });
    return stdout;
  };
  const ofHosts = told.flatMap((text, at) =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => `${machines[at]!.name} ${line}`),
  );
  return [...ofHosts, ...objectLines(await ask(kinds)), ...podLines(await ask('pods'))].map(plain).sort();
}

/** What one has and the other lacks, both ways; nothing where they are alike. */
export const differences = (undisturbed: readonly string[], other: readonly string[]): string[] => [
  ...undisturbed.filter((line) => !other.includes(line)).map((line) => `- ${line}`),
  ...other.filter((line) => !undisturbed.includes(line)).map((line) => `+ ${line}`),
];
