/** Lines of the NVIDIA kernel driver in `dmesg`, and what it says about itself under /proc/driver/nvidia. */
import type { Reading } from './gpu.js';
import { known, version } from './values.js';

export const isKernelLine = (line: string): boolean =>
  /\bNVRM:|^NVRM version:|\bnvidia-(?:nvswitch|modeset|uvm)\d*:|^filename:.*\/nvidia(?:-current)?\.ko/.test(line);

/**
 * The version stands in the banner that the module prints as it loads, in /proc/driver/nvidia/version and in `modinfo
 * nvidia`. A module that merely lies on disk (`modinfo`) is not the one that runs, so it counts last.
 */
export function readKernel(lines: readonly string[]): Reading {
  const text = lines.join('\n');
  const running = /(?:NVRM version|loading NVIDIA UNIX).*?Kernel Module(?: for \S+)?\s+(\d[\d.]*\d)/i.exec(text)?.[1];
  const onDisk = /^filename:/m.test(text) ? /^version:\s+(\d[\d.]*\d)/m.exec(text)?.[1] : undefined;
  return { form: 'kernel-log', ...known({ driver: version(running ?? onDisk) }), gpus: [] };
}
