/** `nvidia-smi topo -m`: tabs, or columns aligned by blanks where a paste ate the tabs. */
import type { Reading, Topology } from './gpu.js';
import { known, word } from './values.js';

const device = /^[A-Za-z][\w-]*\d[\w-]*$/;
const extra = /CPU Affinity|NUMA Affinity|GPU NUMA ID|NUMA ID/g;

interface Heading {
  readonly devices: readonly string[];
  readonly extras: readonly string[];
}

function headingOf(line: string): Heading | undefined {
  const extras = line.match(extra) ?? [];
  const devices = line.replace(extra, ' ').trim().split(/\s+/);
  if (!/^GPU\d+$/.test(devices[0] ?? '') || !devices.every((name) => device.test(name))) return undefined;
  return extras.length > 0 || devices.length > 1 ? { devices, extras } : undefined;
}

/** The matrix's own first row says that the line above is its heading. */
export const isTopology = (line: string, next: string): boolean =>
  headingOf(line) !== undefined && /^\s*GPU\d+\s+(X|NV\d+|SYS|NODE|PHB|PXB|PIX|SOC|C2C)(\s|$)/.test(next);

interface Row {
  readonly name: string;
  readonly links: readonly string[];
  readonly rest: readonly string[];
}

function rowOf(line: string, { devices }: Heading): Row | undefined {
  const tabs = line.split('\t').map((cell) => cell.trim());
  const words = line.trim().split(/\s+/);
  if (!device.test(words[0]!) || words.length < 2) return undefined;
  // An empty affinity between two tabs is a cell of its own; among blanks it cannot be told.
  if (tabs.length > devices.length) {
    const [name, ...cells] = tabs;
    return { name: name!, links: cells.slice(0, devices.length), rest: cells.slice(devices.length) };
  }
  return { name: words[0]!, links: words.slice(1, devices.length + 1), rest: words.slice(devices.length + 1) };
}

/** 'GPU NUMA ID' has an extra tab before it, so its cell is the last one. */
function affinity(rows: readonly Row[], extras: readonly string[], title: string): Record<string, string> | undefined {
  const at = extras.indexOf(title);
  const found = rows.flatMap(({ name, rest }) => {
    const says = at < 0 || !name.startsWith('GPU') ? undefined : word(rest[at]);
    return says === undefined || !/^[\d,-]+$/.test(says) ? [] : [[name, says] as const];
  });
  return found.length > 0 ? Object.fromEntries(found) : undefined;
}

export function readTopology(lines: readonly string[]): Reading {
  const heading = headingOf(lines[0]!)!;
  const body = lines.slice(1);
  const { devices } = heading;
  const end = body.findIndex((line) => /^\s*(Legend|NIC Legend):/i.test(line));
  const rows = body.slice(0, end < 0 ? undefined : end).flatMap((line) => rowOf(line, heading) ?? []);
  const nics = body.flatMap((line) => {
    const found = /^\s*(NIC\d+):\s*(\S+)\s*$/.exec(line);
    return found ? [[found[1]!, found[2]!] as const] : [];
  });
  const links = Object.fromEntries(
    rows.map(({ name, links }) => {
      // The last cell of a row that stops short may be half a word.
      const whole = links.length < devices.length ? links.slice(0, -1) : links;
      return [name, Object.fromEntries(whole.map((link, at) => [devices[at]!, link]))];
    }),
  );
  const topology = known<Topology>({
    devices,
    links,
    cpuAffinity: affinity(rows, heading.extras, 'CPU Affinity'),
    numaAffinity: affinity(rows, heading.extras, 'NUMA Affinity'),
    nics: nics.length > 0 ? Object.fromEntries(nics) : undefined,
  })!;
  const gpus = devices.filter((name) => name.startsWith('GPU'));
  const cut = gpus.some((name) => !links[name]) || rows.some((row) => row.links.length < devices.length);
  return {
    form: 'topo',
    gpus: gpus.map((name) => ({ index: Number(name.slice(3)) })),
    topology,
    ...(cut ? { cut } : {}),
  };
}
