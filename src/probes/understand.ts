import { type Form, forms } from './forms.js';
import type { GpuPicture, Reading, Trouble } from './gpu.js';
import { readTroubles, sayings } from './gpu-errors.js';
import { gpuOf } from './gpu-fields.js';
import { pasted } from './paste.js';
import { paint } from './picture.js';
import { isGpuName } from './smi-bare.js';
import { uuid, version } from './values.js';

export interface Understood {
  /** What was recognised, in its order: 'q-x', 'table', 'topo', 'error', … */
  readonly forms: readonly string[];
  readonly picture: GpuPicture;
  readonly troubles: readonly Trouble[];
  /** Forms that stop before their end. */
  readonly cut: readonly string[];
}

interface Segment {
  readonly form: Form | undefined;
  readonly lines: string[];
}

/** A typed command, `$ nvidia-smi -L`, ends what was printed before it. */
const prompt =
  /^(?:#+ )?(?:\[?[\w.@:~\\/ -]*\]?)?(?:[$#>%❯]|PS [^>]*>)\s*(?:sudo )?(?:[\w./\\:-]*[/\\])?(?:nvidia-smi|dmesg|lspci|cat|modinfo)\b/;
const ruler = /^\s*(?:[+|][-=+|]*|#{4,})$/;
const clock = /^\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b.*\d{4}\s*$/;

/** Cuts the lines where a form begins or ends; lines of no form are kept for what they may report. */
function segments(lines: readonly string[]): Segment[] {
  const found: Segment[] = [{ form: undefined, lines: [] }];
  const open = (form: Form | undefined): Segment => {
    // The border and the date above a table belong to it, not to what came before.
    const before = found.at(-1)!.lines;
    if (form?.id === 'table' || form?.id === 'mig')
      while (ruler.test(before.at(-1) ?? '') || clock.test(before.at(-1) ?? '')) before.pop();
    found.push({ form, lines: [] });
    return found.at(-1)!;
  };
  for (const [at, line] of lines.entries()) {
    let current = found.at(-1)!;
    const text = line.trim();
    const form = text === '' ? undefined : starting(text, nextOf(lines, at), current.form);
    if (form) current = open(form);
    else if (current.form && (prompt.test(text) || /^#{8,}$/.test(text))) current = open(undefined);
    current.lines.push(line);
    if (current.form?.ends?.(line)) open(undefined);
  }
  return found.filter((segment) => segment.lines.some((line) => line.trim() !== ''));
}

const nextOf = (lines: readonly string[], at: number): string => {
  for (let next = at + 1; next < Math.min(lines.length, at + 4); next++) {
    if (lines[next]!.trim() !== '') return lines[next]!.trim();
  }
  return '';
};

function starting(text: string, next: string, within: Form | undefined): Form | undefined {
  const candidates = within?.id === 'q-x' || within?.id === 'help' ? strong : forms;
  return candidates.find((form) => form.starts(text, next, within?.id));
}

/** Their first lines cannot stand inside another form. */
const strong = forms.filter(({ id }) => id === 'q' || id === 'table' || id === 'help' || id === 'q-x');

/** A message that came between the rows of a form is a trouble, not a row. */
function read({ form, lines }: Segment, around: readonly string[]): { reading?: Reading; troubles: Trouble[] } {
  if (!form) return { troubles: readTroubles(lines, around) };
  const strange = (line: string): boolean => !form.owns(line) && sayings.some(({ match }) => match.test(line));
  const between = form.owns('') && form.id !== 'q' ? [] : lines.filter((line) => !form.owns(line));
  const reading = form.read(lines.filter((line) => !strange(line)));
  return { reading, troubles: [...(reading.troubles ?? []), ...readTroubles(between, around)] };
}

/** `--query-gpu=name --format=csv,noheader` and the like: nothing but names, UUIDs, or versions. */
function bareColumn(lines: readonly string[]): Reading | undefined {
  const filled = lines.map((line) => line.trim()).filter((line) => line !== '');
  if (filled.length === 0) return undefined;
  const every = (match: (line: string) => boolean) => filled.every(match);
  if (every(isGpuName))
    return { form: 'query-gpu', gpus: filled.map((name, index) => gpuOf({ name, index: String(index) })) };
  if (every((line) => uuid(line) === line)) return { form: 'query-gpu', gpus: filled.map((id) => gpuOf({ uuid: id })) };
  const driver = version(filled[0]);
  if (driver && every((line) => /^\d{3}\.\d{2,3}(\.\d{2})?$/.test(line)))
    return { form: 'query-gpu', driver, gpus: [] };
  return undefined;
}

/**
 * Reads whatever was pasted: one or several outputs, whole or not, with prompts, fences, colours and errors between
 * them. Undefined when nothing in it is known.
 */
export function understand(text: string): Understood | undefined {
  const lines = pasted(text);
  const parts = segments(lines).map((segment) => read(segment, lines));
  const readings = parts.flatMap(({ reading }) => reading ?? []);
  const troubles = parts.flatMap((part) => part.troubles);
  const column = readings.length === 0 && troubles.length === 0 ? bareColumn(lines) : undefined;
  if (column) readings.push(column);
  if (readings.length === 0 && troubles.length === 0) return undefined;
  const names = [...readings.map(({ form }) => form), ...(troubles.length > 0 ? ['error'] : [])];
  return {
    forms: [...new Set(names)],
    picture: paint(readings),
    troubles,
    cut: [...new Set(readings.filter(({ cut }) => cut).map(({ form }) => form))],
  };
}
