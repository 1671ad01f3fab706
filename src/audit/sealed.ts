/** What core/audit_seal.lua and policies/audit.lua seal with AES-256-GCM (NIST SP 800-38D): nonce, ciphertext, tag. */
import { createDecipheriv } from 'node:crypto';
import type { Files } from '../world.js';
import { keyOf } from './chain.js';

const nonceBytes = 12;
const tagBytes = 16;
/** Larger ones are none of ours. */
const mostBytes = 1 << 20;
const headBytes = 512;

/** A sealed file is not what was written: where its first piece is that does not open. */
export class Broken extends Error {
  constructor(
    readonly file: string,
    /** From 1; 0 is its first line. */
    readonly piece: number,
  ) {
    super(`${file}: piece ${piece} does not open`);
  }
}

/** @returns undefined when a bit of it, of the key or of what it belongs to is another */
export function open(key: Buffer, belongs: string, sealed: Uint8Array): Buffer | undefined {
  const size = sealed.length - nonceBytes - tagBytes;
  if (size < 0) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(belongs));
  decipher.setAuthTag(sealed.subarray(nonceBytes + size));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, nonceBytes + size)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/**
 * The text of a sealed file, a piece at a time.
 * @throws Broken
 */
export async function* unsealed(
  files: Pick<Files, 'readBytes' | 'stat'>,
  path: string,
  name: string,
  secret: string,
): AsyncGenerator<Uint8Array> {
  const key = keyOf(secret, 'sealed', name);
  const size = (await files.stat(path))?.size ?? 0;
  const head = Buffer.from(await files.readBytes(path, { from: 0, length: headBytes }));
  let at = head.indexOf('\n') + 1;
  if (head.toString('utf8', 0, at) !== `{"format":"deepseek-audit-sealed-1","file":"${name}"}\n`)
    throw new Broken(name, 0);
  for (let piece = 1, last = false; !last; piece += 1) {
    const length = Buffer.from(await files.readBytes(path, { from: at, length: 4 }));
    const bytes = length.length === 4 ? length.readUInt32BE() : 0;
    if (bytes === 0 || bytes > mostBytes) throw new Broken(name, piece);
    const sealed = await files.readBytes(path, { from: at + 4, length: bytes });
    at += 4 + bytes;
    last = at >= size;
    const text = open(key, `${name}:${piece}:${last ? 'last' : 'more'}`, sealed);
    if (!text) throw new Broken(name, piece);
    yield text;
  }
}
