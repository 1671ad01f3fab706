import type { UnitNode } from './schema.js';

const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizes: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const unitsOf = (kind: UnitNode['kind']): Readonly<Record<string, number>> => (kind === 'bytes' ? sizes : durations);

/** What the text of such a value looks like; a JSON Schema takes it as it is. */
export const unitPattern = (kind: UnitNode['kind']): string =>
  `^([0-9]+(?:\\.[0-9]+)?)(${Object.keys(unitsOf(kind)).join('|')})$`;

/** '1.5KiB' is 1536, '30s' is 30000; undefined when it is not of that form or no whole number of the base unit. */
export function readUnit(kind: UnitNode['kind'], text: string): number | undefined {
  const [, amount, unit] = new RegExp(unitPattern(kind)).exec(text) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  const value = Number(amount) * unitsOf(kind)[unit]!;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The shortest exact form: 1536 bytes are '1536', 1048576 are '1MiB', 90000 ms are '90s'. */
export function writeUnit(kind: UnitNode['kind'], value: number): string {
  const units = Object.entries(unitsOf(kind)).filter(([unit]) => unit !== 'KB');
  const forms = units
    .filter(([, size]) => value % size === 0 && value >= size)
    .map(([unit, size]) => value / size + unit);
  const shortest = forms.sort((a, b) => a.length - b.length)[0];
  return shortest ?? (kind === 'bytes' ? '0B' : '0s');
}
