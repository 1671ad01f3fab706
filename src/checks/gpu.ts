/** From what was read to what is wrong: each check is a value, found things carry their reason and their cure. */
import type { Diagnosis, Evidence, GpuCheck, GpuRef, Severity } from './gpu-diagnosis.js';
import { faultChecks } from './gpu-faults.js';
import { noteChecks } from './gpu-notes.js';
import { reported } from './gpu-reported.js';

/** Causes stand before their consequences. */
export const gpuChecks: readonly GpuCheck[] = [...reported, ...faultChecks, ...noteChecks];

const ranks: Readonly<Record<Severity, number>> = { fault: 0, warning: 1, note: 2 };

/** Everything that is to be said, faults first; one entry for each id. */
export function diagnose(evidence: Evidence): Diagnosis[] {
  const found = gpuChecks.map((check) => check.look(evidence)).filter((one) => one !== undefined);
  const merged = new Map<string, Diagnosis>();
  for (const one of found) {
    const before = merged.get(one.id);
    const gpus = [...(before?.gpus ?? []), ...(one.gpus ?? [])];
    const kept = before && ranks[before.severity] <= ranks[one.severity] ? before : one;
    merged.set(one.id, gpus.length > 0 ? { ...kept, gpus: distinct(gpus) } : kept);
  }
  return [...merged.values()].sort((a, b) => ranks[a.severity] - ranks[b.severity]);
}

function distinct(gpus: readonly GpuRef[]): GpuRef[] {
  return gpus.filter(
    (gpu, at) =>
      gpus.findIndex(
        (one) =>
          (one.busId !== undefined && one.busId === gpu.busId) || (one.index !== undefined && one.index === gpu.index),
      ) === at ||
      (gpu.busId === undefined && gpu.index === undefined),
  );
}
