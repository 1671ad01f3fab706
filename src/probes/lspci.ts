/** NVIDIA's devices in `lspci` (with or without -D, -nn, -k). */
import type { Gpu, Reading, Trouble } from './gpu.js';
import { deviceNames } from './gpu-names.js';
import { busId, known } from './values.js';

const line_ =
  /^((?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (VGA compatible controller|3D controller|Display controller|Bridge|Processing accelerators)?[^:]*: (.*NVIDIA.*)$/i;

export const isPciLine = (line: string): boolean => line_.test(line);

/** 'GA104GL [RTX A4000] [10de:24b0] (rev a1)': the table's name, else what stands in the brackets. */
function nameOf(text: string): string | undefined {
  const id = /\[10de:([0-9a-f]{4})\]/i.exec(text)?.[1]?.toUpperCase();
  const bracket = /NVIDIA Corporation \S+ \[([^\]]+)\]/.exec(text)?.[1];
  return deviceNames[id ?? ''] ?? bracket;
}

export function readPci(lines: readonly string[]): Reading {
  const gpus: Gpu[] = [];
  const troubles: Trouble[] = [];
  for (const line of lines) {
    const [, bus, kind, text] = line_.exec(line.trim()) ?? [];
    if (!bus || !kind || /^bridge/i.test(kind)) continue;
    const gpu = known<Gpu>({ busId: busId(bus), name: nameOf(text!) })!;
    gpus.push(gpu);
    // All ones is what the bus reads from a board that is gone.
    if (/\(rev ff\)/.test(text!)) troubles.push({ id: 'gpu.lost', says: line.trim(), gpu: { busId: gpu.busId! } });
  }
  return { form: 'lspci', gpus, ...(troubles.length > 0 ? { troubles } : {}) };
}
