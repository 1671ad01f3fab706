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

/** 'GPU 3', or where it sits when it has no number. */
export const label = ({ index, busId }: GpuRef): string =>
  index !== undefined
    ? `GPU ${index}`
    : busId === undefined
      ? 'GPU'
      : `GPU ${busId.replace(/^0000(?=[0-9A-F]{4}:)/, '')}`;

/** 'GPU 0, 1, 2' */
export function labels(gpus: readonly GpuRef[]): string {
  const parts = gpus.map((gpu, at) => (at === 0 ? label(gpu) : label(gpu).replace(/^GPU ?/, '')));
  return [...new Set(parts)].filter(Boolean).join(', ') || 'GPU';
}
