/**
 * The demo model: a llama with random weights, made from a seed, offline. Its answers are gibberish, but tokeniser, chat
 * template, attention, KV cache and sampling are the real thing. Some rows are not random, so that what it says is
 * legible (see `Leaning`), thoughts come to an end, and JSON closes its brackets.
 */
import { demoVocabulary, special, type Vocabulary } from './demo-vocabulary.js';
import { type Meta, type Tensor, tensorType, writeGguf } from './gguf.js';

export interface DemoShape {
  /** Embedding length; a multiple of 32 x heads. */
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  /** Feed-forward length; a multiple of 32. */
  readonly hidden: number;
  readonly weights: 'f32' | 'q8_0';
  /** The context length it claims to be trained for, in tokens. */
  readonly context: number;
}

export const demoShape: DemoShape = { width: 128, heads: 2, layers: 2, hidden: 256, weights: 'f32', context: 8192 };

const template = [
  `{{ bos_token }}{% for message in messages %}`,
  `{% if message.role == 'user' %}${special.user}{{ message.content }}`,
  `{% elif message.role == 'assistant' %}${special.assistant}{{ message.content }}${special.end}`,
  `{% else %}{{ message.content }}{% endif %}`,
  `{% endfor %}{% if add_generation_prompt %}${special.assistant}`,
  `{% if enable_thinking is defined and enable_thinking %}${special.think}\n{% endif %}{% endif %}`,
].join('');

/** Residual dimensions with a fixed meaning; the random part of the stream begins at `free`. */
const axis = { one: 0, thinking: 2, json: 3, thinkKey: 4, thinkValue: 5, jsonKey: 6, jsonValue: 7, free: 8 } as const;

/** Uniform numbers of mean 0 and the given deviation (xorshift32: integer arithmetic, the same on every machine). */
function randomSource(seed: number): (deviation: number) => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return (deviation) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) / 2 ** 31 - 1) * deviation * Math.sqrt(3);
  };
}

type Random = ReturnType<typeof randomSource>;
/** Row-major, one row per output. */
type Matrix = Float32Array;

const matrix = (rows: number, columns: number, fill: (row: number, column: number) => number): Matrix => {
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) values[row * columns + column] = fill(row, column);
  }
  return values;
};

/** IEEE half precision of a finite number in the normal range of halves. */
function half(value: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0]!;
  return (((bits >>> 16) & 0x8000) | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff)) & 0xffff;
}

/** ggml's Q8_0: blocks of 32 values, a half-precision scale and 32 signed bytes each. */
export function packQ8(values: Float32Array): Uint8Array {
  const out = new DataView(new ArrayBuffer((values.length / 32) * 34));
  for (let block = 0, at = 0; block < values.length; block += 32, at += 34) {
    let peak = 1e-3;
    for (let i = block; i < block + 32; i++) peak = Math.max(peak, Math.abs(values[i]!));
    const scale = peak / 127;
    out.setUint16(at, half(scale), true);
    for (let i = 0; i < 32; i++) out.setInt8(at + 2 + i, Math.round(values[block + i]! / scale));
  }
  return new Uint8Array(out.buffer);
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Sizes of the fixed parts, all measured against the stream's root mean square, which RMSNorm divides by. */
function scales(width: number) {
  const one = Math.sqrt(1.125 * width);
  const rms = Math.sqrt(2.125);
  const unit = Math.sqrt(width / 128);
  return { one, oneSeen: one / rms, flag: 4 * unit, flagSeen: (4 * unit) / rms, key: 8 * unit, value: 4 * unit, rms };
}

function embedding(shape: DemoShape, vocabulary: Vocabulary, random: Random): Matrix {
  const size = scales(shape.width);
  const values = matrix(vocabulary.texts.length, shape.width, (_, column) =>
    column === axis.one ? size.one : column < axis.free ? 0 : random(1),
  );
  const mark = (text: string, key: number, keySize: number, value: number, valueSize: number) => {
    const row = vocabulary.id(text) * shape.width;
    values[row + key] = keySize;
    values[row + value] = valueSize;
  };
  mark(special.think, axis.thinkKey, size.key, axis.thinkValue, size.value);
  // The end of thought outshouts its beginning and says nothing.
  mark(special.thought, axis.thinkKey, size.key * 1.5, axis.thinkValue, 0);
  mark('{', axis.jsonKey, size.key, axis.jsonValue, size.value);
  return values;
}

function outputHead(shape: DemoShape, vocabulary: Vocabulary, random: Random): Matrix {
  const size = scales(shape.width);
  const deviation = 1 / (0.69 * Math.sqrt(shape.width));
  return matrix(vocabulary.texts.length, shape.width, (row, column) => {
    const leaning = vocabulary.leanings[row]!;
    if (column === axis.one) return leaning.base / size.oneSeen;
    if (column === axis.thinking) return leaning.thinking / size.flagSeen;
    if (column === axis.json) return leaning.json / size.flagSeen;
    return column < axis.free || vocabulary.kinds[row] !== 1 ? 0 : random(deviation);
  });
}

/** The first two heads of the first layer look for a mark in the context, and raise a flag where they find one. */
const seekers = [
  { key: axis.thinkKey, value: axis.thinkValue, flag: axis.thinking },
  { key: axis.jsonKey, value: axis.jsonValue, flag: axis.json },
] as const;

function attention(shape: DemoShape, layer: number, random: Random): Record<'q' | 'k' | 'v' | 'output', Matrix> {
  const { width, heads } = shape;
  const each = width / heads;
  const size = scales(width);
  const seeking = (index: number) => (layer === 0 ? seekers[Math.floor(index / each)] : undefined);
  const deviation = 1 / Math.sqrt(width);
  // The last pair of a head turns slowest under RoPE: within the context it stands as good as still.
  const still = (row: number) => row % each === each - 2;
  return {
    q: matrix(width, width, (row, column) => {
      if (seeking(row) === undefined) return random(deviation);
      return still(row) && column === axis.one ? (2 * Math.sqrt(each / 32)) / Math.sqrt(width / 128) : 0;
    }),
    k: matrix(width, width, (row, column) => {
      const seeker = seeking(row);
      return seeker === undefined ? random(deviation) : still(row) && column === seeker.key ? 1 : 0;
    }),
    v: matrix(width, width, (row, column) => {
      const seeker = seeking(row);
      return seeker === undefined ? random(deviation) : row % each === 0 && column === seeker.value ? 1 : 0;
    }),
    output: matrix(width, width, (row, column) => {
      const seeker = seeking(column);
      if (seeker !== undefined) return row === seeker.flag && column % each === 0 ? (size.flag * 1.66) / size.value : 0;
      return row < axis.free ? 0 : random(deviation);
    }),
  };
}

function layerTensors(shape: DemoShape, layer: number, random: Random, pack: Packer): Tensor[] {
  const { width, hidden } = shape;
  const ones = new Float32Array(width).fill(1);
  const named = (name: string) => `blk.${layer}.${name}.weight`;
  const { q, k, v, output } = attention(shape, layer, random);
  const plain = (rows: number, columns: number) => matrix(rows, columns, () => random(1 / Math.sqrt(columns)));
  const down = matrix(width, hidden, (row) => (row < axis.free ? 0 : random(0.5 / Math.sqrt(hidden))));
  return [
    { name: named('attn_norm'), shape: [width], type: tensorType.f32, data: bytesOf(ones) },
    pack(named('attn_q'), [width, width], q),
    pack(named('attn_k'), [width, width], k),
    pack(named('attn_v'), [width, width], v),
    pack(named('attn_output'), [width, width], output),
    { name: named('ffn_norm'), shape: [width], type: tensorType.f32, data: bytesOf(ones) },
    pack(named('ffn_gate'), [width, hidden], plain(hidden, width)),
    pack(named('ffn_up'), [width, hidden], plain(hidden, width)),
    pack(named('ffn_down'), [hidden, width], down),
  ];
}

type Packer = (name: string, shape: readonly number[], values: Float32Array) => Tensor;

const packers: Record<DemoShape['weights'], Packer> = {
  f32: (name, shape, values) => ({ name, shape, type: tensorType.f32, data: bytesOf(values) }),
  q8_0: (name, shape, values) => ({ name, shape, type: tensorType.q8_0, data: packQ8(values) }),
};

function metadata(shape: DemoShape, vocabulary: Vocabulary): Record<string, Meta> {
  const tokenizer = 'tokenizer.ggml';
  return {
    'general.architecture': { text: 'llama' },
    'general.name': { text: 'deepseek-deploy demo: random weights, gibberish' },
    'general.file_type': { uint: shape.weights === 'f32' ? 0 : 7 },
    'llama.vocab_size': { uint: vocabulary.texts.length },
    'llama.context_length': { uint: shape.context },
    'llama.embedding_length': { uint: shape.width },
    'llama.block_count': { uint: shape.layers },
    'llama.feed_forward_length': { uint: shape.hidden },
    'llama.attention.head_count': { uint: shape.heads },
    'llama.attention.head_count_kv': { uint: shape.heads },
    'llama.attention.layer_norm_rms_epsilon': { float: 1e-6 },
    'llama.rope.dimension_count': { uint: shape.width / shape.heads },
    'llama.rope.freq_base': { float: 1e6 },
    [`${tokenizer}.model`]: { text: 'gpt2' },
    [`${tokenizer}.pre`]: { text: 'gpt-2' },
    [`${tokenizer}.tokens`]: { texts: vocabulary.texts },
    [`${tokenizer}.token_type`]: { ints: vocabulary.kinds },
    [`${tokenizer}.merges`]: { texts: vocabulary.merges },
    [`${tokenizer}.bos_token_id`]: { uint: vocabulary.id(special.begin) },
    [`${tokenizer}.eos_token_id`]: { uint: vocabulary.id(special.end) },
    [`${tokenizer}.fim_pre_token_id`]: { uint: vocabulary.id(special.fimBegin) },
    [`${tokenizer}.fim_suf_token_id`]: { uint: vocabulary.id(special.fimHole) },
    [`${tokenizer}.fim_mid_token_id`]: { uint: vocabulary.id(special.fimEnd) },
    [`${tokenizer}.add_bos_token`]: { flag: true },
    'tokenizer.chat_template': { text: template },
  };
}

/** The bytes of the model's GGUF file; the same seed and shape give the same bytes. About 4 MB in the default shape. */
export function demoModel(seed = 42, shape: DemoShape = demoShape): Uint8Array {
  const random = randomSource(seed);
  const vocabulary = demoVocabulary();
  const pack = packers[shape.weights];
  const words = [shape.width, vocabulary.texts.length];
  const layers = Array.from({ length: shape.layers }, (_, layer) => layerTensors(shape, layer, random, pack));
  const ones = new Float32Array(shape.width).fill(1);
  return writeGguf(metadata(shape, vocabulary), [
    pack('token_embd.weight', words, embedding(shape, vocabulary, random)),
    ...layers.flat(),
    { name: 'output_norm.weight', shape: [shape.width], type: tensorType.f32, data: bytesOf(ones) },
    pack('output.weight', words, outputHead(shape, vocabulary, random)),
  ]);
}
