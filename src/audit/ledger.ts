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
  /** Bytes of an unfinished last line. */
  readonly torn: number;
}

async function book(log: Log, name: string): Promise<Book> {
  const key = keyOf(log.secret, 'chain', name);
  const text = await log.files.readIfAny(`${log.folder}/${name}`);
  const entries: Record<string, unknown>[] = [];
  const faults: BookFault[] = [];
  let link = start;
  let number = 0;
  let torn = 0;
  const bytes = (async function* () {
    if (text !== undefined) yield Buffer.from(text);
  })();
  for await (const line of linesOf(bytes)) {
    if (line.torn !== undefined) {
      torn = line.torn;
      break;
    }
    number += 1;
    const checked = check(key, link, line.text);
    link = checked.link;
    if (checked.fault) faults.push({ book: name, line: number, fault: checked.fault });
    // A changed line proves nothing: what it said is left out.
    if (!checked.fault || checked.fault.kind === 'missing') entries.push(JSON.parse(line.text));
  }
  return { entries, faults, link, torn };
}

export interface Ledger {
  readonly files: ReadonlyMap<string, Opened>;
  readonly faults: readonly BookFault[];
  /** The last line: who keeps it elsewhere can tell when the newest lines are taken away. */
  readonly head: Link;
}

export async function readLedger(log: Log): Promise<Ledger> {
  const { entries, faults, link } = await book(log, ledgerName);
  const files = new Map<string, Opened>();
  for (const entry of entries) {
    const { kind, file, ...rest } = entry as { kind: string; file: string };
    if (kind === 'opened') files.set(file, {});
    else if (kind === 'closed') files.set(file, { closed: rest as unknown as Closed });
  }
  return { files, faults, head: link };
}

export interface PrunedBook {
  readonly files: ReadonlyMap<string, Pruned>;
  readonly faults: readonly BookFault[];
  readonly link: Link;
  readonly torn: number;
}

export async function readPruned(log: Log): Promise<PrunedBook> {
  const { entries, faults, link, torn } = await book(log, prunedName);
  const files = new Map(entries.map((entry) => [entry.file as string, entry as unknown as Pruned]));
  return { files, faults, link, torn };
}
