/** Columns of nvidia-smi's CSV forms, by the names that `--help-query-gpu` and its siblings list. */
import type { Field } from './gpu-fields.js';

/** `--query-gpu`, old and new names. Columns that belong together are summed: 'a+b'. */
export const gpuColumns: Readonly<Record<string, Field>> = {
  index: 'index',
  name: 'name',
  gpu_name: 'name',
  uuid: 'uuid',
  gpu_uuid: 'uuid',
  'pci.bus_id': 'busId',
  gpu_bus_id: 'busId',
  compute_cap: 'computeCapability',
  'memory.total': 'memoryTotal',
  'memory.used': 'memoryUsed',
  'memory.free': 'memoryFree',
  'memory.reserved': 'memoryReserved',
  'utilization.gpu': 'gpuUtilization',
  'utilization.memory': 'memoryUtilization',
  'temperature.gpu': 'temperature',
  'temperature.memory': 'memoryTemperature',
  'power.draw': 'powerDraw',
  'power.limit': 'powerLimit',
  'fan.speed': 'fan',
  pstate: 'performanceState',
  'ecc.mode.current': 'eccMode',
  'ecc.mode.pending': 'eccPending',
  'ecc.errors.corrected.volatile.total': 'eccVolatileCorrected',
  'ecc.errors.uncorrected.volatile.total': 'eccVolatileUncorrected',
  'ecc.errors.corrected.aggregate.total': 'eccAggregateCorrected',
  'ecc.errors.uncorrected.aggregate.total': 'eccAggregateUncorrected',
  'ecc.errors.uncorrected.aggregate.sram.thresholdexceeded': 'eccThreshold',
  'retired_pages.single_bit_ecc.count': 'retiredSingleBit',
  'retired_pages.sbe': 'retiredSingleBit',
  'retired_pages.double_bit.count': 'retiredDoubleBit',
  'retired_pages.dbe': 'retiredDoubleBit',
  'retired_pages.pending': 'retiredPending',
  'remapped_rows.correctable': 'remappedCorrectable',
  'remapped_rows.sbe': 'remappedCorrectable',
  'remapped_rows.uncorrectable': 'remappedUncorrectable',
  'remapped_rows.dbe': 'remappedUncorrectable',
  'remapped_rows.pending': 'remappedPending',
  'remapped_rows.failure': 'remappedFailure',
  'mig.mode.current': 'migMode',
  'mig.mode.pending': 'migPending',
  persistence_mode: 'persistence',
  compute_mode: 'computeMode',
  'driver_model.current': 'driverModel',
  'pcie.link.gen.current': 'pcieGeneration',
  'pcie.link.gen.max': 'pcieGenerationMax',
  'pcie.link.width.current': 'pcieWidth',
  'pcie.link.width.max': 'pcieWidthMax',
  gpu_recovery_action: 'recoveryAction',
  'reset_status.reset_required': 'resetRequired',
  'reset_status.drain_and_reset_recommended': 'drainRecommended',
  'inforom.checksum_validation': 'inforom',
  'fabric.state': 'fabricState',
  'fabric.status': 'fabricStatus',
  'fabric.cliqueid': 'fabricClique',
  'fabric.clusteruuid': 'fabricCluster',
};

/** Where the preferred column is absent or silent. */
export const secondBest: Readonly<Record<string, Field>> = {
  'power.draw.average': 'powerDraw',
  'gpu.power.draw.average': 'powerDraw',
  'power.draw.instant': 'powerDraw',
  'gpu.power.draw.instant': 'powerDraw',
  'enforced.power.limit': 'powerLimit',
  'gpu.power.current_limit': 'powerLimit',
  'gpu.power.requested_limit': 'powerLimit',
};

/** Summed where no total is asked for. */
export const parts: Readonly<Record<string, Field>> = {
  'ecc.errors.corrected.volatile.sram': 'eccVolatileCorrected',
  'ecc.errors.corrected.volatile.dram': 'eccVolatileCorrected',
  'ecc.errors.uncorrected.volatile.sram': 'eccVolatileUncorrected',
  'ecc.errors.uncorrected.volatile.dram': 'eccVolatileUncorrected',
  'ecc.errors.corrected.aggregate.sram': 'eccAggregateCorrected',
  'ecc.errors.corrected.aggregate.dram': 'eccAggregateCorrected',
  'ecc.errors.uncorrected.aggregate.sram': 'eccAggregateUncorrected',
  'ecc.errors.uncorrected.aggregate.dram': 'eccAggregateUncorrected',
};

const families =
  /^(timestamp|driver_version|kmd_version|cuda_umd_version|count|serial|gpu_serial|vbios_version|hostname|vgpu_.*|display_.*|addressing_mode|driver_model\..*|accounting\..*|inforom\..*|gom\..*|gpu_operation_mode\..*|clocks.*|encoder\..*|dramencryption\..*|ecc\..*|retired_pages\..*|remapped_rows\..*|temperature\..*|power.*|module\..*|gpu\.power\..*|edpp_multiplier|gsp\..*|c2c\..*|protected_memory\..*|fabric\..*|platform\..*|pci\..*|pcie\..*|utilization\..*|reset_status\..*|mig\..*|vgpu_instance|gpu_instance_id|compute_instance_id|gpu_util|mem_util|time|process_name|pid|used_gpu_memory|used_memory|max_memory_usage|stats\..*|attribute\..*|fbc\..*|gpu_utilization|mem_utilization|is_running|unresolved|addressing\..*|count\..*)$/;

/** 'memory.total [MiB]' is memory.total. */
export const columnOf = (cell: string): string =>
  cell
    .trim()
    .replace(/\s*\[[^\]]*\]$/, '')
    .toLowerCase();

/** What stands in the brackets of a heading, 'MiB'. */
export const unitOf = (cell: string): string => /\[([^\]]*)\]$/.exec(cell.trim())?.[1] ?? '';

export const isColumn = (cell: string): boolean => {
  const name = columnOf(cell);
  return name in gpuColumns || name in secondBest || families.test(name);
};

export const cells = (line: string): string[] => line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));

/** Whether a line heads a CSV table. */
export function isHeading(line: string): boolean {
  const names = cells(line);
  if (!names.every((cell) => /^[\w.]+(?: ?\[[^\]]*\])?$/.test(cell))) return false;
  const hits = names.filter(isColumn);
  // A single word is a heading only when it could be nothing else.
  if (names.length === 1) return hits.length === 1 && /[._]/.test(names[0]!);
  return hits.length >= names.length / 2;
}
