/** The two books of the audit log: the gateway's of the files it opened and closed, and ours of those that were pruned. */
import { type Checked, check, keyOf, type Link, start } from './chain.js';
import { type Log, ledgerName, linesOf, prunedName } from './files.js';

export interface Closed {
  /** Seconds since 1970. */
  readonly time: number;
  readonly lines: number;
  readonly bytes: number;
  /** MAC of its last whole line. */
  readonly last: string;
  /** Bytes of a line that its worker died in. */
  readonly torn: number;
}

export interface Opened {
  readonly closed?: Closed;
}

export interface Pruned {
  /** When it was pruned, in seconds since 1970. */
  readonly time: number;
  readonly lines: number;
  readonly last: string;
}

/** A line of a book that does not follow the one before. */
export interface BookFault {
  readonly book: string;
  readonly line: number;
  readonly fault: NonNullable<Checked['fault']>;
}

interface Book {
  readonly entries: readonly Readonly<Record<string, unknown>>[];
  readonly faults: readonly BookFault[];
  readonly link: Link;
  /** MAC of each line, by its number. */
  readonly macs: ReadonlyMap<number, string>;
}

/** A changed line proves nothing: what it says is left out. That of one before which others are missing is not known. */
function saidBy(text: string, { fault }: Checked): Record<string, unknown> | undefined {
  if (fault && fault.kind !== 'missing') return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

async function book(log: Log, name: string): Promise<Book> {
  const key = keyOf(log.secret, 'chain', name);
  const text = await log.files.readIfAny(`${log.folder}/${name}`);
  const entries: Record<string, unknown>[] = [];
  const faults: BookFault[] = [];
  let link = start;
  const macs = new Map<number, string>();
  let number = 0;
  const bytes = (async function* () {
    if (text !== undefined) yield Buffer.from(text);
  })();
  for await (const line of linesOf(bytes)) {
    // Half a line is what a power cut leaves; the next that is written takes its place.
    if (line.torn !== undefined) break;
    number += 1;
    const checked = check(key, link, line.text);
    link = checked.link;
    macs.set(link.seq, link.mac);
    if (checked.fault) faults.push({ book: name, line: number, fault: checked.fault });
    const entry = saidBy(line.text, checked);
    if (entry) entries.push(entry);
  }
  return { entries, faults, link, macs };
}

export interface Ledger {
  readonly files: ReadonlyMap<string, Opened>;
  readonly faults: readonly BookFault[];
  /** The last line: who keeps it elsewhere can tell when the newest lines are taken away. */
  readonly head: Link;
  readonly macs: ReadonlyMap<number, string>;
}

export async function readLedger(log: Log): Promise<Ledger> {
  const { entries, faults, link, macs } = await book(log, ledgerName);
  const files = new Map<string, Opened>();
  for (const entry of entries) {
    const { kind, file, ...rest } = entry as { kind: string; file: string };
    if (kind === 'opened') files.set(file, {});
    else if (kind === 'closed') files.set(file, { closed: rest as unknown as Closed });
  }
  return { files, faults, head: link, macs };
}

export interface PrunedBook {
  readonly files: ReadonlyMap<string, Pruned>;
  readonly faults: readonly BookFault[];
  readonly link: Link;
}

export async function readPruned(log: Log): Promise<PrunedBook> {
  const { entries, faults, link } = await book(log, prunedName);
  const files = new Map(entries.map((entry) => [entry.file as string, entry as unknown as Pruned]));
  return { files, faults, link };
}
