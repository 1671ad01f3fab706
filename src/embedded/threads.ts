/**
 * How many threads llama.cpp may use. Its threads spin at every barrier: with one more than there are free cores a step
 * waits for the scheduler instead of the computation, and speed falls by orders of magnitude. So: never as many as the
 * process may really use, and among the candidates what a short measurement shows.
 */

/** What limits the process, as the kernel tells it. */
export interface CpuLimits {
  /** Logical CPUs the scheduler may put us on. */
  readonly allowed: readonly number[];
  /** CPUs' worth of time a control group grants, or undefined. */
  readonly quota?: number | undefined;
  /** Distinct physical cores among the allowed CPUs. */
  readonly cores: number;
}

/** '0-3,8' to its numbers. */
export function readCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter(Boolean)
    .flatMap((part) => {
      const [from, to = from] = part.split('-').map(Number) as [number, number?];
      return Array.from({ length: to! - from + 1 }, (_, i) => from + i);
    });
}

export const readAllowed = (procStatus: string): number[] =>
  readCpuList(/^Cpus_allowed_list:\s*(\S+)/m.exec(procStatus)?.[1] ?? '');

/** cgroup v2 `cpu.max` ('max 100000', '150000 100000'), in CPUs. */
export function readCpuMax(text: string): number | undefined {
  const [quota, period] = text.trim().split(/\s+/);
  return quota === undefined || quota === 'max' ? undefined : Number(quota) / Number(period ?? 100_000);
}

/** cgroup v1 `cpu.cfs_quota_us` and `cpu.cfs_period_us`, in CPUs; -1 is no limit. */
export const readCfs = (quota: string, period: string): number | undefined =>
  Number(quota) > 0 ? Number(quota) / Number(period) : undefined;

/** Where the process's control groups may state a limit: its own folder and every one above it. */
export function quotaFolders(procCgroup: string): { readonly v2: readonly string[]; readonly v1: readonly string[] } {
  const upwards = (path: string): string[] => {
    const parts = path.split('/').filter(Boolean);
    return Array.from({ length: parts.length + 1 }, (_, i) => parts.slice(0, parts.length - i).join('/'));
  };
  const v2: string[] = [];
  const v1: string[] = [];
  for (const line of procCgroup.split('\n')) {
    const [id, controllers, path] = line.split(':');
    if (path === undefined) continue;
    if (id === '0' && controllers === '') v2.push(...upwards(path));
    else if (controllers?.split(',').includes('cpu')) v1.push(...upwards(path));
  }
  return { v2, v1 };
}

/**
 * Threads that can compute undisturbed: whole CPUs of the quota, physical cores, and of these all but one, which the event
 * loop, the gateway and everybody else need. Measured on two shared CPUs: with one thread 400 tokens/s come as 400, with
 * two as 450 on a quiet machine and as 5 on a busy one.
 */
export function usableThreads({ allowed, quota, cores }: CpuLimits): number {
  const granted = quota === undefined ? Number.POSITIVE_INFINITY : Math.floor(quota);
  return Math.max(1, Math.min(granted, cores, allowed.length) - 1);
}

/** What is worth measuring: all, half, and one (small models gain nothing from more). Ascending. */
export function candidates(usable: number): number[] {
  return [...new Set([1, Math.ceil(usable / 2), usable])].sort((a, b) => a - b);
}

export interface Measured {
  readonly threads: number;
  /** Tokens a second, one sequence at a time. */
  readonly alone: number;
  /** Tokens a second, several sequences together. */
  readonly together: number;
}

/** A tenth more speed must be shown before another thread is taken: it is missing elsewhere. */
const worthIt = 1.1;

/** The choice by both speeds alike (their geometric mean). */
export function chooseThreads(measured: readonly Measured[]): number {
  const score = ({ alone, together }: Measured): number => Math.sqrt(alone * together);
  return measured.reduce((best, next) => (score(next) > score(best) * worthIt ? next : best)).threads;
}

/** Multiply-adds a second of one thread on today's processors, roughly; only the order of magnitude matters. */
const threadSpeed = 20e9;
/** Seconds for which those who speak may fall silent while a prompt is read. */
const patience = 0.5;

/**
 * Prompt tokens to read in one step: what takes about half a second. By size and threads alone, not by the clock, so that
 * the same model on the same machine computes the same bits.
 */
export function chunkFor(parameters: number, threads: number): number {
  const tokens = (patience * threads * threadSpeed) / Math.max(1, parameters);
  return 2 ** Math.floor(Math.log2(Math.min(256, Math.max(16, tokens))));
}
