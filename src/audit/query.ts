/** Reading the audit log in the order of time, over open and sealed files alike, a window of each in memory. */
import { keyOf } from './chain.js';
import { bytesOf, type Log, linesOf, names, openedAt } from './files.js';
import { type Opened, readLedger } from './ledger.js';
import { Broken, open } from './sealed.js';

/** A request as the gateway put it down; `kind: "gap"` tells of lines that could not be written. */
export interface Entry {
  readonly kind?: 'gap';
  /** Seconds since 1970, when it ended. */
  readonly time: number;
  readonly id?: string;
  readonly key?: string | null;
  readonly tenant?: string | null;
  readonly route?: string;
  readonly model?: string | null;
  readonly status?: number | null;
  readonly outcome?: string;
  /** Base64 of what was asked and answered, sealed. */
  readonly content?: string;
  readonly [field: string]: unknown;
}

export interface Filter {
  /** Seconds since 1970; from and to. */
  readonly since?: number;
  readonly until?: number;
  readonly id?: string;
  readonly key?: string;
  readonly tenant?: string;
  readonly model?: string;
  readonly outcome?: string;
  /** '429', or '4xx' for all of them. */
  readonly status?: string;
}

const equals = ['id', 'key', 'tenant', 'model', 'outcome'] as const;

export function matches(filter: Filter, entry: Entry): boolean {
  if (entry.time < (filter.since ?? Number.NEGATIVE_INFINITY)) return false;
  if (entry.time >= (filter.until ?? Number.POSITIVE_INFINITY)) return false;
  if (equals.some((name) => filter[name] !== undefined && entry[name] !== filter[name])) return false;
  return filter.status === undefined || isOfStatus(filter.status, String(entry.status ?? ''));
}

const isOfStatus = (wanted: string, status: string): boolean =>
  wanted.endsWith('xx') ? status.startsWith(wanted.slice(0, 1)) : status === wanted;

/** What of the log cannot be read; `verify` tells more. */
export type OnBroken = (file: string) => void;

/** A line of a file as an object with its place; a file's own lines are left out. */
function entryOf(file: string, text: string): Entry | undefined {
  const { mac: _, ...entry } = JSON.parse(text) as Entry;
  return entry.kind === undefined || entry.kind === 'gap' ? { ...entry, file } : undefined;
}

async function* entriesOf(log: Log, file: string, onBroken: OnBroken): AsyncGenerator<Entry> {
  try {
    for await (const { text, torn } of linesOf(bytesOf(log, file))) {
      const entry = torn === undefined ? entryOf(file, text) : undefined;
      if (entry) yield entry;
    }
  } catch (error) {
    if (!(error instanceof Broken) && !(error instanceof SyntaxError)) throw error;
    onBroken(file);
  }
}

const within = (name: string, { closed }: Opened, { since, until }: Filter): boolean =>
  (until === undefined || openedAt(name) < until) && (since === undefined || !closed || closed.time >= since);

interface Reader {
  readonly rest: AsyncGenerator<Entry>;
  head: Entry;
}

/** All that match, oldest first. Files are opened when their time has come, and one window of each is held. */
export async function* entries(log: Log, filter: Filter, onBroken: OnBroken): AsyncGenerator<Entry> {
  const { files } = await readLedger(log);
  const waiting = (await names(log)).filter((name) => within(name, files.get(name) ?? {}, filter));
  const readers: Reader[] = [];
  const begin = async (name: string): Promise<void> => {
    const rest = entriesOf(log, name, onBroken);
    const { value, done } = await rest.next();
    if (!done) readers.push({ rest, head: value });
  };
  const next = (): Reader | undefined => readers.reduce<Reader | undefined>(earlier, undefined);
  while (waiting.length > 0 || readers.length > 0) {
    let first = next();
    while (waiting.length > 0 && (!first || openedAt(waiting[0]!) <= first.head.time)) {
      await begin(waiting.shift()!);
      first = next();
    }
    if (!first) return;
    if (matches(filter, first.head)) yield first.head;
    const { value, done } = await first.rest.next();
    if (done) readers.splice(readers.indexOf(first), 1);
    else first.head = value;
  }
}

const earlier = (best: Reader | undefined, one: Reader): Reader =>
  best === undefined || one.head.time < best.head.time ? one : best;

export interface Content {
  /** The body as the caller sent it, and what went out to the caller; null where there was none. */
  readonly prompt: string | null;
  readonly answer: string | null;
  /** Whether one of them was longer than what is kept. */
  readonly cut: boolean;
}

/** What was asked and answered, where it was kept; null where its seal does not open. */
export function contentOf(secret: string, entry: Entry): Content | null | undefined {
  if (entry.content === undefined) return undefined;
  const file = String(entry.file);
  const text = open(keyOf(secret, 'content', file), `${file}:${entry.id}`, Buffer.from(entry.content, 'base64'));
  return text ? (JSON.parse(text.toString('utf8')) as Content) : null;
}

/** The entry without its seal, and with what is in it when that is wanted. */
export function opened(secret: string, entry: Entry, wanted: boolean): Entry {
  const { content: _, ...rest } = entry;
  const content = wanted ? contentOf(secret, entry) : undefined;
  return content === undefined ? rest : { ...rest, ...(content ?? { prompt: null, answer: null, unreadable: true }) };
}
