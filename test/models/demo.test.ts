import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { demoModel, demoShape, packQ8 } from '../../src/models/demo.js';
import { byteLetters, demoVocabulary, special } from '../../src/models/demo-vocabulary.js';
import { readGgufMeta } from '../../src/models/gguf.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('the demo model', () => {
  it('is the same bytes for the same seed on every machine', () => {
    expect(sha256(demoModel())).toBe('bd5bda4e90f554c32443cfc4cf9a4e79a42ee2094b43f36d78352b250699c480');
    expect(sha256(demoModel(43))).not.toBe(sha256(demoModel(42)));
  });

  it('is made in well under a second and stays small', () => {
    const start = performance.now();
    const { length } = demoModel();
    expect(performance.now() - start).toBeLessThan(900);
    expect(length).toBeGreaterThan(1e6);
    expect(length).toBeLessThan(10e6);
  });

  it('describes itself in its metadata', () => {
    const meta = readGgufMeta(demoModel());
    expect(meta.get('general.architecture')).toBe('llama');
    expect(meta.get('llama.context_length')).toBe(demoShape.context);
    expect(meta.get('tokenizer.ggml.tokens')).toEqual(demoVocabulary().texts);
    expect(meta.get('tokenizer.chat_template')).toContain(special.assistant);
  });

  it('takes other shapes and eight-bit weights', () => {
    const small = demoModel(1, { width: 64, heads: 2, layers: 1, hidden: 64, weights: 'q8_0', context: 512 });
    expect(readGgufMeta(small).get('general.file_type')).toBe(7);
    expect(small.length).toBeLessThan(demoModel().length / 4);
  });
});

describe('the demo vocabulary', () => {
  const vocabulary = demoVocabulary();

  it('has every byte, so that any text can be read and any JSON written', () => {
    for (const letter of byteLetters) expect(vocabulary.texts).toContain(letter);
    expect(new Set(byteLetters).size).toBe(256);
  });

  it('has no token twice, and a kind and a leaning for each', () => {
    expect(new Set(vocabulary.texts).size).toBe(vocabulary.texts.length);
    expect(vocabulary.kinds.length).toBe(vocabulary.texts.length);
    expect(vocabulary.leanings.length).toBe(vocabulary.texts.length);
  });

  it('merges only what is there already into what is there later', () => {
    const known = new Set<string>(byteLetters);
    for (const merge of vocabulary.merges) {
      const [left, right] = merge.split(' ') as [string, string];
      expect(known).toContain(left);
      expect(known).toContain(right);
      known.add(left + right);
    }
  });

  it('says only whole words: what is not valid UTF-8 by itself is never likely', () => {
    const bytes = new Map(byteLetters.map((letter, byte) => [letter, byte]));
    const strict = new TextDecoder('utf-8', { fatal: true });
    for (const [id, text] of vocabulary.texts.entries()) {
      if (vocabulary.kinds[id] !== 1 || vocabulary.leanings[id]!.base < -12) continue;
      const decoded = strict.decode(Uint8Array.from(text, (letter) => bytes.get(letter)!));
      expect(decoded).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
    }
  });

  it('finds tokens by what they say', () => {
    expect(vocabulary.texts[vocabulary.id(' stone')]).toBe('Ġstone');
    expect(vocabulary.id(special.think)).toBeGreaterThan(0);
    expect(vocabulary.id('no such token')).toBe(-1);
  });
});

describe('eight-bit weights', () => {
  it('keep every value to within half a step of its block', () => {
    const values = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i) * (i < 32 ? 1 : 10));
    const packed = new DataView(packQ8(values).buffer);
    for (const [i, value] of values.entries()) {
      const peak = i < 32 ? 1 : 10;
      const block = Math.floor(i / 32) * 34;
      const bits = packed.getUint16(block, true);
      const scale = 2 ** ((bits >> 10) - 15) * (1 + (bits & 0x3ff) / 1024);
      expect(Math.abs(packed.getInt8(block + 2 + (i % 32)) * scale - value)).toBeLessThan((peak / 127) * 0.75);
    }
  });
});
