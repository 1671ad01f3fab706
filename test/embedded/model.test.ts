/** The model in llama.cpp: what goes in comes out again, for both kinds of vocabulary. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Addon, loadAddon } from '../../src/embedded/addon.js';
import { Model, samplerConfig } from '../../src/embedded/model.js';
import { Utf8Joiner } from '../../src/embedded/text.js';
import { demoModel } from '../../src/models/demo.js';
import { special } from '../../src/models/demo-vocabulary.js';
import { type Meta, type Tensor, tensorType, writeGguf } from '../../src/models/gguf.js';
import { testRuntime } from './runtime.js';

let addon: Addon;
let folder: string;
let demo: Model;
const size = { sequences: 1, contextSize: 256 };

async function load(bytes: Uint8Array): Promise<Model> {
  const file = join(folder, `${Math.random()}.gguf`);
  await writeFile(file, bytes);
  return Model.load(addon, file, size, 1);
}

beforeAll(async () => {
  addon = await loadAddon(await testRuntime(), () => {});
  folder = await mkdtemp(join(tmpdir(), 'model-'));
  demo = await load(demoModel());
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The smallest llama there is, with a SentencePiece vocabulary and weights of zero. */
function sentencePiece(): Uint8Array {
  const words = ['▁', '▁stone', '▁br', 'idge', 's', 't', 'o', '石', '桥'];
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const texts = ['<unk>', '<s>', '</s>', ...bytes, ...words];
  const kinds = [2, 3, 3, ...bytes.map(() => 6), ...words.map(() => 1)];
  const width = 32;
  const tensor = (name: string, ...shape: number[]): Tensor => ({
    ...{ name, shape, type: tensorType.f32 },
    data: new Uint8Array(shape.reduce((all, one) => all * one, 4)),
  });
  const layer = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
  const norms = ['blk.0.attn_norm', 'blk.0.ffn_norm', 'output_norm'];
  const counts: Record<string, number> = {
    ...{ vocab_size: texts.length, context_length: 256, embedding_length: width, block_count: 1 },
    ...{ feed_forward_length: width, 'attention.head_count': 1, 'rope.dimension_count': width },
  };
  const meta: Record<string, Meta> = {
    'general.architecture': { text: 'llama' },
    ...Object.fromEntries(Object.entries(counts).map(([name, uint]) => [`llama.${name}`, { uint }])),
    'llama.attention.layer_norm_rms_epsilon': { float: 1e-6 },
    'tokenizer.ggml.model': { text: 'llama' },
    'tokenizer.ggml.tokens': { texts },
    'tokenizer.ggml.scores': { floats: texts.map((_, i) => -i) },
    'tokenizer.ggml.token_type': { ints: kinds },
    'tokenizer.ggml.bos_token_id': { uint: 1 },
    'tokenizer.ggml.eos_token_id': { uint: 2 },
  };
  return writeGguf(meta, [
    ...['token_embd', 'output'].map((name) => tensor(`${name}.weight`, width, texts.length)),
    ...layer.map((name) => tensor(`blk.0.${name}.weight`, width, width)),
    ...norms.map((name) => tensor(`${name}.weight`, width)),
  ]);
}

function said(model: Model, tokens: Iterable<number>): string {
  const joiner = new Utf8Joiner();
  return Array.from(tokens, (token) => joiner.push(model.piece(token))).join('') + joiner.flush();
}

describe('tokens of a byte-level vocabulary', () => {
  it('say the text they were made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(said(demo, demo.tokenize(text, false))).toBe(text);
      }),
    );
  });

  it('begin with the one that begins, once', () => {
    const begin = demo.tokenize('', false);
    expect(begin).toHaveLength(1);
    expect([...demo.tokenize(`${special.begin}x`, true)].filter((token) => token === begin[0])).toHaveLength(1);
  });

  it('are special only where a template stands', () => {
    const plain = demo.tokenize(special.user, false);
    expect(demo.tokenize(special.user, true).length).toBeLessThan(plain.length);
    expect(said(demo, plain)).toBe(special.user);
  });

  it('know their end', () => {
    const [, end] = demo.tokenize(special.end, true);
    expect(demo.isEnd(end!)).toBe(true);
    expect(demo.isEnd(demo.tokenize('x', false)[1]!)).toBe(false);
    expect(demo.piece(end!)).toBe('');
  });
});

describe('tokens of a SentencePiece vocabulary', () => {
  it('say the text they were made of, characters it does not have as bytes', async () => {
    const model = await load(sentencePiece());
    expect(model.thinker).toBe(false);
    for (const text of ['stone bridge', '石桥 stone', 'naïve 🌉 Ünïcode\n\ttabs', 'xyz']) {
      // SentencePiece puts a space before the text.
      expect(said(model, model.tokenize(text, false))).toBe(` ${text}`);
    }
    expect(model.renderChat([{ role: 'user', content: 'Hi' }], {})).toBeUndefined();
    expect(model.fillInMiddle('a', 'b')).toBeUndefined();
  });
});

describe('a chat', () => {
  const messages = [
    { role: 'system', content: 'Be brief. ' },
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello' },
    { role: 'user', content: '再见' },
  ];

  it('is rendered as the template says', () => {
    const { begin, user, assistant, end, think } = special;
    const text = `${begin}Be brief. ${user}Hi${assistant}Hello${end}${user}再见${assistant}`;
    expect(demo.renderChat(messages, {})).toBe(text);
    expect(demo.renderChat(messages, { enable_thinking: true })).toBe(`${text}${think}\n`);
  });

  it('cannot be smuggled past the request', () => {
    const smuggled = { messages: [], bos_token: 'x', add_generation_prompt: false };
    expect(demo.renderChat(messages, smuggled)).toBe(demo.renderChat(messages, {}));
  });
});

describe('a gap', () => {
  it('stands between its marks', () => {
    const tokens = demo.fillInMiddle('stone', 'bridge')!;
    const marks = [special.fimBegin, special.fimHole, special.fimEnd].map((mark) => demo.tokenize(mark, true)[1]!);
    const places = marks.map((mark) => tokens.indexOf(mark));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBe(1);
    expect(places[2]).toBe(tokens.length - 1);
    expect(said(demo, tokens)).toBe('stonebridge');
  });
});

describe('what the sampler is told', () => {
  it('is no more than was asked for', () => {
    expect(samplerConfig({ temperature: 0.5, topP: 0.9 }, 7)).toEqual({ temperature: 0.5, topP: 0.9, seed: 7 });
  });

  it('penalties come together, biases as arrays', () => {
    const config = samplerConfig({ temperature: 1, topP: 1, presence: 0.5, bias: [[3, -100]], topK: 5, minP: 0.1 }, 1);
    expect(config).toMatchObject({
      repeatPenalty: 1,
      repeatPenaltyPresencePenalty: 0.5,
      repeatPenaltyFrequencyPenalty: 0,
    });
    expect(config).toMatchObject({ topK: 5, minP: 0.1 });
    expect([config.tokenBiasKeys, config.tokenBiasValues]).toEqual([Uint32Array.of(3), Float32Array.of(-100)]);
  });
});
