/** CSV without its heading (`--format=csv,noheader`): the cells have to say themselves what they are. */
import { cells, isColumn } from './csv.js';
import type { Gpu, Reading } from './gpu.js';
import { type Field, gpuOf, processOf, type Raw } from './gpu-fields.js';
import { familyOf } from './gpu-names.js';
import { amount, busId, failure, uuid, version } from './values.js';

/**
 * A row without its heading, as far as the cells say themselves what they are. Of two sizes the larger is the total;
 * whether the smaller is used or free is not said, so it stays unknown.
 */
function guessed(line: string): { raw: Raw; driver?: string } {
  const values = cells(line);
  const usual = usualRow(values);
  if (usual) return usual;
  const raw: Raw = {};
  const take = (field: Field, match: (value: string) => boolean): void => {
    raw[field] ??= values.find(match);
  };
  if (/^\d{1,3}$/.test(values[0] ?? '') && values.length > 1) raw.index = values[0];
  take('uuid', (value) => uuid(value) !== undefined);
  take(
    'busId',
    (value) => busId(value) === value.toUpperCase() || /^([0-9a-f]{4,8}:)[0-9a-f]{2}:[0-9a-f]{2}\.\d$/i.test(value),
  );
  take('name', (value) => isGpuName(value) || failure(value) !== undefined);
  take('computeCapability', (value) => /^(?:[3-9]|1\d)\.\d$/.test(value));
  // Without a name the sizes may be of anything.
  const sized = raw.name !== undefined || values.length > 3;
  const sizes = values.filter((value) => /^\d+ MiB$/.test(value)).map((value) => amount(value)!);
  const bare = values.slice(raw.index === undefined ? 0 : 1).filter((value) => /^\d{4,6}$/.test(value));
  const total = Math.max(0, ...sizes, ...(sizes.length > 0 ? [] : bare.map(Number)));
  if (sized && total >= smallestMiB) raw.memoryTotal = String(total);
  const driver = version(values.find((value) => /^\d{3}\.\d{2,3}(\.\d{2})?$/.test(value)));
  return { raw, ...(driver ? { driver } : {}) };
}

/** The columns that deployment tools ask for in this order, without a heading. */
const usualColumns: readonly (Field | 'driver' | undefined)[] = [
  'index',
  'uuid',
  'busId',
  'name',
  'driver',
  'memoryTotal',
  'memoryReserved',
  'memoryUsed',
  'memoryFree',
  'gpuUtilization',
  'temperature',
  'powerDraw',
  'powerLimit',
  'computeCapability',
  'migMode',
  'persistence',
  'eccMode',
  'pcieGenerationMax',
  'pcieWidth',
];

function usualRow(values: readonly string[]): { raw: Raw; driver?: string } | undefined {
  const shaped = /^\d+$/.test(values[0] ?? '') && uuid(values[1]) && busId(values[2]) && version(values[4]);
  if (!shaped || values.length !== usualColumns.length) return undefined;
  const raw = Object.fromEntries(usualColumns.map((column, at) => [column, values[at]]));
  return { raw, driver: shaped };
}

/** No board with less memory is of use here; a smaller figure is what is used. */
const smallestMiB = 1900;

export const isGpuName = (value: string): boolean =>
  value.split(/\s+/).length <= 9 &&
  value.split(/\s+/).every((part) => /^[A-Z0-9(][\w.()/+-]*$/.test(part) || /^(with|for)$/.test(part)) &&
  (/^(NVIDIA|Tesla|Quadro|GeForce|GRID|TITAN)\s/.test(value) || familyOf(value) !== undefined);

/** `--format=csv,noheader`: a line that can only be a row about a GPU. */
export function isBareRow(line: string): boolean {
  const values = cells(line);
  if (values.length < 2 || isColumn(values[0]!) || /[|{}<>]/.test(line)) return false;
  return values.some(
    (value) => /^GPU-[0-9a-f-]{30,}$/i.test(value) || (isGpuName(value) && familyOf(value) !== undefined),
  );
}

/** pid, program, memory, GPU: the usual question about who uses it. */
function processRow(line: string): Gpu | undefined {
  const [pid, name, memory, on, ...more] = cells(line);
  const id = uuid(on);
  if (!/^\d+$/.test(pid ?? '') || !/^\d+( MiB)?$/.test(memory ?? '') || !id || more.length > 0) return undefined;
  const process = processOf({ pid, type: 'C', name, memory });
  return process && { uuid: id, processes: [process] };
}

/** 'N, [Unknown Error], …' between rows that answer. */
const isFailed = (line: string): boolean => cells(line).length > 1 && cells(line).some((cell) => failure(cell));

export function readBareRows(lines: readonly string[]): Reading {
  const filled = lines.filter((line) => isBareRow(line) || isFailed(line));
  const owners = filled.map(processRow);
  if (owners.every((gpu) => gpu !== undefined)) {
    const ids = [...new Set(owners.map((gpu) => gpu.uuid!))];
    const of = (id: string) => owners.filter((gpu) => gpu.uuid === id).flatMap((gpu) => gpu.processes ?? []);
    return { form: 'query-compute-apps', gpus: ids.map((id) => ({ uuid: id, processes: of(id) })) };
  }
  const found = filled.map(guessed);
  const driver = found.find((row) => row.driver)?.driver;
  return { form: 'query-gpu', ...(driver ? { driver } : {}), gpus: found.map(({ raw }) => gpuOf(raw)) };
}
