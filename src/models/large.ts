/**
 * The models that take a server's GPUs or several. Sizes: vllm-project/recipes (models/deepseek-ai) and the model cards,
 * November 2026; the V3 family's are reckoned from its parameters.
 */
import { say } from '../say.js';
import { type Model, onBothHubs } from './model.js';

const onGpus = { engines: ['vllm', 'sglang'], gguf: [] } as const;
const million = 1_048_576;

const v3 = {
  family: 'v3',
  parameters: { total: 671, active: 37 },
  precision: 'FP8',
  weightGB: 690,
  vramGB: 805,
  fits: ['8x H200', '8x H20-141G', '8x MI300X', '16x H100'],
  context: 131_072,
  licence: 'MIT',
  thinks: false,
  ...onGpus,
} as const;

export const large: readonly Model[] = [
  {
    id: 'deepseek-v4.1-flash',
    title: 'DeepSeek-V4.1-Flash',
    family: 'v4.1',
    parameters: { total: 552, active: 16 },
    precision: 'MXFP4 experts, MXFP8',
    weightGB: 511,
    vramGB: 614,
    fits: ['8x H200', '4x GB200', '8x H20-96G'],
    context: million,
    licence: 'MIT',
    ...onBothHubs('DeepSeek-V4.1-Flash'),
    thinks: true,
    ...onGpus,
    note: say(
      '8 thousand million parameters at prefill, 16 at decoding; 183 GiB of Engram tables lie in host memory.',
      '预填充激活 80 亿参数，解码激活 160 亿；另有 183 GiB 的 Engram 表驻留在主机内存。',
    ),
  },
  {
    id: 'deepseek-v4-flash',
    title: 'DeepSeek-V4-Flash',
    family: 'v4',
    parameters: { total: 284, active: 13 },
    precision: 'FP4, FP8',
    weightGB: 160,
    vramGB: 200,
    fits: ['4x H200', '4x B200', '4x RTX PRO 6000'],
    context: million,
    licence: 'MIT',
    ...onBothHubs('DeepSeek-V4-Flash'),
    thinks: true,
    ...onGpus,
  },
  {
    id: 'deepseek-v4-pro',
    title: 'DeepSeek-V4-Pro',
    family: 'v4',
    parameters: { total: 1600, active: 49 },
    precision: 'FP4, FP8',
    weightGB: 865,
    vramGB: 960,
    fits: ['8x H200', '8x B200', '8x B300', '16x H200'],
    context: million,
    licence: 'MIT',
    ...onBothHubs('DeepSeek-V4-Pro'),
    thinks: true,
    ...onGpus,
  },
  { id: 'deepseek-v3.2', title: 'DeepSeek-V3.2', ...onBothHubs('DeepSeek-V3.2'), ...v3, thinks: true },
  { id: 'deepseek-v3.1', title: 'DeepSeek-V3.1', ...onBothHubs('DeepSeek-V3.1'), ...v3, thinks: true },
  { id: 'deepseek-v3-0324', title: 'DeepSeek-V3-0324', ...onBothHubs('DeepSeek-V3-0324'), ...v3 },
  {
    id: 'deepseek-r1-0528',
    title: 'DeepSeek-R1-0528',
    ...onBothHubs('DeepSeek-R1-0528'),
    ...v3,
    family: 'r1',
    thinks: true,
  },
  { id: 'deepseek-r1', title: 'DeepSeek-R1', ...onBothHubs('DeepSeek-R1'), ...v3, family: 'r1', thinks: true },
  {
    id: 'deepseek-ocr',
    title: 'DeepSeek-OCR',
    family: 'ocr',
    parameters: { total: 3, active: 3 },
    precision: 'BF16',
    weightGB: 6,
    vramGB: 7,
    fits: ['1x 8 GB'],
    context: 8192,
    licence: 'MIT',
    ...onBothHubs('DeepSeek-OCR'),
    engines: ['vllm'],
    thinks: false,
    gguf: [],
    note: say('vLLM 0.12 or newer.', '需要 vLLM 0.12 或更新版本。'),
  },
];
