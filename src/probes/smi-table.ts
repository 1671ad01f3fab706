/** The default table of `nvidia-smi`: every width from R367 to R615, Windows' driver models, MIG devices, processes. */

import type { Gpu, GpuProcess, MigInstance, Reading } from './gpu.js';
import { gpuOf, processOf, type Raw } from './gpu-fields.js';
import { amount, cudaVersion, known, mib, version } from './values.js';

export const banner = /NVIDIA-SMI\s+(\d{3}\.[\d.]+)/;
const bus = '(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\\.[0-9A-Fa-f]';
const mode = '(?:On|Off|N\\/A|WDDM|TCC|MCDM|ERR!)';
const firstCell = new RegExp(`^\\s*(\\d+)\\s+(.*?)(?:\\s+(${mode}))?\\s*$`);
const busCell = new RegExp(`^\\s*(${bus})(?:\\s+(?:On|Off|N\\/A|ERR!))?\\s*$`);
/** Begins a GPU's part: its number, name and bus id; a GPU within the processor has none. */
export const gpuRow = new RegExp(`^\\|\\s*\\d+\\s+[^|]*\\|\\s*(?:${bus}\\b|N\\/A\\s+N\\/A\\s*\\|)`);

const value = String.raw`(ERR!|N\/A|Unknown Error|[\d.]+)`;
const healthCell = new RegExp(
  `^\\s*(?:${value}\\s*%?)\\s+(?:${value}\\s*C?)\\s+(P\\d+|ERR!|N\\/A)?\\s*(?:${value}\\s*W?)\\s*\\/\\s*(?:${value}\\s*W?)\\s*$`,
);
const memoryCell = /^\s*(\S+?\s?(?:MiB|MB|GiB)?)\s*\/\s*(\S+?\s?(?:MiB|MB|GiB)?)\s*$/;
const loadCell = /^\s*(?:(ERR!|N\/A|Unknown Error|\d+)\s*%?)\s+(\S.*?)\s*$/;

/** The cells of a line; the last one of a line that stops short may be half a figure. */
function cellsOf(line: string): string[] {
  const cells = line.trim().replace(/^\|/, '').split('|');
  cells.pop();
  return cells;
}

/** The second line of a GPU: fan, temperature, state and power; memory; load. */
function second(raw: Raw, [health = '', memory = '', load = '']: readonly string[]): void {
  const found = healthCell.exec(health);
  if (found) [, raw.fan, raw.temperature, raw.performanceState, raw.powerDraw, raw.powerLimit] = found;
  const sizes = memoryCell.exec(memory);
  [raw.memoryUsed, raw.memoryTotal] = sizes ? [sizes[1], sizes[2]] : [undefined, memory.trim()];
  [, raw.gpuUtilization, raw.computeMode] = loadCell.exec(load) ?? [];
}

interface Part {
  readonly raw: Raw;
  lines: number;
}

/** 'On' in the ECC column is what a GPU in MIG mode prints; a number counts uncorrected errors since the driver came. */
function first(line: string): Part {
  const [name = '', where = '', ecc = ''] = cellsOf(line);
  const [, index, product, state] = firstCell.exec(name) ?? [];
  const model = /WDDM|TCC|MCDM/.test(state ?? '');
  const errors = ecc.trim();
  return {
    lines: 1,
    raw: {
      index,
      name: product,
      busId: busCell.exec(where)?.[1] ?? where.trim(),
      ...(model ? { driverModel: state } : { persistence: state }),
      ...(/^\d+$|ERR!/.test(errors) ? { eccMode: 'On', eccVolatileUncorrected: errors } : {}),
      ...(/^(On|Off)$/.test(errors) ? { eccMode: errors } : {}),
    },
  };
}

/** Enough of what should be numbers failed that the board does not answer: its 0 MiB are no measurement. */
function unanswered(raw: Raw): Raw {
  const silent = [raw.name, raw.temperature, raw.performanceState, raw.powerDraw, raw.gpuUtilization];
  if (silent.filter((text) => /ERR!|Unknown Error/.test(text ?? '')).length < 3) return raw;
  return { ...raw, memoryUsed: undefined };
}

const migRow = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$/;

function migOf(line: string): { gpu: number; instance: MigInstance } | undefined {
  const [ids = '', memory = '', counts = ''] = cellsOf(line);
  const found = migRow.exec(ids);
  const sizes = memoryCell.exec(memory);
  if (!found) return undefined;
  const [gpu, gpuInstance, computeInstance, index] = found.slice(1).map(Number);
  const instance = known<MigInstance>({
    index,
    gpuInstance,
    computeInstance,
    multiprocessors: amount(counts.trim().split(/\s+/)[0]),
    memory: known({ usedMiB: mib(sizes?.[1]), totalMiB: mib(sizes?.[2]) }),
  });
  return { gpu: gpu!, instance: instance! };
}

const processRow =
  /^\|\s*(\d+)\s+(?:(N\/A|\d+)\s+(N\/A|\d+)\s+)?(\d+)\s+(C\+G|M\+C|[CGM])\s+(.*?)\s+(N\/A|\d+\s?[KMG]i?B|Insufficient Permissions?)\s*\|?$/;

function processIn(line: string): { gpu: number; process: GpuProcess } | undefined {
  const [, gpu, gpuInstance, computeInstance, pid, type, name, memory] = processRow.exec(line.trim()) ?? [];
  const process = processOf({ pid, type, name, memory, gpuInstance, computeInstance });
  return gpu === undefined || !process ? undefined : { gpu: Number(gpu), process };
}

const border = /^\+[-=+]*\+$/;

/** Where the table is at a line: its head, its GPUs, its MIG devices or its processes. */
type Place = 'head' | 'gpus' | 'mig' | 'processes';

function placeOf(line: string, before: Place): Place {
  if (/^\|\s*MIG devices:/.test(line)) return 'mig';
  if (/^\|\s*(Compute )?Processes:/.test(line)) return 'processes';
  return /^\|=+/.test(line) && before === 'head' ? 'gpus' : before;
}

interface State {
  readonly parts: Part[];
  readonly mig: { readonly gpu: number; readonly instance: MigInstance }[];
  readonly processes: { readonly gpu: number; readonly process: GpuProcess }[];
  place: Place;
  /** Processes were printed at all, if only to say that there are none. */
  listed: boolean;
}

function take(state: State, line: string): void {
  state.place = placeOf(line, state.place);
  const part = state.parts.at(-1);
  if (gpuRow.test(line)) {
    state.parts.push(first(line));
    state.place = 'gpus';
  } else if (state.place === 'gpus' && line.startsWith('|') && part && !/^\|[=-]/.test(line)) {
    part.lines += 1;
    if (part.lines === 2) second(part.raw, cellsOf(line));
    if (part.lines === 3) part.raw.migMode = cellsOf(line)[2]?.trim();
  } else if (state.place === 'mig') {
    const device = migOf(line);
    if (device) state.mig.push(device);
  } else if (state.place === 'processes') {
    const found = processIn(line);
    if (found) state.processes.push(found);
    state.listed ||= found !== undefined || /No running/i.test(line);
  }
}

export function readTable(lines: readonly string[]): Reading {
  const state: State = { parts: [], mig: [], processes: [], place: 'head', listed: false };
  const boxed = lines.map((line) => line.trim()).filter((line) => /^[|+]/.test(line));
  for (const line of boxed) take(state, line);
  const head = lines.find((line) => banner.test(line)) ?? '';
  const cut =
    state.parts.some(({ lines }) => lines < 2) || !border.test(boxed.at(-1) ?? '') || state.parts.length === 0;
  return {
    form: 'table',
    ...known({
      driver: version(/(?:KMD|Driver) Version:\s*(\S+)/.exec(head)?.[1]),
      cuda: cudaVersion(/CUDA (?:UMD )?Version:\s*(\S+)/.exec(head)?.[1]),
      cut: cut || undefined,
    }),
    gpus: state.parts.map(({ raw }) => gpuIn(state, raw)),
  };
}

function gpuIn(state: State, raw: Raw): Gpu {
  const gpu = gpuOf(unanswered(raw));
  const instances = state.mig.filter((device) => device.gpu === gpu.index).map(({ instance }) => instance);
  const processes = state.processes.filter((one) => one.gpu === gpu.index).map(({ process }) => process);
  const more = known<Gpu>({
    mig: instances.length > 0 ? { ...gpu.mig, instances } : gpu.mig,
    processes: state.listed ? processes : undefined,
  });
  return { ...gpu, ...more };
}
