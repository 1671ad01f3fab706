/**
 * The part of TOML that `containerd config dump` prints: tables, and keys with a value on one line. Enough to ask for a
 * value by its path; no reader of any TOML file.
 */

/** Values by their path, the words joined by a tab: no key holds one. */
export type Toml = ReadonlyMap<string, string | boolean | number | readonly string[]>;

export const at = (...words: readonly string[]): string => words.join('\t');

/** `plugins.'io.containerd.cri.v1.runtime'.containerd` has three words. */
function path(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)].map((hit) => hit[1] ?? hit[2] ?? hit[3]!);
}

function value(text: string): string | boolean | number | readonly string[] | undefined {
  const quoted = /^"(.*)"$|^'(.*)'$/.exec(text);
  if (quoted) return quoted[1] ?? quoted[2]!;
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^-?\d+$/.test(text)) return Number(text);
  const list = /^\[(.*)\]$/.exec(text);
  return list ? [...list[1]!.matchAll(/"([^"]*)"|'([^']*)'/g)].map((hit) => hit[1] ?? hit[2]!) : undefined;
}

export function readToml(text: string): Toml {
  const found = new Map<string, string | boolean | number | readonly string[]>();
  let table: string[] = [];
  for (const line of text.replace(/\[\s*\n(?:\s*(?:"[^"\n]*"|'[^'\n]*'),?\s*\n)*\s*\]/g, joined).split('\n')) {
    const heading = /^\s*\[([^[\]]+)\]\s*$/.exec(line)?.[1];
    const [, key, rest] = /^\s*("[^"]*"|'[^']*'|[\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (heading !== undefined) {
      table = path(heading);
      // An empty table is there all the same.
      found.set(at(...table), true);
    } else if (key !== undefined) {
      const read = value(rest!);
      if (read !== undefined) found.set(at(...table, ...path(key)), read);
    }
  }
  return found;
}

/** A list over several lines, on one. */
const joined = (list: string): string => list.replace(/\s*\n\s*/g, ' ');
