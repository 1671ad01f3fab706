/** `nvidia-smi -L` and `nvidia-smi nvlink -s`: both head each GPU by the same line. */
import type { Gpu, MigInstance, NvLink, Reading } from './gpu.js';
import { known, uuid } from './values.js';

export const gpuLine = /^GPU (\d+): (.+?)\s*\((?:UUID|S\/N):? ?([^)]*)\)?/;
const migLine = /^MIG (\S+)\s+Device\s+(\d+):\s*\((?:UUID):? ?([^)]*)\)?/;
const linkLine = /^Link (\d+): (?:([\d.]+) GB\/s|<?(inactive)>?)/i;

interface Entry {
  readonly gpu: Gpu;
  readonly instances: MigInstance[];
  readonly links: Record<number, number>;
  readonly inactive: number[];
  says?: NvLink;
}

const sayings: readonly (readonly [RegExp, NvLink])[] = [
  [/all links are in-?active/i, { allInactive: true }],
  [/does not have or support nvlink/i, { supported: false }],
  [/nvlink .*not supported/i, {}],
];

function nvlink(entry: Entry): NvLink | undefined {
  if (entry.says) return known<NvLink>(entry.says);
  const links = Object.keys(entry.links).length > 0 ? entry.links : undefined;
  const inactive = entry.inactive.length > 0 ? entry.inactive : undefined;
  return known<NvLink>({ links, inactive, allInactive: inactive && !links ? true : undefined });
}

function finished(entry: Entry): Gpu {
  const mig = entry.instances.length > 0 ? { mode: true, instances: entry.instances } : undefined;
  return { ...entry.gpu, ...known<Gpu>({ mig, nvlink: nvlink(entry) }) };
}

export function readList(lines: readonly string[]): Reading {
  const entries: Entry[] = [];
  let links = false;
  let cut = false;
  for (const line of lines) {
    const text = line.trim();
    const [gpu, mig, link] = [gpuLine.exec(text), migLine.exec(text), linkLine.exec(text)];
    const last = entries.at(-1);
    const saying = sayings.find(([match]) => match.test(text));
    if (text !== '') cut = /^(GPU \d+:|MIG \S)/.test(text) && !text.endsWith(')');
    if (gpu) {
      const facts = known<Gpu>({ index: Number(gpu[1]), name: nameOf(gpu[2]!), uuid: uuid(gpu[3]) });
      entries.push({ gpu: facts!, instances: [], links: {}, inactive: [] });
    } else if (mig) {
      last?.instances.push(known<MigInstance>({ profile: mig[1], index: Number(mig[2]), uuid: uuid(mig[3]) })!);
    } else if (link) {
      links = true;
      if (link[2] === undefined) last?.inactive.push(Number(link[1]));
      else if (last) last.links[Number(link[1])] = Number(link[2]);
    } else if (saying) {
      links = true;
      if (last) last.says = saying[1];
    }
  }
  return { form: links ? 'nvlink' : 'L', gpus: entries.map(finished), ...(cut ? { cut } : {}) };
}

const nameOf = (text: string): string | undefined => (/^(err!?|unknown error)$/i.test(text) ? undefined : text);

const versions: Readonly<Record<string, 'driver' | 'cuda' | 'library'>> = {
  'driver version': 'driver',
  'kmd version': 'driver',
  'cuda version': 'cuda',
  'cuda umd version': 'cuda',
  'nvml version': 'library',
};

/** `nvidia-smi --version` */
export function readVersion(lines: readonly string[]): Reading {
  const facts: Partial<Record<'driver' | 'cuda' | 'library', string>> = {};
  for (const line of lines) {
    const [, key, value] = /^\s*([\w -]+?)\s*:\s*(\d[\d.]*)/.exec(line) ?? [];
    const fact = versions[key?.toLowerCase() ?? ''];
    if (fact && value) facts[fact] = value;
  }
  return { form: 'version', ...facts, gpus: [] };
}
