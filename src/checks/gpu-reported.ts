/** What the output itself reports as broken: one check for each kind of report. */

import type { Trouble } from '../probes/gpu.js';
import { say, type Text } from '../say.js';
import { type Diagnosis, type Evidence, type GpuCheck, labels, refOf } from './gpu-diagnosis.js';
import { remedies } from './gpu-remedies.js';

/** Without NVIDIA hardware these reports say only that its tools are not there, or are there for nothing. */
const pointlessWithoutHardware = new Set(['gpu.smi-missing', 'gpu.driver-missing', 'gpu.library-missing', 'gpu.none']);

const hardware = ({ pci }: Evidence): boolean => pci === undefined || pci.some(({ kind }) => kind === 'gpu');

/** The tools are missing because the driver is, or because a container was not given them. */
function idOf(trouble: Trouble, { pci }: Evidence): string {
  if (trouble.id !== 'gpu.smi-missing' || pci === undefined) return trouble.id;
  return pci.some(({ kind, driver }) => kind === 'gpu' && driver === 'nvidia')
    ? 'gpu.library-missing'
    : 'gpu.driver-missing';
}

function gpusOf(troubles: readonly Trouble[], { picture }: Evidence): NonNullable<Diagnosis['gpus']> {
  return troubles.flatMap(({ gpu }) => {
    if (!gpu) return [];
    const seen = picture.gpus.find(
      (one) =>
        (gpu.busId !== undefined && one.busId === gpu.busId) || (gpu.index !== undefined && one.index === gpu.index),
    );
    return [refOf({ ...seen, ...gpu })];
  });
}

const named = (found: Text, gpus: NonNullable<Diagnosis['gpus']>): Text =>
  gpus.length === 0 ? found : say(`${labels(gpus)}: ${found.en}`, `${labels(gpus)}：${found.zh}`);

const mismatched = ({ library, kernel }: Readonly<Record<string, string>>): Text =>
  say(
    `The driver's library${library ? ` (${library})` : ''} and its kernel module${kernel ? ` (${kernel})` : ''} are of different versions.`,
    `驱动的用户态库${library ? `（${library}）` : ''}与内核模块${kernel ? `（${kernel}）` : ''}版本不一致。`,
  );

function check(id: string): GpuCheck {
  const remedy = remedies[id]!;
  return {
    id,
    look(evidence) {
      const troubles = evidence.troubles.filter((trouble) => idOf(trouble, evidence) === id);
      if (troubles.length === 0) return undefined;
      if (troubles.every((trouble) => pointlessWithoutHardware.has(trouble.id)) && !hardware(evidence))
        return undefined;
      const gpus = gpusOf(troubles, evidence);
      const detail = troubles.find((trouble) => trouble.detail)?.detail;
      const found = id === 'gpu.driver-mismatch' && detail ? mismatched(detail) : remedy.found;
      return {
        id,
        severity: id === 'gpu.bad-query' && evidence.picture.gpus.length > 0 ? 'note' : 'fault',
        found: named(found, gpus),
        ...(remedy.why ? { why: remedy.why } : {}),
        cure: remedy.cure,
        ...(gpus.length > 0 ? { gpus } : {}),
        says: troubles[0]!.says,
        ...(detail ? { detail } : {}),
      };
    },
  };
}

/** Boards on the bus that no NVIDIA driver holds: seen even where nvidia-smi was never installed. */
const undriven: GpuCheck = {
  id: 'gpu.driver-missing',
  look({ pci, picture }) {
    const idle = (pci ?? []).filter(
      ({ kind, driver }) => kind === 'gpu' && driver !== 'nvidia' && driver !== 'vfio-pci',
    );
    if (idle.length === 0 || picture.gpus.length >= (pci ?? []).filter(({ kind }) => kind === 'gpu').length)
      return undefined;
    const names = [...new Set(idle.map(({ name, id }) => name ?? `10de:${id.toLowerCase()}`))].join(', ');
    const nouveau = idle.some(({ driver }) => driver === 'nouveau');
    const remedy = remedies[nouveau ? 'gpu.nouveau' : 'gpu.driver-missing']!;
    return {
      id: nouveau ? 'gpu.nouveau' : 'gpu.driver-missing',
      severity: 'fault',
      found: say(`${idle.length} × ${names}: ${remedy.found.en}`, `${idle.length} × ${names}：${remedy.found.zh}`),
      ...(remedy.why ? { why: remedy.why } : {}),
      cure: remedy.cure,
      gpus: idle.map(({ busId }) => ({ busId })),
    };
  },
};

export const reported: readonly GpuCheck[] = [undriven, ...Object.keys(remedies).map(check)];
