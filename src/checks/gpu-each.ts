import type { Gpu } from '../probes/gpu.js';
import { say, type Text } from '../say.js';
import { type Diagnosis, type Evidence, type GpuCheck, labels, refOf, type Severity } from './gpu-diagnosis.js';
import { remedies } from './gpu-remedies.js';

/** A check that asks each GPU; what it answers is listed behind the GPU's number. */
export function each(
  id: string,
  severity: Severity,
  ask: (gpu: Gpu, evidence: Evidence) => Text | undefined,
  words: { readonly why?: Text; readonly cure: Text } = remedies[id]!,
): GpuCheck {
  return {
    id,
    look(evidence) {
      const found = evidence.picture.gpus.flatMap((gpu) => {
        const says = ask(gpu, evidence);
        return says ? [{ gpu, says }] : [];
      });
      if (found.length === 0) return undefined;
      return {
        id,
        severity,
        ...listed(found),
        ...(words.why ? { why: words.why } : {}),
        cure: words.cure,
        gpus: found.map(({ gpu }) => refOf(gpu)),
      };
    },
  };
}

/** 'GPU 0, 1: …; GPU 4: …' */
function listed(found: readonly { readonly gpu: Gpu; readonly says: Text }[]): Pick<Diagnosis, 'found' | 'parts'> {
  const groups = new Map<string, { says: Text; gpus: Gpu[] }>();
  for (const { gpu, says } of found) {
    const group = groups.get(says.en) ?? { says, gpus: [] };
    group.gpus.push(gpu);
    groups.set(says.en, group);
  }
  const parts = [...groups.values()].map(({ gpus, says }) => {
    const names = labels(gpus);
    return say(`${names}: ${says.en}`, `${names}：${says.zh}`);
  });
  const whole = say(parts.map(({ en }) => en).join('; '), parts.map(({ zh }) => zh).join('；'));
  return { found: whole, ...(parts.length > 1 ? { parts } : {}) };
}
