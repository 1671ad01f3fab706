/**
 * The models that one machine can serve through llama.cpp.
 *
 * Sizes: parameters x 2 bytes, memory x 1.2. GGUF hashes and sizes (LFS object ids): mudler/LocalAI gallery/index.yaml at
 * 82c191af (bartowski's files and unsloth's Llama-8B), and for unsloth's files at least two other public catalogues each
 * that pin the same size and hash. ModelScope's revisions carry the same objects.
 */
import { say } from '../say.js';
import { type Gguf, type Model, onBothHubs } from './model.js';

const unsloth = (name: string, revision: { readonly hf: string; readonly ms?: string }): Gguf['at'] => ({
  huggingface: { repo: `unsloth/${name}`, revision: revision.hf },
  ...(revision.ms ? { modelscope: { repo: `unsloth/${name}`, revision: revision.ms } } : {}),
});
const bartowski = (name: string, revision: string): Gguf['at'] => ({
  huggingface: { repo: `bartowski/${name}`, revision },
});

const everywhere = { precision: 'BF16', context: 131_072, engines: ['embedded', 'vllm', 'sglang'] } as const;
const distill = { family: 'r1-distill', thinks: true, ...everywhere } as const;

const qwen15 = unsloth('DeepSeek-R1-Distill-Qwen-1.5B-GGUF', {
  hf: '3cb4d15544a2a5e07439592b9a0965b6445fbd34',
  ms: 'fa0539ea11c2f7ce5b540004ce6e8ed20d462f77',
});

export const distilled: readonly Model[] = [
  {
    id: 'deepseek-r1-distill-qwen-1.5b',
    title: 'DeepSeek-R1-Distill-Qwen-1.5B',
    parameters: { total: 1.8, active: 1.8 },
    weightGB: 3.6,
    vramGB: 5,
    fits: ['1x 8 GB'],
    licence: 'MIT (Qwen2.5 base: Apache-2.0)',
    ...onBothHubs('DeepSeek-R1-Distill-Qwen-1.5B'),
    kvBytesPerToken: 28 * 2 * 256 * 2,
    ...distill,
    gguf: [
      {
        quantisation: 'Q4_K_M',
        file: 'DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf',
        bytes: 1_117_321_312,
        sha256: 'f3bdf9cf31dee4b57ae4e455a1cb0d01b5c2c1b50d72d3112141c195506c2840',
        at: qwen15,
      },
      {
        quantisation: 'Q8_0',
        file: 'DeepSeek-R1-Distill-Qwen-1.5B-Q8_0.gguf',
        bytes: 1_894_532_416,
        sha256: '068a721e47419ccfc94b6420118f772478544e1a0d4fad7118212774b3f9ba9e',
        at: qwen15,
      },
    ],
  },
  {
    id: 'deepseek-r1-distill-qwen-7b',
    title: 'DeepSeek-R1-Distill-Qwen-7B',
    parameters: { total: 7.6, active: 7.6 },
    weightGB: 15.2,
    vramGB: 19,
    fits: ['1x 24 GB'],
    licence: 'MIT (Qwen2.5 base: Apache-2.0)',
    ...onBothHubs('DeepSeek-R1-Distill-Qwen-7B'),
    kvBytesPerToken: 28 * 4 * 256 * 2,
    ...distill,
    gguf: [
      {
        quantisation: 'Q4_K_M',
        file: 'DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf',
        bytes: 4_683_073_248,
        sha256: '78272d8d32084548bd450394a560eb2d70de8232ab96a725769b1f9171235c1c',
        at: unsloth('DeepSeek-R1-Distill-Qwen-7B-GGUF', {
          hf: '097680e4eed7a83b3df6b0bb5e5134099cadf1b0',
          ms: 'e11beec1cba0ea15a9ad4ab9615e0561ce09fbfe',
        }),
      },
    ],
  },
  {
    id: 'deepseek-r1-distill-llama-8b',
    title: 'DeepSeek-R1-Distill-Llama-8B',
    parameters: { total: 8, active: 8 },
    weightGB: 16,
    vramGB: 20,
    fits: ['1x 24 GB'],
    licence: 'MIT (base: Llama 3.1 Community License)',
    ...onBothHubs('DeepSeek-R1-Distill-Llama-8B'),
    kvBytesPerToken: 32 * 8 * 256 * 2,
    ...distill,
    gguf: [
      {
        quantisation: 'Q4_K_M',
        file: 'DeepSeek-R1-Distill-Llama-8B-Q4_K_M.gguf',
        bytes: 4_920_737_216,
        sha256: '0addb1339a82385bcd973186cd80d18dcc71885d45eabd899781a118d03827d9',
        at: unsloth('DeepSeek-R1-Distill-Llama-8B-GGUF', {
          hf: '615f8936e16dfde29dcc00be71145d4d5ce8ed53',
          ms: '56071ca28dbd0b796b51b45d623c73d43d9ba6ec',
        }),
      },
    ],
  },
  {
    id: 'deepseek-r1-0528-qwen3-8b',
    title: 'DeepSeek-R1-0528-Qwen3-8B',
    parameters: { total: 8.2, active: 8.2 },
    weightGB: 16.4,
    vramGB: 20,
    fits: ['1x 24 GB'],
    licence: 'MIT (Qwen3 base: Apache-2.0)',
    ...onBothHubs('DeepSeek-R1-0528-Qwen3-8B'),
    kvBytesPerToken: 36 * 8 * 256 * 2,
    ...distill,
    gguf: [
      {
        quantisation: 'Q4_K_M',
        file: 'DeepSeek-R1-0528-Qwen3-8B-Q4_K_M.gguf',
        bytes: 5_027_785_216,
        sha256: 'a86349a4180c4e6bb43f874c29c404fa2be3f90b15509bd6d86f697dba724ec1',
        at: unsloth('DeepSeek-R1-0528-Qwen3-8B-GGUF', { hf: 'eb48357c179d34dbf515983f798dfb8752a0f261' }),
      },
    ],
  },
  {
    id: 'deepseek-r1-distill-qwen-14b',
    title: 'DeepSeek-R1-Distill-Qwen-14B',
    parameters: { total: 14.8, active: 14.8 },
    weightGB: 29.6,
    vramGB: 36,
    fits: ['1x 48 GB', '2x 24 GB'],
    licence: 'MIT (Qwen2.5 base: Apache-2.0)',
    ...onBothHubs('DeepSeek-R1-Distill-Qwen-14B'),
    kvBytesPerToken: 48 * 8 * 256 * 2,
    ...distill,
    gguf: [
      {
        quantisation: 'Q4_K_M',
        file: 'DeepSeek-R1-Distill-Qwen-14B-Q4_K_M.gguf',
        bytes: 8_988_110_240,
        sha256: '0b319bd0572f2730bfe11cc751defe82045fad5085b4e60591ac2cd2d9633181',
        at: bartowski('DeepSeek-R1-Distill-Qwen-14B-GGUF', '9f5d77d401799416e0702290a691038b44012e0c'),
      },
    ],
  },
  {
    id: 'deepseek-coder-v2-lite-instruct',
    title: 'DeepSeek-Coder-V2-Lite-Instruct',
    family: 'coder',
    parameters: { total: 15.7, active: 2.4 },
    weightGB: 31.4,
    vramGB: 38,
    fits: ['1x 48 GB'],
    licence: 'DeepSeek License',
    ...onBothHubs('DeepSeek-Coder-V2-Lite-Instruct'),
    ...everywhere,
    thinks: false,
    // The file is of before llama.cpp's latent attention: whole keys (192) and values (128) of 16 heads are kept.
    kvBytesPerToken: 27 * 16 * (192 + 128) * 2,
    gguf: [
      {
        quantisation: 'Q4_K_M',
        file: 'DeepSeek-Coder-V2-Lite-Instruct-Q4_K_M.gguf',
        bytes: 10_364_416_768,
        sha256: '603bd3f8a0281d16571da7c08bd661ee17ff0d1be6fcbd1b42242da257ef0bb8',
        at: bartowski('DeepSeek-Coder-V2-Lite-Instruct-GGUF', '8f248fa2072348f77a8bc37754e470de1f61866e'),
      },
    ],
    note: say(
      'A mixture of experts: fast on a CPU for its size. For code.',
      '混合专家模型：就其大小而言在 CPU 上较快。面向代码。',
    ),
  },
  {
    id: 'deepseek-r1-distill-qwen-32b',
    title: 'DeepSeek-R1-Distill-Qwen-32B',
    parameters: { total: 32.8, active: 32.8 },
    weightGB: 65.6,
    vramGB: 79,
    fits: ['1x 96 GB', '2x 48 GB'],
    licence: 'MIT (Qwen2.5 base: Apache-2.0)',
    ...onBothHubs('DeepSeek-R1-Distill-Qwen-32B'),
    kvBytesPerToken: 64 * 8 * 256 * 2,
    ...distill,
    gguf: [
      {
        quantisation: 'Q4_K_M',
        file: 'DeepSeek-R1-Distill-Qwen-32B-Q4_K_M.gguf',
        bytes: 19_851_335_840,
        sha256: 'bed9b0f551f5b95bf9da5888a48f0f87c37ad6b72519c4cbd775f54ac0b9fc62',
        at: bartowski('DeepSeek-R1-Distill-Qwen-32B-GGUF', '1dc8cf9ffa5dd333057ea1b09ccf4772d8726dec'),
      },
    ],
  },
  {
    id: 'deepseek-r1-distill-llama-70b',
    title: 'DeepSeek-R1-Distill-Llama-70B',
    parameters: { total: 70.6, active: 70.6 },
    weightGB: 141,
    vramGB: 170,
    fits: ['4x 48 GB', '4x 80 GB', '2x 96 GB'],
    licence: 'MIT (base: Llama 3.3 Community License)',
    ...onBothHubs('DeepSeek-R1-Distill-Llama-70B'),
    kvBytesPerToken: 80 * 8 * 256 * 2,
    ...distill,
    gguf: [
      {
        quantisation: 'Q4_K_M',
        file: 'DeepSeek-R1-Distill-Llama-70B-Q4_K_M.gguf',
        bytes: 42_520_395_936,
        sha256: '181a82a1d6d2fa24fe4db83a68eee030384986bdbdd4773ba76424e3a6eb9fd8',
        at: bartowski('DeepSeek-R1-Distill-Llama-70B-GGUF', '1842c5f7280f933ead58adf8afd078672c9f6cd0'),
      },
    ],
  },
];
