/** The forms that GPU output comes in, each recognised by its own first line: a paste may hold several of them. */

import { isHeading } from './csv.js';
import type { Reading } from './gpu.js';
import { isKernelLine, readKernel } from './kernel-log.js';
import { isPciLine, readPci } from './lspci.js';
import { isBareRow, isGpuName, readBareRows } from './smi-bare.js';
import { readCsv } from './smi-csv.js';
import { readHelp } from './smi-help.js';
import { gpuLine, readList, readVersion } from './smi-list.js';
import { migHeading, readMig } from './smi-mig.js';
import { monitorHeading, readMonitor } from './smi-monitor.js';
import { readQueryText, readQueryXml } from './smi-query.js';
import { banner, gpuRow, readTable } from './smi-table.js';
import { isTopology, readTopology } from './smi-topo.js';
import { uuid } from './values.js';

export interface Form {
  /** A form may print under several ids: 'L' and 'nvlink' head their GPUs by the same line. */
  readonly id: string;
  /** @param within the form that goes on at this line, if any */
  starts(line: string, next: string, within: string | undefined): boolean;
  /** Without it the form ends where another begins. */
  readonly ends?: (line: string) => boolean;
  /** The line is part of the form's own grammar, not a message that came between. */
  readonly owns: (line: string) => boolean;
  read(lines: readonly string[]): Reading;
}

const blank = (line: string): boolean => line.trim() === '';
const boxed = (line: string): boolean => /^\s*[|+]/.test(line);
const always = (): boolean => true;
const row = (line: string): boolean => line.includes(',') || /^\s*\[/.test(line);

export const forms: readonly Form[] = [
  {
    id: 'q-x',
    starts: (line, next, within) =>
      within !== 'q-x' &&
      (/<nvidia_smi_log|<!DOCTYPE nvidia_smi_log|^<gpu id=/.test(line) ||
        (/^<\?xml/.test(line) && /nvidia_smi_log/.test(next))),
    ends: (line) => line.includes('</nvidia_smi_log>'),
    owns: always,
    read: readQueryXml,
  },
  {
    id: 'help',
    starts: (line) =>
      /^List of valid properties to query for the switch|^NVIDIA System Management Interface -- v/.test(line),
    owns: always,
    read: readHelp,
  },
  {
    id: 'q',
    starts: (line, _, within) =>
      /=+NVSMI LOG=+/.test(line) ||
      (within !== 'q' &&
        (/^Attached GPUs\s+:/.test(line) || /^GPU [0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.\d$/.test(line))),
    owns: (line) => blank(line) || /\S\s+:(\s|$)/.test(line) || /^\s*[A-Z][\w .&/()-]*$/.test(line),
    read: readQueryText,
  },
  { id: 'mig', starts: (line) => migHeading.test(line), owns: boxed, read: readMig },
  {
    id: 'no-mig',
    starts: (line) => /^No (?:MIG-enabled devices|(?:GPU|compute) instances) found(?!.*Insufficient)/i.test(line),
    ends: always,
    owns: always,
    read: () => ({ form: 'mig-lgi', gpus: [] }),
  },
  {
    id: 'table',
    starts: (line, _, within) =>
      (boxed(line) && banner.test(line)) ||
      (within !== 'table' && (gpuRow.test(line) || /^\|\s*GPU\s+Name\s.*Bus-Id/.test(line))),
    owns: boxed,
    read: readTable,
  },
  { id: 'topo', starts: isTopology, owns: () => false, read: readTopology },
  {
    id: 'version',
    starts: (line) => /^NVIDIA-SMI version\s*:/.test(line),
    ends: blank,
    owns: always,
    read: readVersion,
  },
  {
    id: 'L',
    starts: (line, _, within) => within !== 'L' && gpuLine.test(line),
    owns: (line) => /^\s*(GPU \d+: .*\(|MIG |Link \d)|nvlink/i.test(line),
    read: readList,
  },
  {
    id: 'dmon',
    starts: (line, _, within) => within !== 'dmon' && monitorHeading.test(line),
    ends: blank,
    owns: always,
    read: readMonitor,
  },
  {
    id: 'csv',
    starts: (line, next) =>
      isHeading(line) ||
      (/^(name|gpu_name|uuid|gpu_uuid)$/.test(line) && (isGpuName(next) || uuid(next) !== undefined)),
    ends: blank,
    owns: row,
    read: readCsv,
  },
  {
    id: 'kernel-log',
    starts: (line, _, within) => within !== 'kernel-log' && isKernelLine(line),
    owns: () => false,
    read: readKernel,
  },
  {
    id: 'lspci',
    starts: (line, _, within) => within !== 'lspci' && isPciLine(line),
    ends: blank,
    owns: always,
    read: readPci,
  },
  {
    id: 'bare-csv',
    starts: (line, _, within) => within !== 'bare-csv' && within !== 'csv' && isBareRow(line),
    ends: (line) => blank(line),
    owns: row,
    read: readBareRows,
  },
];
