/** Control groups: which version, and the limits that hold for this process on its way up to the root. */
import { type Probe, script } from './probe.js';
import { countOfList } from './resources.js';
import { known } from './values.js';

export interface Cgroup {
  readonly version?: 1 | 2;
  /** CPUs' worth of time per period, the least on the way up; 1.5 is one and a half. */
  readonly cpuQuota?: number;
  /** The cpuset's count of hardware threads. */
  readonly cpus?: number;
  readonly memoryMiB?: number;
}

/** In a container the own path may not be visible under /sys/fs/cgroup; then the mount's root is the own group. */
const cgroupScript = `echo "type: $(stat -fc %T /sys/fs/cgroup 2>/dev/null)"
[ -e /sys/fs/cgroup/unified ] && echo "hybrid: yes"
up() { # controller folder, path, files
  base=$1; path=$2; shift 2
  [ -d "$base$path" ] || path=
  while :; do
    for file in "$@"; do [ -r "$base$path/$file" ] && echo "$file: $(head -n 1 "$base$path/$file")"; done
    [ -z "$path" ] || [ "$path" = / ] && break
    path=\${path%/*}
  done
}
own() { sed -n "s/^[0-9]*:\\([^:]*,\\)\\{0,1\\}$1\\(,[^:]*\\)\\{0,1\\}:\\(.*\\)/\\3/p" /proc/self/cgroup 2>/dev/null | head -n 1; }
two=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null | head -n 1)
[ -e /sys/fs/cgroup/cgroup.controllers ] && up /sys/fs/cgroup "$two" cpu.max memory.max memory.high cpuset.cpus.effective
for c in cpu cpu,cpuacct; do [ -d "/sys/fs/cgroup/$c" ] && up "/sys/fs/cgroup/$c" "$(own cpu)" cpu.cfs_quota_us cpu.cfs_period_us && break; done
[ -d /sys/fs/cgroup/memory ] && up /sys/fs/cgroup/memory "$(own memory)" memory.limit_in_bytes
[ -d /sys/fs/cgroup/cpuset ] && up /sys/fs/cgroup/cpuset "$(own cpuset)" cpuset.cpus
exit 0`;

/** All values of a key, in their order: the nearest group first. */
function valuesOf(text: string, key: string): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith(`${key}: `) ? [line.slice(key.length + 2).trim()] : []));
}

/** No limit is 'max' in version 2, and a number near 2^63 in version 1. */
const limitless = 2 ** 60;

function leastBytes(values: readonly string[]): number | undefined {
  const limits = values.map(Number).filter((value) => value > 0 && value < limitless);
  return limits.length === 0 ? undefined : Math.floor(Math.min(...limits) / 2 ** 20);
}

function quota(text: string): number | undefined {
  const two = valuesOf(text, 'cpu.max').map((value) => value.split(' ').map(Number));
  const periods = valuesOf(text, 'cpu.cfs_period_us').map(Number);
  const one = valuesOf(text, 'cpu.cfs_quota_us').map((value, at) => [Number(value), periods[at] ?? Number.NaN]);
  const shares = [...two, ...one].map(([time, period]) => time! / period!).filter((share) => share > 0);
  return shares.length === 0 ? undefined : Math.min(...shares);
}

export const cgroup: Probe<Cgroup | undefined> = {
  id: 'host.cgroup',
  command: script(cgroupScript),
  read({ stdout }) {
    const [type] = valuesOf(stdout, 'type');
    const version = type === 'cgroup2fs' ? 2 : type === 'tmpfs' || type === 'cgroupfs' ? 1 : undefined;
    const sets = [...valuesOf(stdout, 'cpuset.cpus.effective'), ...valuesOf(stdout, 'cpuset.cpus')];
    return known<Cgroup>({
      version,
      cpuQuota: quota(stdout),
      cpus: countOfList(sets.find((set) => set !== '')),
      memoryMiB: leastBytes([
        ...valuesOf(stdout, 'memory.max'),
        ...valuesOf(stdout, 'memory.high'),
        ...valuesOf(stdout, 'memory.limit_in_bytes'),
      ]),
    });
  },
};
