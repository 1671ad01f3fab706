/** `nvidia-smi mig -lgi`, `-lci` and `-lgip`: the columns have moved over time, the order of the figures has not. */
import type { Gpu, MigInstance, Reading } from './gpu.js';
import { known } from './values.js';

export const migHeading = /^\|\s*(GPU instances|Compute instances|GPU instance profiles|Compute instance profiles):/i;

const forms: Readonly<Record<string, string>> = {
  'gpu instances': 'mig-lgi',
  'compute instances': 'mig-lci',
  'gpu instance profiles': 'mig-lgip',
  'compute instance profiles': 'mig-lcip',
};

/** GPU, name, profile id, instance id, start:size */
const gpuInstance = /^\|\s*(\d+)\s+MIG\s+(\S+)\s+\d+\*?\s+(\d+)\s+(\d+):(\d+)\s*\|$/;
/** GPU, GPU instance id, name, profile id, compute instance id, start:size */
const computeInstance = /^\|\s*(\d+)\s+(\d+)\s+MIG\s+(\S+)\s+\d+\*?\s+(\d+)\s+(\d+):(\d+)\s*\|$/;
const profile = /^\|\s*(\d+)\s+(?:\d+\s+)?MIG\s+\S+/;

interface Found {
  readonly gpu: number;
  readonly instance?: MigInstance;
}

function rowOf(form: string, line: string): Found | undefined {
  const [, gpu, name, id, start, size] = gpuInstance.exec(line) ?? [];
  if (form === 'mig-lgi' && gpu !== undefined) {
    const placement = { start: Number(start), size: Number(size) };
    return { gpu: Number(gpu), instance: known<MigInstance>({ profile: name, gpuInstance: Number(id), placement })! };
  }
  const [, of, parent, part, compute] = computeInstance.exec(line) ?? [];
  if (form === 'mig-lci' && of !== undefined) {
    const instance = known<MigInstance>({
      profile: part,
      gpuInstance: Number(parent),
      computeInstance: Number(compute),
    });
    return { gpu: Number(of), instance: instance! };
  }
  const index = profile.exec(line)?.[1];
  return index === undefined ? undefined : { gpu: Number(index) };
}

export function readMig(lines: readonly string[]): Reading {
  const boxed = lines.map((line) => line.trim()).filter((line) => /^[|+]/.test(line));
  const title = migHeading.exec(boxed.find((line) => migHeading.test(line)) ?? '')?.[1]?.toLowerCase();
  const form = forms[title ?? ''] ?? 'mig-lgi';
  const found = boxed.flatMap((line) => rowOf(form, line) ?? []);
  const cut = !/^\+[-=+]*\+$/.test(boxed.at(-1) ?? '');
  const gpus = [...new Set(found.map(({ gpu }) => gpu))].map((index): Gpu => {
    const instances = found.flatMap(({ gpu, instance }) => (gpu === index && instance ? [instance] : []));
    return { index, mig: { mode: true, ...(instances.length > 0 ? { instances } : {}) } };
  });
  return { form, gpus, ...(cut ? { cut } : {}) };
}
