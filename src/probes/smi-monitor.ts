/** `nvidia-smi dmon` and `pmon`: a heading that starts with '#', then a line for each GPU or process and second. */

import type { Gpu, GpuProcess, Reading } from './gpu.js';
import { type Field, gpuOf, processOf, type Raw } from './gpu-fields.js';

export const monitorHeading = /^#\s*(?:date,?\s+time,?\s+)?gpu,?\s+\S/i;

const columns: Readonly<Record<string, Field>> = {
  gpu: 'index',
  pwr: 'powerDraw',
  gtemp: 'temperature',
  temp: 'temperature',
  mtemp: 'memoryTemperature',
  sm: 'gpuUtilization',
  mem: 'memoryUtilization',
  fb: 'memoryUsed',
};

interface Entry {
  readonly raw: Raw;
  readonly processes: Map<string, GpuProcess>;
}

const split = (line: string): string[] =>
  line
    .trim()
    .split(/[,\s]+/)
    .filter(Boolean);

/** '-' means that there is nothing to say. */
const said = (value: string | undefined): string | undefined => (value === '-' ? undefined : value);

export function readMonitor(lines: readonly string[]): Reading {
  const [, ...names] = split(lines[0]!.replace(/^\s*#/, '# ')).map((name) => name.toLowerCase());
  const rows = lines.filter((line) => /^\s*\d/.test(line)).map(split);
  const perProcess = names.includes('pid');
  const last = rows.at(-1);
  const width = perProcess ? names.length - 1 : names.length;
  const facts = { form: perProcess ? 'pmon' : 'dmon', ...(last && last.length < width ? { cut: true } : {}) };
  const gpus = new Map<string, Entry>();
  for (const row of rows) {
    const cell = (name: string): string | undefined => said(row[names.indexOf(name)]);
    const index = cell('gpu');
    if (index === undefined || row.length < width) continue;
    const entry: Entry = gpus.get(index) ?? { raw: {}, processes: new Map() };
    gpus.set(index, entry);
    if (!perProcess) {
      for (const [name, field] of Object.entries(columns)) if (names.includes(name)) entry.raw[field] = cell(name);
      continue;
    }
    entry.raw.index = index;
    const user = processOf({ pid: cell('pid'), type: cell('type'), name: cell('command'), memory: cell('fb') });
    if (user) entry.processes.set(String(user.pid), user);
  }
  const gpuIn = ({ raw, processes }: Entry): Gpu =>
    perProcess ? { ...gpuOf(raw), processes: [...processes.values()] } : gpuOf(raw);
  return { ...facts, gpus: [...gpus.values()].map(gpuIn) };
}
