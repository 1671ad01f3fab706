/** The files of the audit log, as the gateway keeps them: open ones are text, closed ones are sealed. */
import type { Files } from '../world.js';
import { unsealed } from './sealed.js';

export const ledgerName = 'ledger.ndjson';
export const prunedName = 'pruned.ndjson';

export interface Log {
  readonly files: Files;
  readonly folder: string;
  readonly secret: string;
}

const named = /^((\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.(\d{3})Z-\d+-[0-9a-f]+)\.(ndjson|sealed)$/;

export const openPath = ({ folder }: Log, name: string): string => `${folder}/${name}.ndjson`;
export const sealedPath = ({ folder }: Log, name: string): string => `${folder}/${name}.sealed`;

/** What it is called until it stands in the ledger. */
export const openingPath = ({ folder }: Log, name: string): string => `${folder}/${name}.opening`;

/** Seconds since 1970 when a file was opened: its name says so. */
export function openedAt(name: string): number {
  const [, , year, month, day, hour, minute, second, ms] = named.exec(`${name}.ndjson`) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`) / 1000;
}

/** Names without their endings, in the order they were opened in, and which of them are sealed. */
export async function listed({ files, folder }: Log): Promise<ReadonlyMap<string, { readonly sealed: boolean }>> {
  const found = new Map<string, { readonly sealed: boolean }>();
  for (const file of [...(await files.list(folder))].sort()) {
    const [, name, ...rest] = named.exec(file) ?? [];
    if (name !== undefined) found.set(name, { sealed: rest.at(-1) === 'sealed' });
  }
  return found;
}

export const names = async (log: Log): Promise<readonly string[]> => [...(await listed(log)).keys()];

const windowBytes = 256 * 1024;

const gone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

type Read = (from: number, length?: number) => Promise<Uint8Array>;

/** Where the last whole line ends; behind it may stand a line that is being written, and room for more: zeros. */
async function endOfLines(read: Read, size: number): Promise<number> {
  for (let to = size; to > 0; ) {
    const from = Math.max(0, to - windowBytes);
    const at = (await read(from, to - from)).lastIndexOf(10);
    if (at >= 0) return from + at + 1;
    to = from;
  }
  return 0;
}

/** What stands after the last whole line, without the room; nothing when that has become a line meanwhile. */
async function begun(read: Read, from: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let at = from; ; ) {
    const bytes = await read(at);
    if (bytes.length === 0) break;
    if (bytes.includes(10)) return new Uint8Array();
    at += bytes.length;
    parts.push(bytes);
  }
  const all = Buffer.concat(parts);
  return all.subarray(0, all.findLastIndex((byte) => byte !== 0) + 1);
}

async function* plain({ files }: Log, path: string): AsyncGenerator<Uint8Array> {
  const read: Read = (from, length = windowBytes) => files.readBytes(path, { from, length });
  const end = await endOfLines(read, (await files.stat(path))?.size ?? 0);
  for (let at = 0; at < end; ) {
    const bytes = await read(at, Math.min(windowBytes, end - at));
    if (bytes.length === 0) return;
    at += bytes.length;
    yield bytes;
  }
  const rest = await begun(read, end);
  // The gateway may be at it at this moment.
  if (rest.length > 0) yield await begun(read, end);
}

/**
 * The bytes of a file, open or sealed; also of one that the gateway seals while it is read.
 * @throws Broken
 */
export async function* bytesOf(log: Log, name: string): AsyncGenerator<Uint8Array> {
  let read = 0;
  try {
    for await (const bytes of plain(log, openPath(log, name))) {
      read += bytes.length;
      yield bytes;
    }
    return;
  } catch (error) {
    if (!gone(error)) throw error;
  }
  for await (const bytes of unsealed(log.files, sealedPath(log, name), name, log.secret)) {
    const known = Math.min(read, bytes.length);
    read -= known;
    if (known < bytes.length) yield bytes.subarray(known);
  }
}

export interface Line {
  readonly text: string;
  /** There when the file ends within the line: so many bytes of it are there. */
  readonly torn?: number;
}

/** Lines of a stream of bytes; an unfinished last one is told as such. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let rest: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let from = 0;
    for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
      rest.push(chunk.subarray(from, to));
      yield { text: Buffer.concat(rest).toString('utf8') };
      rest = [];
      from = to + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  }
  const last = Buffer.concat(rest);
  if (last.length > 0) yield { text: last.toString('utf8'), torn: last.length };
}
