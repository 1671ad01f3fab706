/** An audit log in memory, written as the gateway writes it: a ledger, open files and sealed ones. */
import { createCipheriv, createHash } from 'node:crypto';
import { chained, keyOf, type Link, start } from '../../src/audit/chain.js';
import { type Log, ledgerName } from '../../src/audit/files.js';
import { fakeWorld } from '../world/fake.js';

export const secret = 'audit-secret-of-the-tests';
export const folder = '/audit';

const nonce = (text: string): Buffer => createHash('sha256').update(text).digest().subarray(0, 12);

export function sealed(key: Buffer, belongs: string, text: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce(belongs));
  cipher.setAAD(Buffer.from(belongs));
  return Buffer.concat([nonce(belongs), cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** @param piece bytes of a piece */
export function sealedFile(name: string, text: Buffer, piece = 512): Buffer {
  const key = keyOf(secret, 'sealed', name);
  const parts: Buffer[] = [Buffer.from(`{"format":"deepseek-audit-sealed-1","file":"${name}"}\n`)];
  for (let at = 0, number = 1; at < text.length; at += piece, number += 1) {
    const last = at + piece >= text.length;
    const one = sealed(key, `${name}:${number}:${last ? 'last' : 'more'}`, text.subarray(at, at + piece));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(one.length);
    parts.push(length, one);
  }
  return Buffer.concat(parts);
}

export interface Made {
  readonly name: string;
  readonly text: string;
  readonly link: Link;
}

export function chainOf(name: string, texts: readonly string[]): Made {
  const key = keyOf(secret, 'chain', name);
  let link = start;
  let text = '';
  for (const one of texts) {
    const made = chained(key, link, one.slice(0, -1));
    text += made.line;
    link = made.link;
  }
  return { name, text, link };
}

export interface Wanted {
  readonly name: string;
  readonly state: 'open' | 'closed' | 'sealed';
  /** Requests, besides the file's own first line. */
  readonly entries: readonly object[];
  /** When it was closed; seconds since 1970. */
  readonly closedAt?: number;
}

export interface TestLog extends Log {
  readonly world: ReturnType<typeof fakeWorld>;
  /** Contents by path. */
  get(name: string): string;
  put(name: string, content: string | Uint8Array): Promise<void>;
}

export async function writtenLog(files: readonly Wanted[]): Promise<TestLog> {
  const world = fakeWorld();
  await world.files.makeDir(folder);
  const entries: object[] = [];
  const put = (name: string, content: string | Uint8Array) => world.files.write(`${folder}/${name}`, content);
  for (const { name, state, entries: lines, closedAt = 2_000_000_000 } of files) {
    const head = { kind: 'open', file: name, format: 1, time: 1, worker: 0, pid: 1 };
    const made = chainOf(
      name,
      [head, ...lines].map((one) => JSON.stringify(one)),
    );
    entries.push({ kind: 'opened', file: name, time: 1 });
    const ends = { lines: made.link.seq, bytes: made.text.length, last: made.link.mac, torn: 0, by: 'itself' };
    if (state !== 'open') entries.push({ kind: 'closed', file: name, time: closedAt, ...ends });
    if (state === 'sealed') await put(`${name}.sealed`, sealedFile(name, Buffer.from(made.text)));
    else await put(`${name}.ndjson`, made.text);
  }
  await put(
    ledgerName,
    chainOf(
      ledgerName,
      entries.map((one) => JSON.stringify(one)),
    ).text,
  );
  return {
    files: world.files,
    folder,
    secret,
    world,
    get: (name) => Buffer.from(world.disk.get(`${folder}/${name}`)!.content).toString('latin1'),
    put,
  };
}

/** A name as the gateway makes them, of the n-th hour of a day. */
export const nameOf = (n: number, worker = 0): string =>
  `20260301T${String(n).padStart(2, '0')}0000.000Z-${worker}-00000${n % 10}`;

export const request = (id: string, more: object = {}): object => ({
  ...{
    id,
    time: 1_772_323_200,
    key: 'key_1',
    tenant: 't',
    route: 'chat',
    model: 'm',
    status: 200,
    outcome: 'complete',
  },
  ...more,
});
