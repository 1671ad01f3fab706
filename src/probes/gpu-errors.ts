/** The sentences in which nvidia-smi, the driver and their neighbours report that something is broken. */
import type { Trouble } from './gpu.js';
import { busId, known, uuid } from './values.js';
import { diagnosisOfXid } from './xids.js';

interface Saying {
  readonly id: string;
  readonly match: RegExp;
}

/** First match wins, so the more special stand first. */
export const sayings: readonly Saying[] = [
  {
    id: 'gpu.driver-mismatch',
    match: /driver\/library version mismatch|NVRM: API mismatch|cuda driver combination|\b803\b.*display driver/i,
  },
  { id: 'gpu.blocked', match: /GPU access blocked by the operating system/i },
  {
    id: 'gpu.permissions',
    match: /(?:NVML|Unable to [\w ]+|device handle for .*|instances? found|nvml error):? Insufficient Permissions/i,
  },
  { id: 'gpu.reset-needed', match: /device handle for .*requires (?:a )?reset/i },
  { id: 'gpu.lost', match: /Unable to determine the device handle for/i },
  { id: 'gpu.lost', match: /(?:^|[:[] ?)GPU is lost\b|fallen off the bus|NVML_ERROR_GPU_IS_LOST|ERROR_GPU_IS_LOST/ },
  {
    id: 'gpu.reset-needed',
    match: /GPU (?:currently )?requires (?:a )?reset|os reboot to recover|reboot required to recover/i,
  },
  {
    id: 'gpu.library-missing',
    match:
      /couldn'?t find (?:the )?\S*(?:libnvidia-ml|nvml)|NVML (?:Shared )?Library Not Found|load library failed: libnvidia-ml/i,
  },
  {
    id: 'gpu.secure-boot',
    match:
      /(?:insert|load) .*nvidia.*(?:Key was rejected by service|Required key not available)|module verification failed.*nvidia/i,
  },
  {
    id: 'gpu.driver-missing',
    match: /couldn'?t communicate with the NVIDIA driver|driver (?:is )?not loaded|NVIDIA driver is not loaded/i,
  },
  {
    id: 'gpu.driver-missing',
    match: /Module nvidia\S* not found|insert .*nvidia\S*.*(?:Exec format error|Invalid argument|Unknown symbol)/i,
  },
  {
    id: 'gpu.none',
    match:
      /No devices were found|No NVIDIA GPU found|no CUDA-capable device is detected|insert .*nvidia\S*.*No such device/i,
  },
  {
    id: 'gpu.smi-missing',
    match:
      /nvidia-smi(?:\.exe)?['"’]?:? (?:command )?not found|nvidia-smi[:：]? ?(?:未找到命令|找不到命令)|command not found: nvidia-smi|nvidia-smi['"’]? not found|nvidia-smi\S* (?:is not recognized|: The term)|The term 'nvidia-smi\S* is not recognized|nvidia-smi: No such file|"nvidia-smi": executable file not found/i,
  },
  { id: 'gpu.inforom', match: /infoROM is corrupted|corrupted infoROM/i },
  { id: 'gpu.power', match: /power cables? (?:is|are) not|power cables? .*not (?:properly )?(?:attached|connected)/i },
  { id: 'gpu.interrupt', match: /interrupt (?:issue|problem).*GPU|kernel detected an (?:issue with|interrupt)/i },
  { id: 'gpu.nouveau', match: /probe routine was not called for|ownership of the NVIDIA device/i },
  { id: 'gpu.nvlink', match: /nvswitch.*SXid.*(?<!Non-)\bFatal\b/i },
  { id: 'gpu.fabric', match: /system not yet initialized|fabric ?manager.*(?:fail|not (?:active|running|found))/i },
  { id: 'gpu.cuda-compat', match: /forward compatibility was attempted on non supported HW/i },
  {
    id: 'gpu.toolkit-missing',
    match: /could not select device driver .*capabilities: \[\[gpu\]\]|unknown or invalid runtime name: nvidia/i,
  },
  {
    id: 'gpu.hung',
    match:
      /timeout: (?:sending signal|the monitored command).*|driver rpc error: timed out|nvidia-smi.*timed out|nvidia-smi:\d+ blocked for more than|task nvidia-smi\S* blocked/i,
  },
  { id: 'gpu.init', match: /RmInitAdapter failed|rm_init_adapter failed/i },
  { id: 'gpu.nvml-unknown', match: /Failed to initialize NVML|NVML: (?:Unknown Error|Uninitialized)|nvml error: /i },
  {
    id: 'gpu.bad-query',
    match:
      /is not a valid field to query|Invalid combination of input arguments|Option "?[^"]*"? is (?:not recognized|missing its value)|Unable to parse .*query/i,
  },
];

/** 'GPU3: 0000:5F:00.0', 'GPU 0000:02:00.0', 'GPU0000:25:00.0', 'GPU2', 'PCI:0000:9b:00' */
function gpuIn(line: string): Trouble['gpu'] {
  const bus = busId(line) ?? busId(/PCI:([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2})\b/i.exec(line)?.[1]?.concat('.0'));
  const index = /\bGPU ?(\d{1,2})(?=:? |:$|$|\.)(?!\d)/i.exec(
    line.replace(/\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.\d/gi, 'bus'),
  )?.[1];
  return known<NonNullable<Trouble['gpu']>>({
    index: index === undefined ? undefined : Number(index),
    busId: bus,
    uuid: uuid(line),
  });
}

const xidLine = /NVRM: Xid \((?:PCI:)?([0-9a-f:.]+)\): (\d+)/i;

/** The board is well, a program was not. */
export const programFault = 'gpu.program-error';

/** A line of the kernel's log with an Xid: the fault it means. */
function xid(line: string): Trouble | undefined {
  const found = xidLine.exec(line);
  // Xid 154 tells also when the trouble is over.
  if (!found || /recovery action changed .*to 0x0 \(None\)/i.test(line)) return undefined;
  const id = diagnosisOfXid(Number(found[2])) ?? programFault;
  const gpu = gpuIn(`PCI:${found[1]}`);
  return { id, says: line.trim(), ...(gpu ? { gpu } : {}), detail: { xid: found[2]! } };
}

/** What the lines around a version mismatch name: the library's version and the kernel module's. */
function versions(lines: readonly string[]): Record<string, string> | undefined {
  const text = lines.join('\n');
  return known<Record<string, string>>({
    library: (/NVML library version:\s*([\d.]+\d)/i.exec(text) ?? /client has the version ([\d.]+\d)/i.exec(text))?.[1],
    kernel: (/NVRM kernel module:?\s*([\d.]+\d)/i.exec(text) ??
      /kernel module has the version\s*([\d.]+\d)/i.exec(text) ??
      /NVRM version:.*?Kernel Module(?: for \S+)?\s+([\d.]+\d)/i.exec(text))?.[1],
  });
}

/**
 * Every trouble that the lines report, in their order.
 * @param around what was pasted with them: versions may stand elsewhere
 */
export function readTroubles(lines: readonly string[], around: readonly string[] = lines): Trouble[] {
  return lines.flatMap((line, at) => {
    if (xidLine.test(line)) return xid(line) ?? [];
    const saying = sayings.find(({ match }) => match.test(line));
    if (!saying) return [];
    // The kernel breaks one report over lines: the board is named on those before.
    const gpu = gpuIn(line) ?? (/NVRM:/.test(line) ? gpuIn(lines.slice(Math.max(0, at - 2), at).join(' ')) : undefined);
    const detail = saying.id === 'gpu.driver-mismatch' ? versions(around) : undefined;
    return [{ id: saying.id, says: line.trim(), ...(gpu ? { gpu } : {}), ...(detail ? { detail } : {}) }];
  });
}

/** Exit codes of nvidia-smi that are a diagnosis by themselves. Source: nvidia-smi(1), RETURN VALUE. */
export const exitTroubles: Readonly<Record<number, string>> = {
  4: 'gpu.permissions',
  6: 'gpu.none',
  8: 'gpu.power',
  9: 'gpu.driver-missing',
  10: 'gpu.interrupt',
  12: 'gpu.library-missing',
  13: 'gpu.library-missing',
  14: 'gpu.inforom',
  15: 'gpu.lost',
  124: 'gpu.hung',
  127: 'gpu.smi-missing',
};
