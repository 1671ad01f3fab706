/** As much of protobuf's wire format as our few messages need: https://protobuf.dev/programming-guides/encoding/ */

export type Value = Uint8Array | string | number | boolean;

const utf8 = new TextEncoder();

function varint(value: number, into: number[]): void {
  let rest = value;
  while (rest > 127) {
    into.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  into.push(rest);
}

/**
 * A message of these fields. Bytes, text and numbers (unsigned) that are empty or zero are left out, as proto3 wants it.
 */
export function encode(fields: readonly (readonly [number: number, value: Value])[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [number, value] of fields) {
    const head: number[] = [];
    if (typeof value === 'number' || typeof value === 'boolean') {
      if (Number(value) === 0) continue;
      varint(number * 8, head);
      varint(Number(value), head);
      parts.push(Uint8Array.from(head));
      continue;
    }
    const bytes = typeof value === 'string' ? utf8.encode(value) : value;
    if (bytes.length === 0) continue;
    varint(number * 8 + 2, head);
    varint(bytes.length, head);
    parts.push(Uint8Array.from(head), bytes);
  }
  return Buffer.concat(parts);
}

export interface Field {
  readonly number: number;
  /** Bytes of length-delimited and fixed fields, the number of varints. */
  readonly value: Uint8Array | number;
}

/** All fields of a message, in their order. @throws Error when the bytes are no message */
export function decode(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const take = (size: number): Uint8Array => {
    if (size > bytes.length - at) throw new Error('a protobuf field ends past its message');
    at += size;
    return bytes.subarray(at - size, at);
  };
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = take(1)[0]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new Error('a protobuf number has no end');
  };
  while (at < bytes.length) {
    const tag = number();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    if (field === 0) throw new Error('a protobuf field has the number 0');
    if (wire === 0) fields.push({ number: field, value: number() });
    else if (wire === 1) fields.push({ number: field, value: take(8) });
    else if (wire === 2) fields.push({ number: field, value: take(number()) });
    else if (wire === 5) fields.push({ number: field, value: take(4) });
    else throw new Error(`protobuf wire type ${wire} is not supported`);
  }
  return fields;
}

/** The last value of a bytes field, as protobuf wants it; empty when it is absent. */
export function bytesOf(fields: readonly Field[], number: number): Uint8Array {
  const value = fields.findLast((field) => field.number === number)?.value;
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}
