/** How nvidia-smi writes values: numbers with units, words for "does not apply", words for "failed". */

const nothing =
  /^(n\/a|not supported|not available|not applicable|none|no data|not found|unknown|undefined|not active|insufficient permissions?|requested functionality has been deprecated|function not found|-+|\?+)?$/i;
const failed =
  /^(err!?|unknown error|gpu is lost|gpu (?:currently )?requires? (?:a )?reset|reset required|requires reset|no longer answers|uncorrectable ecc error(?: encountered)?)$/i;

/** `[N/A]` and `N/A` are written alike. */
const bare = (raw: string): string =>
  raw
    .trim()
    .replace(/^\[(.*)\]$/, '$1')
    .trim();

/** The text of a value that says something; undefined for one that does not apply or failed. */
export function word(raw: string | undefined): string | undefined {
  if (raw === undefined) return undefined;
  const text = bare(raw);
  return nothing.test(text) || failed.test(text) ? undefined : text;
}

/** The failure that stands in the place of a value: 'ERR!', 'GPU is lost', 'Unknown Error', 'GPU requires reset'. */
export function failure(raw: string | undefined): string | undefined {
  const text = raw === undefined ? '' : bare(raw);
  return failed.test(text) ? text : undefined;
}

/** A decimal number with whatever unit stands behind it. */
export function amount(raw: string | undefined): number | undefined {
  const found = /^[+-]?\d+(?:\.\d+)?(?![\w.]*\.\d)(?=$|\s|[%A-Za-z])/.exec(word(raw) ?? '');
  if (!found || /^0x/i.test(word(raw)!)) return undefined;
  return Number(found[0]);
}

/** The sum of the known parts of 'a+b+c'; undefined when none is known. */
export function sum(raw: string | undefined): number | undefined {
  const known = (raw ?? '')
    .split('+')
    .map(amount)
    .filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((all, value) => all + value, 0);
}

const inMib: Readonly<Record<string, number>> = { b: 2 ** -20, kib: 2 ** -10, kb: 2 ** -10, gib: 1024, gb: 1024 };

/** MiB; nvidia-smi's older 'MB' and a number without unit are MiB too. */
export function mib(raw: string | undefined): number | undefined {
  const value = amount(raw);
  const unit = /[A-Za-z]+$/.exec(word(raw) ?? '')?.[0]?.toLowerCase() ?? '';
  return value === undefined ? undefined : Math.round(value * (inMib[unit] ?? 1));
}

export function flag(raw: string | undefined): boolean | undefined {
  const text = raw === undefined ? '' : bare(raw);
  if (/^(enabled|on|yes|true|active|1)$/i.test(text)) return true;
  return /^(disabled|off|no|false|not active|inactive|0)$/i.test(text) ? false : undefined;
}

/** '610.57.04 [Deprecated; …]' is 610.57.04. */
export const version = (raw: string | undefined): string | undefined =>
  /^\d{2,4}\.\d+(\.\d+)*\b/.exec(word(raw) ?? '')?.[0];

export const cudaVersion = (raw: string | undefined): string | undefined =>
  /^\d{1,2}\.\d{1,2}\b/.exec(word(raw) ?? '')?.[0];

/** '0000:0a:00.0', 'GPU-…' prefixes and all, as 'DDDDDDDD:BB:DD.F'. */
export function busId(raw: string | undefined): string | undefined {
  const found = /(?:^|[^0-9a-f])((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])\b/i.exec(` ${raw ?? ''}`)?.[1];
  if (!found) return undefined;
  const parts = found.toUpperCase().split(':');
  return parts.length === 3
    ? `${parts[0]!.padStart(8, '0')}:${parts[1]}:${parts[2]}`
    : `00000000:${found.toUpperCase()}`;
}

/** 'GPU-…', 'MIG-…', and the 'MIG-GPU-…/1/0' of drivers before R470. */
export const uuid = (raw: string | undefined): string | undefined =>
  /\b(?:GPU|MIG(?:-GPU)?)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\/\d+\/\d+)?(?![\w-])/i.exec(raw ?? '')?.[0];

/** The program of a command line: '/usr/bin/python3 train.py' and 'C:\\x\\python3.exe' are python3(.exe). */
export function program(raw: string | undefined): string | undefined {
  const text = word(raw);
  if (text === undefined) return undefined;
  if (/^[A-Za-z]:\\|^\.\.\..*\\/.test(text))
    return (
      text
        .split('\\')
        .pop()!
        .replace(/(\.exe)\s.*$/i, '$1') || undefined
    );
  return text.split(/\s/)[0]!.replace(/:$/, '').split('/').pop() || undefined;
}

type Loose<T> = { readonly [K in keyof T]: T[K] | undefined };

/** The object without its undefined fields; undefined when nothing is left. */
export function known<T extends object>(fields: Loose<T>): T | undefined {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T);
}
