/** What the kernel must have and allow so that pods run and reach one another. */

/** br_netfilter: kubeadm no longer checks it (since 1.30), and flannel does not start without it. */
export const modules = ['overlay', 'br_netfilter'] as const;

export interface Sysctl {
  readonly key: string;
  readonly value: number;
  /** More is as good. */
  readonly least?: true;
}

export const sysctls: readonly Sysctl[] = [
  { key: 'net.ipv4.ip_forward', value: 1 },
  { key: 'net.bridge.bridge-nf-call-iptables', value: 1 },
  { key: 'net.bridge.bridge-nf-call-ip6tables', value: 1 },
  { key: 'fs.inotify.max_user_instances', value: 8192, least: true },
  { key: 'fs.inotify.max_user_watches', value: 1_048_576, least: true },
  // Engines map weights in many pieces.
  { key: 'vm.max_map_count', value: 262_144, least: true },
];

export const modulesFile = '/etc/modules-load.d/deepseek-deploy.conf';
export const sysctlFile = '/etc/sysctl.d/99-deepseek-deploy.conf';

export const modulesText = `${modules.join('\n')}\n`;

/** Prints `key value` of each of its arguments; nothing for what this kernel does not have. */
export const sysctlScript = `for key; do
  file=/proc/sys/$(echo "$key" | tr . /)
  [ ! -r "$file" ] || echo "$key $(cat "$file")"
done`;

export function readSysctls(stdout: string): ReadonlyMap<string, number> {
  const found = stdout.split('\n').flatMap((line) => {
    const [, key, value] = /^(\S+) (\d+)$/.exec(line) ?? [];
    return key ? [[key, Number(value)] as const] : [];
  });
  return new Map(found);
}

/** Those whose value is not as it shall be; what other files set counts, whatever ours says. */
export const wrong = (is: ReadonlyMap<string, number>): readonly Sysctl[] =>
  sysctls.filter(({ key, value, least }) => {
    const found = is.get(key);
    return found === undefined || (least ? found < value : found !== value);
  });

/** A value that is larger already stays what it is. */
export const sysctlText = (is: ReadonlyMap<string, number>): string =>
  sysctls.map(({ key, value, least }) => `${key} = ${least ? Math.max(value, is.get(key) ?? 0) : value}\n`).join('');
