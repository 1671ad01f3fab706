import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/errors.js';
import { demoModel } from '../../src/models/demo.js';
import { type Meta, tensorType, writeGguf } from '../../src/models/gguf.js';
import { checkGguf, MoreNeeded } from '../../src/models/header.js';
import { inspectGguf } from '../../src/models/inspect.js';
import { fakeWorld } from '../world/fake.js';

const meta: Readonly<Record<string, Meta>> = {
  'general.architecture': { text: 'qwen2' },
  'general.name': { text: 'DeepSeek R1 Distill Qwen 1.5B' },
  'qwen2.block_count': { uint: 28 },
  'qwen2.context_length': { uint: 131_072 },
  'qwen2.embedding_length': { uint: 1536 },
  'qwen2.attention.head_count': { uint: 12 },
  'qwen2.attention.head_count_kv': { uint: 2 },
  'qwen2.rope.freq_base': { float: 10_000 },
  'tokenizer.ggml.tokens': { texts: ['<a>', 'b', '世界'] },
  'tokenizer.ggml.token_type': { ints: [3, 1, 1] },
  'tokenizer.ggml.add_bos_token': { flag: true },
  'tokenizer.chat_template': { text: '{{ messages }}' },
};
const tensor = { name: 'token_embd.weight', shape: [4, 3], type: tensorType.f32, data: new Uint8Array(48) };
const file = writeGguf(meta, [tensor]);

const check = (bytes: Uint8Array): unknown => checkGguf(bytes, bytes.length);
const refusal = (bytes: Uint8Array): string | undefined => {
  try {
    check(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.id;
    throw error;
  }
};
const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const patched = (at: number, bytes: readonly number[]): Uint8Array => {
  const copy = Uint8Array.from(file);
  copy.set(bytes, at);
  return copy;
};
const without = (key: string): Uint8Array =>
  writeGguf(Object.fromEntries(Object.entries(meta).filter(([name]) => name !== key)), [tensor]);

describe('a GGUF file', () => {
  test('says what it is', () => {
    expect(check(file)).toEqual({
      architecture: 'qwen2',
      name: 'DeepSeek R1 Distill Qwen 1.5B',
      contextLength: 131_072,
      chatTemplate: true,
      parameters: 12,
      // 28 layers x 2 heads x (128 + 128) x 2 bytes, as in the catalogue.
      kvBytesPerToken: 28_672,
    });
  });

  test('may say less', () => {
    expect(check(without('tokenizer.chat_template'))).toMatchObject({ chatTemplate: false });
    expect(check(without('qwen2.block_count'))).not.toHaveProperty('kvBytesPerToken');
    expect(check(without('general.name'))).not.toHaveProperty('name');
  });

  test('such as our own demo', () => {
    const demo = demoModel();
    expect(check(demo)).toMatchObject({ architecture: 'llama', chatTemplate: true, contextLength: 8192 });
  });
});

describe('what is not', () => {
  test.each<[string, string, Uint8Array]>([
    ['nothing', 'gguf.not', new Uint8Array()],
    ['something else', 'gguf.not', text('PK\u0003\u0004 a zip')],
    [
      'a Git LFS pointer',
      'gguf.lfs-pointer',
      text('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n'),
    ],
    ['a web page', 'gguf.page', text('\n<!DOCTYPE html><html>')],
    ['a file of the time before', 'gguf.old', text('tjgg\u0003\0\0\0')],
    ['a big-endian one', 'gguf.big-endian', patched(4, [0, 0, 0, 3])],
    ['version 1', 'gguf.version', patched(4, [1, 0, 0, 0])],
    ['version 4', 'gguf.version', patched(4, [4, 0, 0, 0])],
    ['a part of several', 'gguf.split', writeGguf({ ...meta, 'split.count': { uint: 3 } }, [tensor])],
    ['a vocabulary', 'gguf.empty', writeGguf(meta, [])],
    ['one without an architecture', 'gguf.damaged', without('general.architecture')],
    ['one with an absurd count', 'gguf.damaged', patched(16, [255, 255, 255, 255, 255, 255, 255, 255])],
    ['one cut within the header', 'gguf.truncated', file.slice(0, 200)],
    ['one cut within the weights', 'gguf.truncated', file.slice(0, -20)],
  ])('%s', (_, id, bytes) => {
    expect(refusal(bytes)).toBe(id);
  });

  test('wherever it is cut, it is said to be cut', () => {
    for (let length = 8; length < file.length - 16; length++)
      expect(refusal(file.slice(0, length))).toBe('gguf.truncated');
  });

  test('whatever is wrong with its bytes, it is a clear answer and a quick one', () => {
    const start = performance.now();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (changes) => {
          const copy = Uint8Array.from(file);
          for (const [at, byte] of changes) copy[at] = byte;
          refusal(copy);
        },
      ),
      { numRuns: 3000 },
    );
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  test('lists within lists are followed to a depth only', () => {
    const level = [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    const lists = Uint8Array.from([
      ...file.subarray(0, 16),
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      97,
      9,
      0,
      0,
      0,
      ...Array.from({ length: 50_000 }, () => level).flat(),
    ]);
    expect(refusal(lists)).toBe('gguf.damaged');
  });
});

describe('a long header', () => {
  const words = Array.from({ length: 300_000 }, (_, i) => `<some-longer-word-of-the-vocabulary-${i}>`);
  const long = writeGguf({ ...meta, 'tokenizer.ggml.tokens': { texts: words } }, [tensor]);

  test('asks for more of the file, which it is given', async () => {
    expect(() => checkGguf(long.subarray(0, 1 << 20), long.length)).toThrow(MoreNeeded);
    const world = fakeWorld();
    await world.files.makeDir('/models');
    await world.files.write('/models/long.gguf', long);
    expect(long.length).toBeGreaterThan(4 * 1024 * 1024);
    expect(await inspectGguf(world, '/models/long.gguf')).toMatchObject({ architecture: 'qwen2', chatTemplate: true });
  });

  test('is stepped over quickly', () => {
    const start = performance.now();
    check(long);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

test('a file that is not there, and one that is wrong, are named', async () => {
  const world = fakeWorld();
  await expect(inspectGguf(world, '/no.gguf')).rejects.toMatchObject({ id: 'gguf.missing', exit: 'usage' });
  await world.files.makeDir('/models');
  await world.files.write('/models/a.gguf', '<html>');
  await expect(inspectGguf(world, '/models/a.gguf')).rejects.toMatchObject({
    id: 'gguf.page',
    text: { en: 'a.gguf: This is a web page that was saved in place of the file.' },
    hint: { en: expect.any(String) },
  });
});
