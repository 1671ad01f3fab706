import type { Ecc, Fabric, Gpu, GpuMemory } from './gpu.js';
import { amount, busId, failure, flag, known, mib, program, sum, uuid, word } from './values.js';

/** What the forms have in common: one word per fact, still as it was printed. */
export const fields = [
  'index',
  'uuid',
  'busId',
  'name',
  'brand',
  'architecture',
  'computeCapability',
  'memoryTotal',
  'memoryUsed',
  'memoryFree',
  'memoryReserved',
  'gpuUtilization',
  'memoryUtilization',
  'temperature',
  'memoryTemperature',
  'powerDraw',
  'powerLimit',
  'fan',
  'performanceState',
  'eccMode',
  'eccPending',
  'eccVolatileCorrected',
  'eccVolatileUncorrected',
  'eccAggregateCorrected',
  'eccAggregateUncorrected',
  'eccThreshold',
  'eccRepairPending',
  'eccUnrepairable',
  'retiredSingleBit',
  'retiredDoubleBit',
  'retiredPending',
  'remappedCorrectable',
  'remappedUncorrectable',
  'remappedPending',
  'remappedFailure',
  'migMode',
  'migPending',
  'persistence',
  'computeMode',
  'driverModel',
  'virtualization',
  'license',
  'pcieGeneration',
  'pcieGenerationMax',
  'pcieWidth',
  'pcieWidthMax',
  'recoveryAction',
  'resetRequired',
  'drainRecommended',
  'inforom',
  'fabricState',
  'fabricStatus',
  'fabricClique',
  'fabricCluster',
] as const;

export type Field = (typeof fields)[number];
/** A field made of several figures holds them as 'a+b+c'. */
export type Raw = Partial<Record<Field, string | undefined>>;

/** Boards whose memory is the host's: the driver prints no size for it. */
const sharesMemory = /\b(GB10|N1X?|Thor|Orin|Xavier|Tegra|Jetson)\b/i;

function memory(raw: Raw): GpuMemory | undefined {
  const total = mib(raw.memoryTotal);
  const says = /not supported|n\/a/i.test(raw.memoryTotal ?? '');
  const unified =
    total === undefined && says && (sharesMemory.test(raw.name ?? '') || /not supported/i.test(raw.memoryTotal!));
  return known<GpuMemory>({
    totalMiB: total,
    usedMiB: mib(raw.memoryUsed),
    freeMiB: mib(raw.memoryFree),
    reservedMiB: mib(raw.memoryReserved),
    unified: unified || undefined,
  });
}

function ecc(raw: Raw): Ecc | undefined {
  return known<Ecc>({
    mode: flag(raw.eccMode),
    pending: flag(raw.eccPending),
    volatile: known({ corrected: sum(raw.eccVolatileCorrected), uncorrected: sum(raw.eccVolatileUncorrected) }),
    aggregate: known({ corrected: sum(raw.eccAggregateCorrected), uncorrected: sum(raw.eccAggregateUncorrected) }),
    sramThresholdExceeded: flag(raw.eccThreshold),
    repairPending: any(raw.eccRepairPending),
    unrepairable: flag(raw.eccUnrepairable),
  });
}

/** Whether one of 'a+b' says yes; undefined when none says anything. */
function any(raw: string | undefined): boolean | undefined {
  const said = (raw ?? '')
    .split('+')
    .map(flag)
    .filter((value) => value !== undefined);
  return said.length === 0 ? undefined : said.includes(true);
}

const none = (raw: string | undefined): string | undefined =>
  /^\[?none\]?$/i.test(raw?.trim() ?? '') ? 'None' : word(raw);

function health(raw: Raw): Pick<Gpu, 'recoveryAction' | 'resetRequired' | 'drainRecommended' | 'inforomValid'> {
  const inforom = word(raw.inforom);
  return (
    known({
      recoveryAction: none(raw.recoveryAction),
      resetRequired: flag(raw.resetRequired),
      drainRecommended: flag(raw.drainRecommended),
      inforomValid: inforom === undefined ? undefined : /^valid$/i.test(inforom),
    }) ?? {}
  );
}

function unreadable(raw: Raw): Record<string, string> | undefined {
  const found = Object.entries(raw).flatMap(([field, value]) => {
    const parts = (value ?? '').split('+').map(failure);
    const says = parts.find((part) => part !== undefined);
    return says === undefined ? [] : [[field, says] as const];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

const cut = /\s*\.{3}$/;

/** A GPU from what a form printed about it. */
export function gpuOf(raw: Raw, more: Partial<Gpu> = {}): Gpu {
  const name = word(raw.name);
  const facts = known<Gpu>({
    index: amount(raw.index),
    uuid: uuid(raw.uuid),
    busId: busId(raw.busId),
    name: name?.replace(cut, ''),
    nameCut: name !== undefined && cut.test(name) ? true : undefined,
    brand: word(raw.brand),
    architecture: word(raw.architecture),
    computeCapability: /^\d+\.\d+$/.exec(word(raw.computeCapability) ?? '')?.[0],
    memory: memory(raw),
    utilization: known({ gpu: amount(raw.gpuUtilization), memory: amount(raw.memoryUtilization) }),
    temperature: known({ gpu: amount(raw.temperature), memory: amount(raw.memoryTemperature) }),
    power: known({ draw: amount(raw.powerDraw), limit: amount(raw.powerLimit) }),
    fan: amount(raw.fan),
    performanceState: word(raw.performanceState),
    ecc: ecc(raw),
    retiredPages: known({
      singleBit: amount(raw.retiredSingleBit),
      doubleBit: amount(raw.retiredDoubleBit),
      pending: flag(raw.retiredPending),
    }),
    remappedRows: known({
      correctable: amount(raw.remappedCorrectable),
      uncorrectable: amount(raw.remappedUncorrectable),
      pending: flag(raw.remappedPending),
      failure: flag(raw.remappedFailure),
    }),
    mig: known({ mode: flag(raw.migMode), pending: flag(raw.migPending) }),
    persistence: flag(raw.persistence),
    computeMode: word(raw.computeMode),
    driverModel: word(raw.driverModel),
    virtualization: none(raw.virtualization),
    license: word(raw.license),
    pcie: known({
      generation: amount(raw.pcieGeneration),
      generationMax: amount(raw.pcieGenerationMax),
      width: amount(raw.pcieWidth),
      widthMax: amount(raw.pcieWidthMax),
    }),
    fabric: known<Fabric>({
      state: word(raw.fabricState),
      status: word(raw.fabricStatus),
      clique: word(raw.fabricClique),
      cluster: word(raw.fabricCluster),
    }),
    unreadable: unreadable(raw),
  } as Gpu);
  return { ...facts, ...health(raw), ...more };
}

/** The processes of all forms: program alone, memory in MiB. */
export const processOf = (raw: {
  readonly pid: string | undefined;
  readonly type?: string | undefined;
  readonly name?: string | undefined;
  readonly memory?: string | undefined;
  readonly gpuInstance?: string | undefined;
  readonly computeInstance?: string | undefined;
}) => {
  const pid = amount(raw.pid);
  if (pid === undefined) return undefined;
  return {
    pid,
    ...known({
      type: word(raw.type),
      name: program(raw.name),
      memoryMiB: mib(raw.memory),
      gpuInstance: amount(raw.gpuInstance),
      computeInstance: amount(raw.computeInstance),
    }),
  };
};
