/** Many readings, one picture: what belongs to one GPU is brought together, later outputs over earlier ones. */
import { cudaOfDriver } from './cuda-branches.js';
import type { Gpu, GpuPicture, MigInstance, Reading } from './gpu.js';
import { familyOf } from './gpu-names.js';
import { known } from './values.js';

const plain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Later facts over earlier ones, field by field; lists are taken whole. */
function over<T extends object>(earlier: T, later: T): T {
  const before = new Map<string, unknown>(Object.entries(earlier));
  const merged = Object.entries(later).map(([key, value]) => {
    const had = before.get(key);
    return [key, plain(had) && plain(value) ? over(had, value) : value];
  });
  return { ...earlier, ...Object.fromEntries(merged) };
}

const differ = <T>(a: T | undefined, b: T | undefined): boolean => a !== undefined && b !== undefined && a !== b;
const same = <T>(a: T | undefined, b: T | undefined): boolean => a !== undefined && a === b;

/** A recording may have had all its UUIDs replaced by one: they name a GPU only while they are its own. */
function match(gpus: readonly Gpu[], gpu: Gpu): number {
  const by = [
    gpus.findIndex((one) => same(one.busId, gpu.busId)),
    gpus.filter((one) => same(one.uuid, gpu.uuid)).length === 1
      ? gpus.findIndex(
          (one) => same(one.uuid, gpu.uuid) && !differ(one.busId, gpu.busId) && !differ(one.index, gpu.index),
        )
      : -1,
    gpus.findIndex((one) => same(one.index, gpu.index) && !differ(one.busId, gpu.busId) && !differ(one.name, gpu.name)),
    gpus.findIndex(
      (one) => same(one.index, gpu.index) && !differ(one.busId, gpu.busId) && (one.nameCut ?? gpu.nameCut),
    ),
  ];
  return by.find((at) => at >= 0) ?? -1;
}

function instances(earlier: readonly MigInstance[], later: readonly MigInstance[]): MigInstance[] {
  const merged = [...earlier];
  for (const instance of later) {
    const at = merged.findIndex(
      (one) =>
        (instance.index !== undefined && one.index === instance.index) ||
        (one.gpuInstance !== undefined &&
          one.gpuInstance === instance.gpuInstance &&
          !differ(one.computeInstance, instance.computeInstance) &&
          !differ(one.index, instance.index)),
    );
    if (at < 0) merged.push(instance);
    else merged[at] = over(merged[at]!, instance);
  }
  return merged;
}

function together(earlier: Gpu, later: Gpu): Gpu {
  const merged = over(earlier, later);
  const { nameCut, ...rest } = merged;
  const whole = [earlier, later].find((gpu) => gpu.name !== undefined && !gpu.nameCut)?.name;
  const mig = [earlier.mig?.instances, later.mig?.instances];
  return {
    ...rest,
    ...(whole === undefined ? (nameCut ? { nameCut } : {}) : { name: whole }),
    ...(mig[0] && mig[1] ? { mig: { ...merged.mig, instances: instances(mig[0], mig[1]) } } : {}),
  };
}

/** Across outputs a GPU has one place; within one output too, when it loops and says the number or the bus. */
function gather(readings: readonly Reading[]): Gpu[] {
  const gpus: Gpu[] = [];
  for (const reading of readings) {
    const earlier = gpus.length;
    for (const gpu of reading.gpus) {
      const at = match(gpus, gpu);
      const own = at >= 0 && (at < earlier || same(gpus[at]!.index, gpu.index) || same(gpus[at]!.busId, gpu.busId));
      if (own) gpus[at] = together(gpus[at]!, gpu);
      else gpus.push(gpu);
    }
  }
  return gpus;
}

/** What the name tells where the form does not print it. */
function derived(gpu: Gpu): Gpu {
  const family = gpu.name === undefined ? undefined : familyOf(gpu.name);
  if (!family) return gpu;
  const missing = (['architecture', 'computeCapability'] as const).filter((field) => gpu[field] === undefined);
  if (missing.length === 0) return gpu;
  return { ...gpu, ...Object.fromEntries(missing.map((field) => [field, family[field]])), derived: missing };
}

export function paint(readings: readonly Reading[]): GpuPicture {
  const last = <K extends 'driver' | 'library' | 'cuda' | 'attached' | 'topology'>(key: K): Reading[K] | undefined =>
    readings.findLast((reading) => reading[key] !== undefined)?.[key];
  const printed = readings.filter(({ form }) => form !== 'kernel-log').findLast(({ driver }) => driver)?.driver;
  const driver = printed ?? last('driver');
  const cuda = last('cuda');
  const branch = cuda === undefined && driver !== undefined ? cudaOfDriver(driver) : undefined;
  const gpus = gather(readings).map(derived);
  return {
    ...known<Omit<GpuPicture, 'gpus'>>({
      driver,
      library: last('library'),
      cuda: cuda ?? branch,
      cudaDerived: branch === undefined ? undefined : true,
      attached: last('attached'),
    }),
    gpus: gpus.toSorted((a, b) => (a.index ?? Number.POSITIVE_INFINITY) - (b.index ?? Number.POSITIVE_INFINITY) || 0),
    ...(last('topology') ? { topology: last('topology')! } : {}),
  };
}
