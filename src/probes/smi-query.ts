/** `nvidia-smi -q -x` (DTD v9 to v13) and `nvidia-smi -q`: one map of keys for both, old and new names side by side. */

import type { Gpu, GpuProcess, MigInstance, Reading } from './gpu.js';
import { type Field, gpuOf, processOf, type Raw } from './gpu-fields.js';
import { all, at, type Node, node, readIndented, readXml } from './tree.js';
import { amount, cudaVersion, known, mib, uuid, version, word } from './values.js';

/** Where a field stands; several figures that belong to one field are joined by '+'. */
const paths: Partial<Record<Field, readonly string[]>> = {
  uuid: ['uuid', 'gpuuuid'],
  busId: ['pci/pcibusid', 'pci/busid', 'id'],
  name: ['productname'],
  brand: ['productbrand'],
  architecture: ['productarchitecture'],
  memoryTotal: ['fbmemoryusage/total'],
  memoryUsed: ['fbmemoryusage/used'],
  memoryFree: ['fbmemoryusage/free'],
  memoryReserved: ['fbmemoryusage/reserved'],
  gpuUtilization: ['utilization/gpuutil', 'utilization/gpu'],
  memoryUtilization: ['utilization/memoryutil', 'utilization/memory'],
  temperature: ['temperature/gputemp', 'temperature/gpucurrenttemp'],
  memoryTemperature: ['temperature/memorytemp', 'temperature/memorycurrenttemp'],
  fan: ['fanspeed'],
  performanceState: ['performancestate'],
  eccMode: ['eccmode/currentecc', 'eccmode/current'],
  eccPending: ['eccmode/pendingecc', 'eccmode/pending'],
  eccThreshold: ['eccerrors/aggregate/sramthresholdexceeded'],
  eccUnrepairable: ['eccerrors/unrepairablememory'],
  retiredSingleBit: ['retiredpages/multiplesinglebitretirement/retiredcount', 'retiredpages/singlebitecc'],
  retiredDoubleBit: ['retiredpages/doublebitretirement/retiredcount', 'retiredpages/doublebitecc'],
  retiredPending: [
    'retiredpages/pendingblacklist',
    'retiredpages/pendingretirement',
    'retiredpages/pendingpageblacklist',
    'retiredpages/pending',
  ],
  remappedCorrectable: ['remappedrows/remappedrowcorr', 'remappedrows/correctableerror'],
  remappedUncorrectable: ['remappedrows/remappedrowunc', 'remappedrows/uncorrectableerror'],
  remappedPending: ['remappedrows/remappedrowpending', 'remappedrows/pending'],
  remappedFailure: ['remappedrows/remappedrowfailure', 'remappedrows/remappingfailureoccurred'],
  migMode: ['migmode/currentmig', 'migmode/current'],
  migPending: ['migmode/pendingmig', 'migmode/pending'],
  persistence: ['persistencemode'],
  computeMode: ['computemode'],
  driverModel: ['drivermodel/currentdm', 'drivermodel/current'],
  virtualization: ['gpuvirtualizationmode/virtualizationmode'],
  license: ['vgpusoftwarelicensedproduct/licensestatus', 'gridlicensedproduct/licensestatus'],
  pcieGeneration: ['pci/pcigpulinkinfo/pciegen/currentlinkgen', 'pci/gpulinkinfo/pciegeneration/current'],
  pcieGenerationMax: ['pci/pcigpulinkinfo/pciegen/maxlinkgen', 'pci/gpulinkinfo/pciegeneration/max'],
  pcieWidth: ['pci/pcigpulinkinfo/linkwidths/currentlinkwidth', 'pci/gpulinkinfo/linkwidth/current'],
  pcieWidthMax: ['pci/pcigpulinkinfo/linkwidths/maxlinkwidth', 'pci/gpulinkinfo/linkwidth/max'],
  recoveryAction: ['gpurecoveryaction'],
  resetRequired: ['gpuresetstatus/resetrequired'],
  drainRecommended: ['gpuresetstatus/drainandresetrecommended'],
  fabricState: ['fabric/state'],
  fabricStatus: ['fabric/status'],
  fabricClique: ['fabric/cliqueid'],
  fabricCluster: ['fabric/clusteruuid'],
};

/** The first that says something: 'N/A' in one place may be a figure in another. */
function first(gpu: Node, candidates: readonly string[]): string | undefined {
  const found = candidates.map((path) => at(gpu, path)).filter((value) => value !== undefined);
  return found.find((value) => word(value) !== undefined) ?? found[0];
}

function power(gpu: Node): Pick<Raw, 'powerDraw' | 'powerLimit'> {
  const of = (...keys: string[]) =>
    first(
      gpu,
      keys.flatMap((key) => [`gpupowerreadings/${key}`, `powerreadings/${key}`]),
    );
  return {
    powerDraw: of('powerdraw', 'averagepowerdraw', 'instantpowerdraw', 'instantaneouspowerdraw'),
    powerLimit: of('currentpowerlimit', 'enforcedpowerlimit', 'powerlimit'),
  };
}

/** Volta and older count by single and double bits with a total; later ones by SRAM and DRAM. */
function eccErrors(gpu: Node, since: string): { corrected: string | undefined; uncorrected: string | undefined } {
  const [counts] = all(gpu, `eccerrors/${since}`);
  const joined = (match: RegExp) =>
    counts?.children.filter(({ key }) => match.test(key)).map(({ value }) => value.trim());
  const total = (bits: string) => counts && at(counts, `${bits}/total`);
  return {
    corrected: total('singlebit') ?? joined(/^[sd]ramcorrectable$/)?.join('+'),
    uncorrected: total('doublebit') ?? joined(/^[sd]ramuncorrectable(parity|secded)?$/)?.join('+'),
  };
}

const activeLimits: readonly (readonly [RegExp, string])[] = [
  [/^hwthermalslowdown$/, 'HW Thermal Slowdown'],
  [/^hwpowerbrakeslowdown$/, 'HW Power Brake Slowdown'],
  [/^hwslowdown$/, 'HW Slowdown'],
  [/^swthermalslowdown$/, 'SW Thermal Slowdown'],
  [/^swpowercap$/, 'SW Power Cap'],
  [/^syncboost$/, 'Sync Boost'],
];

function clockLimits(gpu: Node): string[] | undefined {
  const section = [...all(gpu, 'clockseventreasons'), ...all(gpu, 'clocksthrottlereasons')][0];
  const reasons = section?.children.flatMap((child) => [child, ...child.children]);
  if (!reasons || reasons.length === 0) return undefined;
  const active = reasons
    .filter(({ value }) => /^active$/i.test(value.trim()))
    .map(({ key }) => key.replace(/^clocks(event|throttle)reason/, ''));
  return activeLimits.filter(([match]) => active.some((key) => match.test(key))).map(([, name]) => name);
}

function migInstance(device: Node): MigInstance | undefined {
  const of = (path: string) => at(device, `fbmemoryusage/${path}`, `sharedfbmemoryusage/${path}`);
  return known<MigInstance>({
    index: amount(at(device, 'index')),
    gpuInstance: amount(at(device, 'gpuinstanceid')),
    computeInstance: amount(at(device, 'computeinstanceid')),
    uuid: uuid(at(device, 'uuid', 'miguuid')),
    multiprocessors: amount(at(device, 'deviceattributes/shared/multiprocessorcount')),
    memory: known({
      totalMiB: mib(of('total')),
      usedMiB: mib(of('used')),
      freeMiB: mib(of('free')),
      reservedMiB: mib(of('reserved')),
    }),
  });
}

/** XML has one element a process; the text has its instance ids on the lines before the process id. */
function processes(gpu: Node): GpuProcess[] | undefined {
  const [section] = all(gpu, 'processes');
  if (!section) return undefined;
  const found: (GpuProcess | undefined)[] = all(section, 'processinfo').map((info) =>
    processOf({
      pid: at(info, 'pid'),
      type: at(info, 'type'),
      name: at(info, 'processname'),
      memory: at(info, 'usedmemory'),
      gpuInstance: at(info, 'gpuinstanceid'),
      computeInstance: at(info, 'computeinstanceid'),
    }),
  );
  let instance: { gpuInstance?: string; computeInstance?: string } = {};
  for (const line of section.children) {
    if (line.key === 'gpuinstanceid') instance = { gpuInstance: line.value };
    if (line.key === 'computeinstanceid') instance = { ...instance, computeInstance: line.value };
    if (line.key !== 'processid') continue;
    const [type, name, memory] = [at(line, 'type'), at(line, 'name'), at(line, 'usedgpumemory')];
    found.push(processOf({ pid: line.value, type, name, memory, ...instance }));
  }
  return found.filter((process) => process !== undefined);
}

function gpuFrom(gpu: Node, index: number | undefined): Gpu {
  const raw: Raw = { index: index === undefined ? undefined : String(index), ...power(gpu) };
  for (const [field, candidates] of Object.entries(paths)) raw[field as Field] = first(gpu, candidates);
  const [volatile, aggregate] = [eccErrors(gpu, 'volatile'), eccErrors(gpu, 'aggregate')];
  raw.eccVolatileCorrected = volatile.corrected;
  raw.eccVolatileUncorrected = volatile.uncorrected;
  raw.eccAggregateCorrected = aggregate.corrected;
  raw.eccAggregateUncorrected = aggregate.uncorrected;
  raw.eccRepairPending = ['eccerrors/channelrepairpending', 'eccerrors/tpcrepairpending']
    .map((path) => at(gpu, path) ?? '')
    .join('+');
  const devices = [...all(gpu, 'migdevices/migdevice'), ...all(gpu, 'migdevice')];
  const plain = gpuOf(raw);
  const health = all(gpu, 'fabric/health')[0]?.children.flatMap(({ key, value }) => {
    const says = /^none$/i.test(value.trim()) ? 'None' : word(value);
    return says === undefined ? [] : [[key, says] as const];
  });
  const fabric = health && health.length > 0 ? { ...plain.fabric, health: Object.fromEntries(health) } : plain.fabric;
  const instances = devices.map(migInstance).filter((one) => one !== undefined);
  const more = known<Gpu>({
    clockLimits: clockLimits(gpu),
    processes: processes(gpu),
    fabric,
    mig: instances.length > 0 ? { ...plain.mig, instances } : plain.mig,
  });
  return { ...plain, ...more };
}

/** `GPU 00000000:19:00.0` heads a GPU; the key `GPU` under Utilization does not. */
const isGpu = (line: Node): boolean => line.key === 'gpu' && at(line, 'id') !== undefined;
const gpusIn = (top: Node): Node[] => top.children.filter(isGpu);

/** -q without its indentation: the keys after a heading are taken as its own and as the GPU's. */
function indented(root: Node): Node {
  if (gpusIn(root).length === 0 || gpusIn(root).some((gpu) => gpu.children.length > 1)) return root;
  const top = node('');
  let [gpu, section]: (Node | undefined)[] = [];
  for (const line of root.children) {
    if (isGpu(line)) [gpu, section] = [line, undefined];
    else if (gpu && line.value === '') section = line;
    else if (section) section.children.push(line);
    (gpu && line !== gpu ? gpu : top).children.push(line);
  }
  return top;
}

function reading(form: string, root: Node, cut: boolean): Reading {
  const top = all(root, 'nvidiasmilog')[0] ?? root;
  const gpus = gpusIn(top);
  const attached = amount(at(top, 'attachedgpus'));
  // With `-i` only some are listed, and which numbers they have is not said.
  const numbered = cut || attached === undefined || attached === gpus.length;
  return {
    form,
    ...known({
      driver: version(at(top, 'kmdversion')) ?? version(at(top, 'driverversion')),
      cuda: cudaVersion(at(top, 'cudaumdversion')) ?? cudaVersion(at(top, 'cudaversion')),
      attached,
      cut: cut || undefined,
    }),
    gpus: gpus.map((gpu, index) => gpuFrom(gpu, numbered && attached !== undefined ? index : undefined)),
  };
}

export function readQueryXml(lines: readonly string[]): Reading {
  const xml = readXml(lines.join('\n'));
  return reading('q-x', xml.root, xml.cut);
}

/** Every driver ends a GPU's part of a full `-q` with its processes; with `-d` all GPUs have the same keys. */
function stopsShort(root: Node): boolean {
  const gpus = gpusIn(root);
  const last = gpus.at(-1);
  if (!last) return amount(at(root, 'attachedgpus')) !== 0;
  if (at(last, 'productname') !== undefined) return !last.children.some(({ key }) => key === 'processes');
  const keys = (one: Node): string => one.children.map((child) => `${child.key}(${keys(child)})`).join();
  const [whole, short] = [keys(gpus[0]!), keys(last).replace(/\)+$/, '')];
  return last.children.length < 2 || (whole.length > keys(last).length && whole.startsWith(short));
}

/** The line at which an output stops may be half a line: half a figure would be a wrong one. */
function forgetLast(root: Node): void {
  let last = root;
  for (let next = last.children.at(-1); next; next = last.children.at(-1)) last = next;
  last.value = '';
}

export function readQueryText(lines: readonly string[]): Reading {
  const root = indented(readIndented(lines));
  const cut = stopsShort(root);
  if (cut) forgetLast(root);
  return reading('q', root, cut);
}
