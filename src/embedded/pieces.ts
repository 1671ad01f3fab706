import { byteLetters } from '../models/demo-vocabulary.js';

/** llama.cpp's `llama_vocab_type` and `llama_token_attr`, as far as needed. */
export const vocabularyType = { spm: 1, bpe: 2 } as const;
const attribute = { normal: 1 << 2, control: 1 << 3, user: 1 << 4, byte: 1 << 5 } as const;

const shown = new Set(['<think>', '</think>']);
const utf8 = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const byteOf = new Map(byteLetters.map((letter, byte) => [letter, byte]));

function bpeBytes(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const letter of text) {
    const byte = byteOf.get(letter);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/**
 * What a token says: text where its bytes are whole UTF-8, else the bytes; '' for control tokens, except the marks of
 * thought. The rules are llama.cpp's `token_to_piece`.
 */
export function pieceOf(vocabulary: number, text: string, attributes: number): string | Uint8Array {
  if ((attributes & attribute.control) !== 0) return shown.has(text) ? text : '';
  if ((attributes & attribute.user) !== 0) return text;
  if (vocabulary === vocabularyType.bpe) return whole(bpeBytes(text) ?? utf8.encode(text));
  const byte = (attributes & attribute.byte) !== 0 ? /^<0x([0-9A-F]{2})>$/.exec(text) : null;
  if (byte) return whole(Uint8Array.of(Number.parseInt(byte[1]!, 16)));
  return text.replaceAll('\u2581', ' ');
}

function whole(bytes: Uint8Array): string | Uint8Array {
  try {
    return strict.decode(bytes);
  } catch {
    return bytes;
  }
}
