/** CPU, memory, disks: what there is, and what this process may use of it. */
import { type Probe, pairs, script } from './probe.js';
import { known } from './values.js';

export interface Cpu {
  readonly model?: string;
  readonly sockets?: number;
  readonly cores?: number;
  readonly threads?: number;
  /** Hardware threads that the affinity mask allows. */
  readonly allowed?: number;
  /** Of the instruction sets that inference uses: 'avx2', 'avx512f', 'amx_int8', 'asimd', 'sve', … */
  readonly features?: readonly string[];
}

const cpuScript = `LC_ALL=C lscpu 2>/dev/null | grep -E '^(Model name|Socket|Core|Thread|CPU)\\(?s?\\)?.*:'
awk -F '[\\t ]*: ' '/^processor/{n++} /^model name/{m=$2} /^physical id/{p=$2; s[p]=1} /^core id/{c[p "," $2]=1}
  /^(flags|Features)/{f=$2}
  END{ns=0; for(i in s)ns++; nc=0; for(i in c)nc++; print "cpuinfo: " n+0 " " ns " " nc; print "cpumodel: " m; print "flags: " f}' /proc/cpuinfo 2>/dev/null
grep '^Cpus_allowed_list' /proc/self/status 2>/dev/null
sysctl -n machdep.cpu.brand_string 2>/dev/null | sed 's/^/cpumodel: /'
sysctl -n hw.ncpu 2>/dev/null | sed 's/^/CPU(s): /'
exit 0`;

const useful = /^(avx|avx2|avx512\w*|amx_\w+|avx_vnni|f16c|fma|bmi2|asimd|asimddp|i8mm|bf16|sve2?|sse4_2)$/;

/** '0-3,8,10-11' is 7. */
export function countOfList(list: string | undefined): number | undefined {
  const parts = list?.split(',').map((part) => /^(\d+)(?:-(\d+))?$/.exec(part.trim()));
  if (!parts || parts.some((part) => part === null)) return undefined;
  return parts.reduce((sum, part) => sum + Number(part![2] ?? part![1]) - Number(part![1]) + 1, 0);
}

const positive = (text: string | undefined): number | undefined => {
  const value = Number.parseInt(text ?? '', 10);
  return value > 0 ? value : undefined;
};

export const cpu: Probe<Cpu | undefined> = {
  id: 'host.cpu',
  command: script(cpuScript),
  read({ stdout }) {
    const said = pairs(stdout);
    const [threads, sockets, cores] = (said.cpuinfo ?? '').split(' ').map(positive);
    const perSocket = positive(said['Core(s) per socket']);
    const packages = positive(said['Socket(s)']) ?? sockets;
    const flags = (said.flags ?? '').split(/\s+/).filter((flag) => useful.test(flag));
    return known<Cpu>({
      model: said['Model name'] || said.cpumodel || undefined,
      sockets: packages,
      cores: perSocket !== undefined && packages !== undefined ? perSocket * packages : cores,
      threads: positive(said['CPU(s)']) ?? threads,
      allowed: countOfList(said.Cpus_allowed_list),
      features: flags.length > 0 ? flags : undefined,
    });
  },
};

export interface Memory {
  readonly totalMiB?: number;
  readonly availableMiB?: number;
  readonly swapMiB?: number;
}

const memoryScript = `grep -E '^(MemTotal|MemAvailable|MemFree|SwapTotal):' /proc/meminfo 2>/dev/null
sysctl -n hw.memsize 2>/dev/null | sed 's/^/bytes: /'
exit 0`;

export const memory: Probe<Memory | undefined> = {
  id: 'host.memory',
  command: script(memoryScript),
  read({ stdout }) {
    const said = pairs(stdout);
    const kib = (key: string): number | undefined => {
      const value = Number.parseInt(said[key] ?? '', 10);
      return Number.isNaN(value) ? undefined : Math.floor(value / 1024);
    };
    const bytes = positive(said.bytes);
    return known<Memory>({
      totalMiB: kib('MemTotal') ?? (bytes === undefined ? undefined : Math.floor(bytes / 2 ** 20)),
      availableMiB: kib('MemAvailable') ?? kib('MemFree'),
      swapMiB: kib('SwapTotal'),
    });
  },
};

export interface Disk {
  /** 'root', 'home', 'state' (our folder), 'cache' (downloads). */
  readonly of: string;
  readonly totalMiB: number;
  readonly freeMiB: number;
}

/** A folder that is not there yet lies on the file system of its nearest parent. */
const diskScript = `for pair in root=/ home="$HOME" state="$1" cache="$2"; do
  path=\${pair#*=}
  while [ -n "$path" ] && [ ! -e "$path" ]; do path=\${path%/*}; done
  df -Pk "\${path:-/}" 2>/dev/null | awk -v of="\${pair%%=*}" 'NR==2{print of ": " $2 " " $4}'
done
exit 0`;

export const disks = (places: { readonly home: string; readonly cache: string }): Probe<Disk[]> => ({
  id: 'host.disks',
  command: script(diskScript, places.home, places.cache),
  read({ stdout }) {
    return Object.entries(pairs(stdout)).flatMap(([of, sizes]) => {
      const [total, free] = sizes.split(' ').map((kib) => Math.floor(Number(kib) / 1024));
      return Number.isFinite(total) && Number.isFinite(free) ? [{ of, totalMiB: total!, freeMiB: free! }] : [];
    });
  },
});
