import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type CpuLimits, quotaFolders, readAllowed, readCfs, readCpuMax } from './threads.js';

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function quota(): number | undefined {
  const { v2, v1 } = quotaFolders(read('/proc/self/cgroup') ?? '');
  const found: number[] = [];
  const note = (limit: number | undefined): void => void (limit !== undefined && found.push(limit));
  for (const folder of v2) {
    const text = read(`/sys/fs/cgroup/${folder}/cpu.max`);
    if (text !== undefined) note(readCpuMax(text));
  }
  for (const root of ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct']) {
    for (const folder of v1) {
      const [granted, period] = ['quota', 'period'].map((name) => read(`${root}/${folder}/cpu.cfs_${name}_us`));
      if (granted !== undefined && period !== undefined) note(readCfs(granted, period));
    }
  }
  return found.length === 0 ? undefined : Math.min(...found);
}

/** Two hyperthreads of a core have the same list of siblings. */
const core = (cpu: number): string =>
  read(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`)?.trim() ?? `${cpu}`;

/** What the kernel lets this process use; elsewhere than on Linux, what Node knows. */
export function cpuLimits(): CpuLimits {
  const status = read('/proc/self/status');
  const allowed = status === undefined ? [] : readAllowed(status);
  if (allowed.length === 0) {
    const count = availableParallelism();
    return { allowed: Array.from({ length: count }, (_, i) => i), cores: count };
  }
  return { allowed, quota: quota(), cores: new Set(allowed.map(core)).size };
}
