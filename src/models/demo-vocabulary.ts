/** The demo model's byte-level BPE vocabulary, and how likely it is to say each token. */
import { chineseWords, englishWords } from './demo-words.js';

/** Ids as llama.cpp's `llama_token_type`. */
const tokenKind = { normal: 1, control: 3, user: 4 } as const;

/**
 * Added to a token's logit: always (`base`), while the model thinks (`thinking`), and once a `{` stands before (`json`).
 * About 500 words at 0 sum to e^7; -30 is never said unless a grammar allows nothing else.
 */
export interface Leaning {
  readonly base: number;
  readonly thinking: number;
  readonly json: number;
}

export interface Vocabulary {
  readonly texts: readonly string[];
  readonly kinds: readonly number[];
  readonly merges: readonly string[];
  readonly leanings: readonly Leaning[];
  id(text: string): number;
}

export const special = {
  begin: '<｜begin▁of▁sentence｜>',
  end: '<｜end▁of▁sentence｜>',
  user: '<｜User｜>',
  assistant: '<｜Assistant｜>',
  think: '<think>',
  thought: '</think>',
  fimBegin: '<｜fim▁begin｜>',
  fimHole: '<｜fim▁hole｜>',
  fimEnd: '<｜fim▁end｜>',
} as const;

/** GPT-2's printable stand-in for each byte: https://github.com/openai/gpt-2/blob/master/src/encoder.py */
export const byteLetters: readonly string[] = (() => {
  const plain = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let spare = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(plain(byte) ? byte : spare++));
})();

const utf8 = new TextEncoder();
const lettersOf = (text: string): string[] => [...utf8.encode(text)].map((byte) => byteLetters[byte]!);

const never: Leaning = { base: -30, thinking: 0, json: 0 };
const word: Leaning = { base: 0, thinking: 0, json: 0 };
const byteLeanings = new Map<string, Leaning>([
  ['.', { base: 2.8, thinking: 0, json: -3 }],
  [',', { base: 3, thinking: 0, json: 0 }],
  ['\n', { base: 2, thinking: 0, json: -20 }],
  ['"', { base: -8, thinking: 0, json: 14 }],
  ['}', { base: -8, thinking: 0, json: 12.2 }],
  [']', { base: -8, thinking: 0, json: 12.2 }],
  ['{', { base: -8, thinking: 0, json: 8 }],
  ['[', { base: -8, thinking: 0, json: 9 }],
  [':', { base: -8, thinking: 0, json: 8 }],
  ...[...'0123456789'].map((digit): [string, Leaning] => [digit, { base: -4, thinking: 0, json: 6.5 }]),
]);
const marks = ['，', '。', '、', '！', '？'];

function byteLeaning(byte: number): Leaning {
  const printable = byte >= 32 && byte < 127;
  return byteLeanings.get(String.fromCharCode(byte)) ?? (printable ? { ...never, base: -12 } : never);
}

/** Deterministic: the same lists give the same ids. */
export function demoVocabulary(): Vocabulary {
  const ids = new Map<string, number>();
  const kinds: number[] = [];
  const merges: string[] = [];
  const leanings: Leaning[] = [];
  const add = (text: string, kind: number, leaning: Leaning): void => {
    const known = ids.get(text);
    if (known === undefined) {
      ids.set(text, ids.size);
      kinds.push(kind);
      leanings.push(leaning);
    } else if (leaning.base > leanings[known]!.base) leanings[known] = leaning;
  };
  const join = (left: string, right: string): string => {
    if (!ids.has(left + right)) merges.push(`${left} ${right}`);
    add(left + right, tokenKind.normal, never);
    return left + right;
  };
  for (let byte = 0; byte < 256; byte++) add(byteLetters[byte]!, tokenKind.normal, byteLeaning(byte));
  for (const text of Object.values(special)) {
    const thinks = text === special.think || text === special.thought;
    add(text, thinks ? tokenKind.user : tokenKind.control, never);
  }
  const say = (text: string, leaning: Leaning): void => {
    // Letter by letter within a character, then character by character: every step a merge.
    const characters = [...text].map((character) => lettersOf(character).reduce(join));
    add(characters.reduce(join), tokenKind.normal, leaning);
  };
  for (const english of englishWords) say(` ${english}`, word);
  for (const chinese of chineseWords) say(chinese, word);
  for (const mark of marks) say(mark, { ...word, base: 2.2 });
  leanings[ids.get(special.end)!] = { base: 0, thinking: -20, json: 0 };
  leanings[ids.get(special.thought)!] = { base: -30, thinking: 34, json: 0 };
  return {
    texts: [...ids.keys()],
    kinds,
    merges,
    leanings,
    id: (text) => ids.get(text) ?? ids.get(lettersOf(text).join('')) ?? -1,
  };
}
