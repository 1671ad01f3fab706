/**
 * GGUF, the file format of llama.cpp's models: a header, key-value metadata, tensor descriptions, then aligned tensor
 * data. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 3, little-endian).
 */

/** ggml type ids of the tensors we write. */
export const tensorType = { f32: 0, f16: 1, q8_0: 8 } as const;

export interface Tensor {
  readonly name: string;
  /** Fastest-running dimension first, as ggml counts. */
  readonly shape: readonly number[];
  readonly type: (typeof tensorType)[keyof typeof tensorType];
  readonly data: Uint8Array;
}

/** Integers travel as uint32 (in lists int32), floats as float32. */
export type Meta =
  | { readonly uint: number }
  | { readonly float: number }
  | { readonly flag: boolean }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] };

const kind = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  text: 8,
  list: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};
const magic = 0x46554747;
const alignment = 32;
const aligned = (size: number): number => Math.ceil(size / alignment) * alignment;
const utf8 = new TextEncoder();

class Writer {
  private view = new DataView(new ArrayBuffer(1 << 16));
  length = 0;

  private room(size: number): number {
    const at = this.length;
    this.length += size;
    if (this.length > this.view.byteLength) {
      const grown = new Uint8Array(Math.max(this.length, this.view.byteLength * 2));
      grown.set(new Uint8Array(this.view.buffer, 0, at));
      this.view = new DataView(grown.buffer);
    }
    return at;
  }
  u32(value: number): void {
    const at = this.room(4);
    this.view.setUint32(at, value, true);
  }
  i32(value: number): void {
    const at = this.room(4);
    this.view.setInt32(at, value, true);
  }
  u64(value: number): void {
    const at = this.room(8);
    this.view.setBigUint64(at, BigInt(value), true);
  }
  f32(value: number): void {
    const at = this.room(4);
    this.view.setFloat32(at, value, true);
  }
  u8(value: number): void {
    const at = this.room(1);
    this.view.setUint8(at, value);
  }
  text(value: string): void {
    const bytes = utf8.encode(value);
    this.u64(bytes.length);
    const at = this.room(bytes.length);
    new Uint8Array(this.view.buffer).set(bytes, at);
  }
  bytes(): Uint8Array {
    return new Uint8Array(this.view.buffer, 0, this.length);
  }
}

function writeMeta(out: Writer, key: string, value: Meta): void {
  out.text(key);
  if ('uint' in value) {
    out.u32(kind.u32);
    out.u32(value.uint);
  } else if ('float' in value) {
    out.u32(kind.f32);
    out.f32(value.float);
  } else if ('flag' in value) {
    out.u32(kind.bool);
    out.u8(value.flag ? 1 : 0);
  } else if ('text' in value) {
    out.u32(kind.text);
    out.text(value.text);
  } else {
    writeList(out, value);
  }
}

function writeList(
  out: Writer,
  value: Extract<Meta, { texts: unknown } | { ints: unknown } | { floats: unknown }>,
): void {
  const of = 'texts' in value ? kind.text : 'ints' in value ? kind.i32 : kind.f32;
  const items = 'texts' in value ? value.texts : 'ints' in value ? value.ints : value.floats;
  out.u32(kind.list);
  out.u32(of);
  out.u64(items.length);
  for (const item of items) {
    if (typeof item === 'string') out.text(item);
    else if (of === kind.i32) out.i32(item);
    else out.f32(item);
  }
}

/** The bytes of a GGUF file. */
export function writeGguf(meta: Readonly<Record<string, Meta>>, tensors: readonly Tensor[]): Uint8Array {
  const head = new Writer();
  head.u32(magic);
  head.u32(3);
  head.u64(tensors.length);
  head.u64(Object.keys(meta).length);
  for (const [key, value] of Object.entries(meta)) writeMeta(head, key, value);
  let offset = 0;
  for (const { name, shape, type, data } of tensors) {
    head.text(name);
    head.u32(shape.length);
    for (const dimension of shape) head.u64(dimension);
    head.u32(type);
    head.u64(offset);
    offset += aligned(data.length);
  }
  const start = aligned(head.length);
  const file = new Uint8Array(start + offset);
  file.set(head.bytes());
  let at = start;
  for (const { data } of tensors) {
    file.set(data, at);
    at += aligned(data.length);
  }
  return file;
}

/** Thrown by `readGgufMeta` when the bytes end before the metadata does: read more of the file and ask again. */
export class GgufTruncated extends Error {}

export type MetaValue = string | number | bigint | boolean | readonly MetaValue[];

class Reader {
  private readonly view: DataView;
  private at = 0;
  private readonly decoder = new TextDecoder();

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  private take(size: number): number {
    const at = this.at;
    this.at += size;
    if (this.at > this.bytes.length) throw new GgufTruncated('GGUF metadata goes on past the bytes at hand');
    return at;
  }
  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }
  u64(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }
  text(): string {
    const size = this.u64();
    const at = this.take(size);
    return this.decoder.decode(this.bytes.subarray(at, at + size));
  }
  value(type: number): MetaValue {
    switch (type) {
      case kind.u8:
        return this.view.getUint8(this.take(1));
      case kind.i8:
        return this.view.getInt8(this.take(1));
      case kind.u16:
        return this.view.getUint16(this.take(2), true);
      case kind.i16:
        return this.view.getInt16(this.take(2), true);
      case kind.u32:
        return this.u32();
      case kind.i32:
        return this.view.getInt32(this.take(4), true);
      case kind.f32:
        return this.view.getFloat32(this.take(4), true);
      case kind.bool:
        return this.view.getUint8(this.take(1)) !== 0;
      case kind.text:
        return this.text();
      case kind.u64:
        return this.view.getBigUint64(this.take(8), true);
      case kind.i64:
        return this.view.getBigInt64(this.take(8), true);
      case kind.f64:
        return this.view.getFloat64(this.take(8), true);
      case kind.list:
        return this.list();
      default:
        throw new Error(`GGUF metadata has a value of the unknown type ${type}`);
    }
  }
  private list(): MetaValue {
    const type = this.u32();
    const count = this.u64();
    const items: MetaValue[] = [];
    for (let i = 0; i < count; i++) items.push(this.value(type));
    return items;
  }
}

/**
 * The key-value metadata at the head of a GGUF file.
 * @throws GgufTruncated when more bytes are needed; Error when it is not GGUF.
 */
export function readGgufMeta(bytes: Uint8Array): Map<string, MetaValue> {
  const reader = new Reader(bytes);
  if (reader.u32() !== magic) throw new Error('not a GGUF file: it does not begin with "GGUF"');
  const version = reader.u32();
  if (version < 2 || version > 3) throw new Error(`GGUF version ${version} is not supported`);
  reader.u64();
  const count = reader.u64();
  const meta = new Map<string, MetaValue>();
  for (let i = 0; i < count; i++) {
    const key = reader.text();
    meta.set(key, reader.value(reader.u32()));
  }
  return meta;
}
