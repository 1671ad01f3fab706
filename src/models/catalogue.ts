/** Every model that can be named; from small to large. */
import { say } from '../say.js';
import { distilled } from './distilled.js';
import { large } from './large.js';
import type { Model } from './model.js';

const demo: Model = {
  id: 'demo',
  title: 'Demo (tiny, random weights)',
  family: 'demo',
  parameters: { total: 0.001, active: 0.001 },
  precision: 'F32',
  weightGB: 0.01,
  vramGB: 0,
  fits: ['any machine'],
  context: 8192,
  licence: 'Apache-2.0',
  huggingface: '',
  modelscope: '',
  engines: ['embedded'],
  thinks: true,
  gguf: [],
  note: say(
    'Made here in a second, offline. It answers gibberish; all the rest is real.',
    '在本机一秒内离线生成。回答是乱语，其余一切都是真的。',
  ),
};

export const catalogue: readonly Model[] = [demo, ...distilled, ...large];
