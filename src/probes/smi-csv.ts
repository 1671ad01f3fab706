import { cells, columnOf, gpuColumns, isHeading, parts, secondBest, unitOf } from './csv.js';
import type { Gpu, GpuProcess, Reading } from './gpu.js';
import { type Field, gpuOf, processOf, type Raw } from './gpu-fields.js';
import { amount, cudaVersion, known, version, word } from './values.js';

type Row = Readonly<Record<string, string>>;

/** The rows under a heading; lines that are none (an error between them) are left to others. */
function rows(heading: string, lines: readonly string[]): { rows: Row[]; cut: boolean } {
  const names = cells(heading);
  const found: Row[] = [];
  let cut = false;
  for (const line of lines) {
    if (line.trim() === '' || isHeading(line)) continue;
    const values = cells(line);
    if (values.length < Math.min(2, names.length)) continue;
    cut = values.length < names.length;
    if (cut) values.pop();
    found.push(Object.fromEntries(names.map((name, at) => [columnOf(name), withUnit(values[at] ?? '', unitOf(name))])));
  }
  return { rows: found, cut };
}

/** With `nounits` the heading alone says GiB or KiB. */
const withUnit = (value: string, unit: string): string =>
  /^[\d.]+$/.test(value) && /^[A-Za-z]+$/.test(unit) ? `${value} ${unit}` : value;

function rawOf(row: Row): Raw {
  const raw: Raw = {};
  const joined: Partial<Record<Field, string[]>> = {};
  for (const [column, value] of Object.entries(row)) {
    const field = gpuColumns[column];
    if (field && (raw[field] === undefined || word(raw[field]) === undefined)) raw[field] = value;
    const part = parts[column];
    if (part) joined[part] = [...(joined[part] ?? []), value];
  }
  for (const [field, values] of Object.entries(joined)) raw[field as Field] ??= values.join('+');
  for (const [column, field] of Object.entries(secondBest)) {
    if (row[column] !== undefined && word(raw[field]) === undefined) raw[field] = row[column];
  }
  return raw;
}

const limitNames: Readonly<Record<string, string>> = {
  hw_thermal_slowdown: 'HW Thermal Slowdown',
  hw_power_brake_slowdown: 'HW Power Brake Slowdown',
  hw_slowdown: 'HW Slowdown',
  sw_thermal_slowdown: 'SW Thermal Slowdown',
  sw_power_cap: 'SW Power Cap',
  sync_boost: 'Sync Boost',
};

function clockLimits(row: Row): string[] | undefined {
  const said = Object.entries(limitNames).flatMap(([key, name]) => {
    const value = row[`clocks_event_reasons.${key}`] ?? row[`clocks_throttle_reasons.${key}`];
    return value === undefined ? [] : [{ name, active: /^active$/i.test(value) }];
  });
  return said.length === 0 ? undefined : said.filter(({ active }) => active).map(({ name }) => name);
}

function fabricHealth(row: Row): Record<string, string> | undefined {
  const said = Object.entries(row).flatMap(([column, value]) => {
    const key = /^fabric\.health\.(.+)$/.exec(column)?.[1]?.replaceAll('_', '');
    const says = /^none$/i.test(value) ? 'None' : word(value);
    return key === undefined || says === undefined ? [] : [[key, says] as const];
  });
  return said.length === 0 ? undefined : Object.fromEntries(said);
}

function gpuFrom(row: Row): Gpu {
  const plain = gpuOf(rawOf(row));
  const health = fabricHealth(row);
  const more = known<Gpu>({
    clockLimits: clockLimits(row),
    fabric: health ? { ...plain.fabric, health } : plain.fabric,
  });
  return { ...plain, ...more };
}

/** Rows of processes, gathered by their GPU. */
function appsOf(list: readonly Row[]): Gpu[] {
  const gpus = new Map<string, { gpu: Gpu; processes: GpuProcess[] }>();
  for (const row of list) {
    const { index, uuid, busId, name } = rawOf({ ...row, name: '' });
    const gpu = gpuOf({ index, uuid, busId, name: row.gpu_name ?? name });
    const key = gpu.busId ?? gpu.uuid ?? String(gpu.index);
    const entry = gpus.get(key) ?? { gpu, processes: [] };
    const process = processOf({
      pid: row.pid,
      type: 'C',
      name: row.process_name ?? row.name,
      memory: row.used_gpu_memory ?? row.used_memory ?? row.max_memory_usage,
    });
    if (process) entry.processes.push(process);
    gpus.set(key, entry);
  }
  return [...gpus.values()]
    .filter(({ gpu }) => Object.keys(gpu).length > 0)
    .map(({ gpu, processes }) => ({ ...gpu, processes }));
}

/** A CSV table with its heading: GPUs, or the processes on them. */
export function readCsv(lines: readonly string[]): Reading {
  const [heading, ...rest] = lines;
  const { rows: list, cut } = rows(heading!, rest);
  const names = cells(heading!).map(columnOf);
  const apps = names.includes('pid') || names.includes('process_name');
  const facts = known({
    driver: version(list[0]?.kmd_version) ?? version(list[0]?.driver_version),
    cuda: cudaVersion(list[0]?.cuda_umd_version),
    attached: amount(list[0]?.count),
    cut: cut || undefined,
  });
  if (apps) return { form: 'query-compute-apps', ...facts, gpus: appsOf(list) };
  return { form: 'query-gpu', ...facts, gpus: list.map(gpuFrom).filter((gpu) => Object.keys(gpu).length > 0) };
}
