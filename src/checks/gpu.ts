/** From what was read to what is wrong: each check is a value, found things carry their reason and their cure. */
import type { Diagnosis, Evidence, GpuCheck, GpuRef, Severity } from './gpu-diagnosis.js';
import { faultChecks } from './gpu-faults.js';
import { noteChecks } from './gpu-notes.js';
import { reported } from './gpu-reported.js';

/** Causes stand before their consequences. */
export const gpuChecks: readonly GpuCheck[] = [...reported, ...faultChecks, ...noteChecks];

const ranks: Readonly<Record<Severity, number>> = { fault: 0, warning: 1, note: 2 };

/** What follows from a fault is not said beside it. */
const consequences: Readonly<Record<string, readonly string[]>> = {
  'gpu.nouveau': ['gpu.driver-missing', 'gpu.smi-missing', 'gpu.none'],
  'gpu.secure-boot': ['gpu.driver-missing', 'gpu.smi-missing'],
  'gpu.driver-missing': ['gpu.smi-missing'],
  'gpu.init': ['gpu.none'],
  'gpu.hung': ['gpu.truncated'],
};

/** Two checks may find one fault; the one that names its GPUs says more. */
function better(before: Diagnosis | undefined, one: Diagnosis): Diagnosis {
  if (!before || ranks[one.severity] < ranks[before.severity]) return one;
  return before.gpus === undefined && one.gpus !== undefined ? { ...before, ...one } : before;
}

/** Everything that is to be said, faults first; one entry for each id. */
export function diagnose(evidence: Evidence): Diagnosis[] {
  const merged = new Map<string, Diagnosis>();
  for (const check of gpuChecks) {
    const one = check.look(evidence);
    if (!one) continue;
    const before = merged.get(one.id);
    const gpus = distinct([...(before?.gpus ?? []), ...(one.gpus ?? [])]);
    const kept = better(before, one);
    merged.set(one.id, gpus.length > 0 ? { ...kept, gpus } : kept);
  }
  for (const id of [...merged.keys()]) for (const follows of consequences[id] ?? []) merged.delete(follows);
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
