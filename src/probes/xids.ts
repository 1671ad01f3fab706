/**
 * What the kernel driver's Xid numbers mean for a GPU server, by the diagnosis they lead to. Source: NVIDIA, "Xid
 * Errors" (docs.nvidia.com/deploy/xid-errors), its tables of common causes and of the actions to take.
 */
const byDiagnosis: Readonly<Record<string, readonly number[]>> = {
  'gpu.lost': [79, 125],
  'gpu.ecc': [48, 63, 64, 92, 94, 95, 140, 160, 161, 171, 172],
  'gpu.nvlink': [74, 144, 145, 146, 147, 148, 149, 150],
  'gpu.reset-needed': [46, 61, 62, 110, 119, 120, 143, 154, 158],
  'gpu.power': [54, 81],
};

/** Faults of programs (a bad address, an exception in a kernel): the board is well. */
const ofPrograms = new Set([8, 13, 31, 32, 43, 45, 68, 69]);

/** Undefined for an Xid that a program causes. */
export function diagnosisOfXid(xid: number): string | undefined {
  if (ofPrograms.has(xid)) return undefined;
  return Object.entries(byDiagnosis).find(([, numbers]) => numbers.includes(xid))?.[0] ?? 'gpu.xid';
}
