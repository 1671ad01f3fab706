/** What a host's facts say about its GPUs, as the diagnosis wants it. */
import type { HostFacts } from '../probes/host.js';
import type { Evidence } from './gpu-diagnosis.js';

/** Whether the facts are of a whole host, and not of an output that somebody pasted. */
export const isHost = ({ os, kernel, cpu, memory }: HostFacts): boolean => Boolean(os ?? kernel ?? cpu ?? memory);

/** On a whole host the bus says whether there is hardware at all; under WSL the GPU is on Windows' bus. */
export function evidenceOf(facts: HostFacts): Evidence {
  const { forms = [], picture = { gpus: [] }, troubles = [], cut = [] } = facts.gpu ?? {};
  if (!isHost(facts)) return { forms, picture, troubles, cut };
  if (facts.virtualization?.vm === 'wsl') {
    return { forms, picture, cut, troubles: troubles.filter(({ id }) => id !== 'gpu.smi-missing') };
  }
  return { forms, picture, troubles, cut, pci: facts.pci ?? [] };
}
