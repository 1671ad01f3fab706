/**
 * What a GGUF file says of itself, from its first megabytes. Nothing but scalars and short texts is kept: vocabularies
 * are stepped over. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { say } from '../say.js';
import { bad, cutShort, damaged, recognise, splitFile } from './unfit.js';

export interface GgufFacts {
  readonly architecture: string;
  readonly name?: string;
  /** Tokens the model was trained for. */
  readonly contextLength?: number;
  /** Whether the file says how messages become a prompt. */
  readonly chatTemplate: boolean;
  readonly parameters: number;
  /** Key and value cache at 16 bits, for each token of context; absent where layers differ. */
  readonly kvBytesPerToken?: number;
}

/** The bytes at hand end before the header does, and the file goes on: ask again with more of it. */
export class MoreNeeded extends Error {}

/** Bytes of the fixed-size value types by their number. */
const widths: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const text = 8;
const list = 9;
const deepest = 4;

/** ggml's tensor types: values in a block, bytes of a block. Of the unknown ones only the beginning is checked. */
const blocks: Readonly<Record<number, readonly [number, number]>> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  20: [32, 18],
  23: [256, 136],
  30: [1, 2],
  39: [32, 17],
};

class Cursor {
  private at = 0;
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly size: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.at;
  }

  skip(count: number): number {
    const at = this.at;
    if (at + count > this.size) throw cutShort(this.size);
    if (at + count > this.bytes.length) throw new MoreNeeded();
    this.at += count;
    return at;
  }
  u32(): number {
    return this.view.getUint32(this.skip(4), true);
  }
  u64(): number {
    return Number(this.view.getBigUint64(this.skip(8), true));
  }
  /** A length or a number of things; what no file holds is damage, what this one does not hold is cut away. */
  count(): number {
    const value = this.u64();
    if (value > 2 ** 40) throw damaged();
    return value;
  }
  text(): string {
    const length = this.count();
    const at = this.skip(length);
    return new TextDecoder().decode(this.bytes.subarray(at, at + length));
  }
  /** Undefined for what is no whole number. */
  whole(type: number): number | undefined {
    const at = this.skip(widths[type]!);
    switch (type) {
      case 2:
        return this.view.getUint16(at, true);
      case 4:
        return this.view.getUint32(at, true);
      case 5:
        return this.view.getInt32(at, true);
      case 10:
        return Number(this.view.getBigUint64(at, true));
      default:
        return undefined;
    }
  }
}

/** A text or a whole number, or undefined for what is stepped over. */
function value(cursor: Cursor, type: number, depth = 0): string | number | undefined {
  if (type === text) return cursor.text();
  if (widths[type] !== undefined) return cursor.whole(type);
  if (type !== list || depth > deepest) throw damaged();
  const of = cursor.u32();
  const count = cursor.count();
  const width = widths[of];
  if (width !== undefined) cursor.skip(count * width);
  else if (of === text) for (let i = 0; i < count; i++) cursor.skip(cursor.count());
  else for (let i = 0; i < count; i++) value(cursor, of, depth + 1);
  return undefined;
}

/**
 * @param head the first bytes of the file
 * @param size of the whole file
 * @throws MoreNeeded when `head` is too short; UserError `gguf.*` when this is no file to serve
 */
export function checkGguf(head: Uint8Array, size: number): GgufFacts {
  recognise(head);
  const cursor = new Cursor(head, size);
  cursor.skip(4);
  const version = cursor.u32();
  if (version >= 0x10000)
    throw bad('gguf.big-endian', say('The GGUF file is for big-endian machines.', '该 GGUF 文件面向大端序机器。'));
  if (version < 2 || version > 3)
    throw bad(
      'gguf.version',
      say(
        `The GGUF file is of version ${version}; 2 and 3 are understood.`,
        `该 GGUF 文件版本为 ${version}；仅支持版本 2 和 3。`,
      ),
    );
  const tensors = cursor.count();
  const pairs = cursor.count();
  const meta = new Map<string, string | number>();
  for (let i = 0; i < pairs; i++) {
    const key = cursor.text();
    const found = value(cursor, cursor.u32());
    if (found !== undefined) meta.set(key, found);
  }
  const split = Number(meta.get('split.count') ?? 1);
  if (split > 1) throw splitFile(split);
  const parameters = measure(cursor, tensors, Number(meta.get('general.alignment') ?? 32), size);
  return facts(meta, parameters);
}

/** The tensors' parameters; they must all lie within the file. */
function measure(cursor: Cursor, tensors: number, alignment: number, size: number): number {
  let parameters = 0;
  let end = 0;
  for (let i = 0; i < tensors; i++) {
    cursor.text();
    const dimensions = cursor.u32();
    if (dimensions > 8) throw damaged();
    let elements = 1;
    for (let d = 0; d < dimensions; d++) elements *= cursor.u64();
    if (!Number.isSafeInteger(elements)) throw damaged();
    const [values, bytes] = blocks[cursor.u32()] ?? [1, 0];
    end = Math.max(end, cursor.u64() + (elements / values) * bytes);
    parameters += elements;
  }
  if (tensors === 0)
    throw bad(
      'gguf.empty',
      say('The GGUF file has no tensors: it is a vocabulary only.', '该 GGUF 文件不含张量，仅有词表。'),
    );
  const need = Math.ceil(cursor.offset / alignment) * alignment + end;
  if (need > size) throw cutShort(size, need);
  return parameters;
}

function facts(meta: ReadonlyMap<string, string | number>, parameters: number): GgufFacts {
  const architecture = meta.get('general.architecture');
  if (typeof architecture !== 'string') throw damaged();
  const of = (key: string): number | undefined => {
    const found = meta.get(`${architecture}.${key}`);
    return typeof found === 'number' ? found : undefined;
  };
  const name = meta.get('general.name');
  const contextLength = of('context_length');
  const [layers, heads, kvHeads] = [of('block_count'), of('attention.head_count'), of('attention.head_count_kv')];
  const wide = heads === undefined ? undefined : (of('embedding_length') ?? Number.NaN) / heads;
  const cached =
    (kvHeads ?? heads ?? Number.NaN) *
    ((of('attention.key_length') ?? wide ?? Number.NaN) + (of('attention.value_length') ?? wide ?? Number.NaN));
  const kvBytesPerToken = (layers ?? Number.NaN) * cached * 2;
  return {
    architecture,
    ...(typeof name === 'string' ? { name } : {}),
    ...(contextLength === undefined ? {} : { contextLength }),
    chatTemplate: meta.has('tokenizer.chat_template'),
    parameters,
    ...(Number.isFinite(kvBytesPerToken) ? { kvBytesPerToken } : {}),
  };
}
