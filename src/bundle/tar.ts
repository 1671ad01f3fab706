/** The little of tar that a bundle needs: plain files, one after the other (POSIX.1-2017 pax, "ustar Interchange Format"). */

export const blockBytes = 512;

export interface Entry {
  readonly name: string;
  readonly bytes: number;
}

/** What a file of this size takes behind its header. */
export const padded = (bytes: number): number => Math.ceil(bytes / blockBytes) * blockBytes;

/** Two blocks of zeros end an archive. */
export const ending = new Uint8Array(2 * blockBytes);

const mostOctal = 0o7777_7777_777;

/** GNU tar's binary form where eleven octal digits (8 GiB) do not reach. */
function sizeField(bytes: number): Uint8Array {
  if (bytes <= mostOctal) return Buffer.from(`${bytes.toString(8).padStart(11, '0')}\0`);
  const field = Buffer.alloc(12);
  field.writeBigUInt64BE(BigInt(bytes), 4);
  field[0] = 0x80;
  return field;
}

/** ustar keeps up to 155 bytes of the folder apart from up to 100 of the rest. */
function nameFields(name: string): readonly [name: string, prefix: string] {
  if (Buffer.byteLength(name) <= 100) return [name, ''];
  for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
    const [prefix, rest] = [name.slice(0, at), name.slice(at + 1)];
    if (Buffer.byteLength(rest) <= 100 && Buffer.byteLength(prefix) <= 155) return [rest, prefix];
  }
  throw new Error(`too long a name for an archive: ${name}`);
}

const checksum = (block: Uint8Array): number =>
  block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);

/** The block before a file's content; owner, mode and time are always the same, so that the same files make the same archive. */
export function header({ name, bytes }: Entry): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const [rest, prefix] = nameFields(name);
  block.write(rest, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.set(sizeField(bytes), 124);
  block.write('00000000000\0', 136);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  block.write(prefix, 345);
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

const text = (block: Uint8Array, from: number, length: number): string => {
  const field = Buffer.from(block.subarray(from, from + length));
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
};

/** @returns undefined for what is no header of a plain file */
export function readHeader(block: Uint8Array): Entry | undefined {
  if (block.length < blockBytes || text(block, 257, 5) !== 'ustar') return undefined;
  if (Number.parseInt(text(block, 148, 8), 8) !== checksum(block) || block[156] !== 0x30) return undefined;
  const binary = block[124]! >= 0x80;
  const bytes = binary ? Number(Buffer.from(block).readBigUInt64BE(128)) : Number.parseInt(text(block, 124, 12), 8);
  const prefix = text(block, 345, 155);
  return Number.isSafeInteger(bytes)
    ? { name: `${prefix ? `${prefix}/` : ''}${text(block, 0, 100)}`, bytes }
    : undefined;
}
