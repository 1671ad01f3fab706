/** What stays on the hosts after our steps are undone. */
import type { Gathered } from '../fleet/gather.js';
import { remotePlaces } from '../fleet/open.js';
import { journalFile } from '../plan/journal.js';
import { say, type Text } from '../say.js';
import { isOf, type NodeStep } from '../steps/machine.js';

/** A line per thing, with the hosts it stays on. */
export function leavesOf(steps: readonly NodeStep[], { machines }: Gathered, names: readonly string[]): Text[] {
  const ours = machines.filter(({ name }) => names.includes(name));
  const left = steps.flatMap((step) => {
    const on = ours.filter((machine) => isOf(step.leavesOn ?? step.on, machine) && (step.needed?.(machine) ?? true));
    return step.leaves && on.length > 0 ? [{ what: step.leaves, on: on.map(({ name }) => name) }] : [];
  });
  const journal = journalFile(remotePlaces.home);
  return [...left, { what: say(`the journal, ${journal}`, `记录文件 ${journal}`), on: names }].map(({ what, on }) => {
    const [en, zh] = on.length > 3 ? [`${on.length} hosts`, `${on.length} 台主机`] : [on.join(', '), on.join('、')];
    return say(`Stays on ${en}: ${what.en}.`, `保留在 ${zh}：${what.zh}。`);
  });
}
