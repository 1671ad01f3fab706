/** The questions to the GPUs: one after the other, since a hung GPU would hang them all. */
import type { Command } from '../command.js';
import type { Host, Result } from '../world.js';
import type { GpuPicture, Trouble } from './gpu.js';
import { exitTroubles } from './gpu-errors.js';
import { ask, type Section, script } from './probe.js';
import { type Understood, understand } from './understand.js';

/** nvidia-smi's first answer without persistence mode takes seconds on a machine with eight GPUs. */
const smi = (...words: string[]): Command => ({ argv: ['nvidia-smi', ...words], timeoutMs: 25_000 });

interface GpuQuestion {
  readonly id: string;
  readonly command: Command;
  /** Asked when what is known so far makes it worth it. */
  readonly when: (known: Understood | undefined, last: Result | undefined) => boolean;
  /** Its failure is no fault: older drivers do not know it. */
  readonly optional?: true;
}

const gpus = (known: Understood | undefined): number => known?.picture.gpus.length ?? 0;
const hung = (last: Result | undefined): boolean => last?.code === 124;
const trouble = (known: Understood | undefined, last: Result | undefined): boolean =>
  last !== undefined &&
  last.code !== 127 &&
  (last.code !== 0 || gpus(known) === 0 || (known?.troubles.length ?? 0) > 0);

export const gpuQuestions: readonly GpuQuestion[] = [
  { id: 'gpu.query', command: smi('-q', '-x'), when: () => true },
  {
    id: 'gpu.fields',
    command: smi('--query-gpu=index,uuid,pci.bus_id,name,memory.total,compute_cap', '--format=csv'),
    when: (known, last) => gpus(known) > 0 && !hung(last),
    optional: true,
  },
  { id: 'gpu.list', command: smi('-L'), when: (known, last) => migOn(known) && !hung(last), optional: true },
  {
    id: 'gpu.topology',
    command: smi('topo', '-m'),
    when: (known, last) => gpus(known) > 1 && !hung(last),
    optional: true,
  },
  {
    id: 'gpu.nvlink',
    command: smi('nvlink', '-s'),
    when: (known, last) => gpus(known) > 1 && !hung(last),
    optional: true,
  },
  {
    id: 'gpu.kernel-log',
    command: script(
      'cat /proc/driver/nvidia/version 2>/dev/null; dmesg 2>/dev/null | grep -E "NVRM|Xid|nouveau.*nvidia" | tail -n 60; exit 0',
    ),
    when: trouble,
    optional: true,
  },
];

const migOn = (known: Understood | undefined): boolean => known?.picture.gpus.some((gpu) => gpu.mig?.mode) ?? false;

/** Which GPUs there are, and no more. */
export const gpusOnly = gpuQuestions.filter(({ id }) => id === 'gpu.query');

/** Asks what is worth asking; `last` is the answer of the one before. */
export async function askGpus(host: Host, questions = gpuQuestions): Promise<Section[]> {
  const sections: Section[] = [];
  let first: Result | undefined;
  let last: Result | undefined;
  for (const question of questions) {
    const known = understoodIn(sections);
    const judged = question.id === 'gpu.kernel-log' ? first : last;
    if (!question.when(known, judged) || (last?.code === 127 && question.id !== 'gpu.query')) continue;
    last = await ask(host, question.command);
    first ??= last;
    sections.push({ id: question.id, line: question.command.argv.join(' '), result: last });
  }
  return sections;
}

const isOptional = (id: string | undefined): boolean => gpuQuestions.some((one) => one.id === id && one.optional);

/** The sections' outputs as one paste; what optional questions failed to say is left out. */
const textOf = (sections: readonly Section[]): string =>
  sections
    .filter(({ id, result }) => !isOptional(id) || result.code === 0)
    .map(
      ({ line, result }) => `$ ${/^nvidia-smi/.test(line) ? line : 'nvidia-smi'}\n${result.stdout}\n${result.stderr}`,
    )
    .join('\n');

/** What the exit status says by itself, where the text does not. */
function byExit(sections: readonly Section[], told: readonly Trouble[], picture: GpuPicture | undefined): Trouble[] {
  return sections.flatMap(({ id, line, result }) => {
    const meant = isOptional(id) || !/nvidia-smi/.test(line) ? undefined : exitTroubles[result.code];
    if (meant === undefined || told.some((trouble) => trouble.id === meant)) return [];
    if (told.length > 0 && meant !== 'gpu.hung') return [];
    const whole = (picture?.gpus.length ?? 0) > 0 && meant === 'gpu.none';
    return whole ? [] : [{ id: meant, says: `${line}: exit ${result.code}` }];
  });
}

/** What all GPU sections of a host say together; undefined when there are none or none says anything. */
export function understoodIn(sections: readonly Section[]): Understood | undefined {
  const own = sections.filter(({ id, line }) => id === undefined || id.startsWith('gpu.') || /nvidia-smi/.test(line));
  if (own.length === 0) return undefined;
  const said = understand(textOf(own));
  const exits = byExit(own, said?.troubles ?? [], said?.picture);
  if (!said && exits.length === 0) return undefined;
  const { forms = [], picture = { gpus: [] }, troubles = [], cut = [] } = said ?? {};
  // A command that was stopped for taking too long is cut because of it.
  const stopped = exits.some(({ id }) => id === 'gpu.hung');
  return {
    forms: forms.length > 0 ? forms : ['error'],
    picture,
    troubles: [...troubles, ...exits],
    cut: stopped ? [] : cut,
  };
}
