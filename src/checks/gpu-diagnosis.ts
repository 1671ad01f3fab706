/** What a diagnosis of GPUs is made of. */
import type { Gpu, GpuPicture, Trouble } from '../probes/gpu.js';
import type { PciDevice } from '../probes/pci.js';
import type { Text } from '../say.js';

/** A fault stops work or will; a warning slows it; a note is worth knowing. */
export type Severity = 'fault' | 'warning' | 'note';

export type GpuRef = Pick<Gpu, 'index' | 'busId' | 'uuid'>;

export interface Diagnosis {
  /** Stable: the README's heading of this fault. */
  readonly id: string;
  readonly severity: Severity;
  readonly found: Text;
  /** `found` by groups of GPUs, where there are several. */
  readonly parts?: readonly Text[];
  readonly why?: Text;
  readonly cure: Text;
  readonly gpus?: readonly GpuRef[];
  /** The line that reported it. */
  readonly says?: string;
  readonly detail?: Readonly<Record<string, string>>;
}

export interface Evidence {
  readonly picture: GpuPicture;
  readonly troubles: readonly Trouble[];
  readonly forms: readonly string[];
  /** Forms that stop before their end. */
  readonly cut: readonly string[];
  /** NVIDIA's devices on the bus; undefined where the bus was not looked at. */
  readonly pci?: readonly PciDevice[];
}

export interface GpuCheck {
  readonly id: string;
  look(evidence: Evidence): Diagnosis | undefined;
}

export const refOf = ({ index, busId, uuid }: GpuRef): GpuRef => ({
  ...(index === undefined ? {} : { index }),
  ...(busId === undefined ? {} : { busId }),
  ...(uuid === undefined ? {} : { uuid }),
});

/** What a GPU is called: its number, or where it sits when it has none. */
const nameOf = ({ index, busId }: GpuRef): string =>
  index === undefined ? (busId ?? '').replace(/^0000(?=[0-9A-F]{4}:)/, '') : String(index);

/** ['0', '1', '2', '5'] is ['0-2', '5']. */
function ranges(names: readonly string[]): string[] {
  const runs: string[][] = [];
  for (const name of names) {
    const run = runs.at(-1);
    if (run && /^\d+$/.test(name) && Number(name) === Number(run.at(-1)) + 1) run.push(name);
    else runs.push([name]);
  }
  return runs.flatMap((run) => (run.length > 2 ? `${run[0]}-${run.at(-1)}` : run));
}

/** 'GPU 0-2, 5' */
export function labels(gpus: readonly GpuRef[]): string {
  const names = [...new Set(gpus.map(nameOf))].filter((name) => name !== '');
  return ['GPU', ranges(names).join(', ')].join(' ').trim();
}
