/** GPUs of a test host: an nvidia-smi that plays a recording. */
import { readFileSync } from 'node:fs';
import type { Host } from '../../src/world.js';

const play = `#!/bin/sh
case "$*" in
  '-q -x') cat /usr/local/share/nvidia-smi.xml ;;
  -L) echo 'GPU 0: NVIDIA H200 (UUID: GPU-0)'; echo 'GPU 1: NVIDIA H200 (UUID: GPU-1)' ;;
  *) exit 2 ;;
esac
`;

/** Two H200 with a driver that answers. */
export async function giveGpus(host: Host): Promise<void> {
  const recording = readFileSync(`${import.meta.dirname}/../recordings/q-x-h200-x2.xml`, 'utf8');
  await host.put('/usr/local/share/nvidia-smi.xml', recording, { mode: 0o644, sudo: true });
  await host.put('/usr/local/bin/nvidia-smi', play, { mode: 0o755, sudo: true });
}
