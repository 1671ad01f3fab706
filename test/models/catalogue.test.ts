import { describe, expect, test } from 'vitest';
import { catalogue } from '../../src/models/catalogue.js';
import { chooseGguf, findModel } from '../../src/models/find.js';
import { fileUrl, tokenFor } from '../../src/models/hub.js';
import { bytesText, Meter, type Progress, progressText, timeText } from '../../src/models/progress.js';
import { memoryNeed, servable } from '../../src/models/servable.js';

const files = catalogue.flatMap((model) => model.gguf.map((gguf) => ({ model, gguf })));

describe('the catalogue', () => {
  test('names each model once, as deepseek.yaml can', () => {
    const ids = catalogue.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z0-9][a-z0-9.-]{0,79}$/);
  });

  test.each(catalogue.map((model) => [model.id, model] as const))('%s is whole', (id, model) => {
    expect(model.parameters.active).toBeLessThanOrEqual(model.parameters.total);
    expect(model.engines.includes('embedded')).toBe(id === 'demo' || model.gguf.length > 0);
    expect(model.gguf.length > 0).toBe(model.kvBytesPerToken !== undefined);
    expect(model.fits.length).toBeGreaterThan(0);
    if (id === 'demo') return;
    expect(model.vramGB).toBeGreaterThan(model.weightGB);
    expect(model.huggingface).toMatch(/^deepseek-ai\/[\w.-]+$/);
    expect(model.modelscope).toMatch(/^deepseek-ai\/[\w.-]+$/);
  });

  test.each(files.map(({ model, gguf }) => [gguf.file, model, gguf] as const))(
    '%s can be pinned and checked',
    (_, model, gguf) => {
      expect(gguf.sha256).toMatch(/^[0-9a-f]{64}$/);
      for (const place of Object.values(gguf.at)) expect(place.revision).toMatch(/^[0-9a-f]{40}$/);
      expect(gguf.file).toMatch(new RegExp(`-${gguf.quantisation}\\.gguf$`));
      // Bits for each weight of these two ways to write them, embeddings included.
      const bits = (gguf.bytes * 8) / (model.parameters.total * 1e9);
      const [least, most] = gguf.quantisation === 'Q4_K_M' ? [4.7, 5.4] : [8.2, 8.8];
      expect(bits).toBeGreaterThan(least!);
      expect(bits).toBeLessThan(most!);
    },
  );

  test('no two files share a hash', () => {
    expect(new Set(files.map(({ gguf }) => gguf.sha256)).size).toBe(files.length);
  });
});

describe('finding', () => {
  test('a model, or what was meant', () => {
    expect(findModel('demo').title).toMatch(/Demo/);
    expect(() => findModel('deepseek-r1-distil-qwen-7b')).toThrow(
      expect.objectContaining({
        id: 'model.unknown',
        exit: 'usage',
        hint: expect.objectContaining({ en: 'Did you mean deepseek-r1-distill-qwen-7b?' }),
      }),
    );
    expect(() => findModel('gpt-4')).toThrow(
      expect.objectContaining({ hint: expect.objectContaining({ en: expect.stringMatching(/^Known are: demo, /) }) }),
    );
  });

  test('a file of it, the first unless another is asked for', () => {
    const model = findModel('deepseek-r1-distill-qwen-1.5b');
    expect(chooseGguf(model).quantisation).toBe('Q4_K_M');
    expect(chooseGguf(model, 'Q8_0').bytes).toBe(1_894_532_416);
    expect(() => chooseGguf(model, 'Q2_K')).toThrow(expect.objectContaining({ id: 'model.quantisation' }));
    expect(() => chooseGguf(findModel('deepseek-v4-pro'))).toThrow(expect.objectContaining({ id: 'model.no-gguf' }));
  });
});

describe('addresses', () => {
  const gguf = chooseGguf(findModel('deepseek-r1-distill-qwen-7b'));
  const path = 'unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF/resolve';
  const file = 'DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf';
  const hf = `${path}/097680e4eed7a83b3df6b0bb5e5134099cadf1b0/${file}`;

  test.each([
    ['huggingface', {}, `https://huggingface.co/${hf}`],
    ['huggingface', { HF_ENDPOINT: 'https://hub.example:9527/' }, `https://hub.example:9527/${hf}`],
    ['https://mirror.example/hf/', { HF_ENDPOINT: 'https://hub.example' }, `https://mirror.example/hf/${hf}`],
    [
      'modelscope',
      { HF_ENDPOINT: 'https://hub.example' },
      `https://modelscope.cn/models/${path}/e11beec1cba0ea15a9ad4ab9615e0561ce09fbfe/${file}`,
    ],
  ])('on %s with %j', (hub, env, url) => {
    expect(fileUrl(gguf, hub, env)).toBe(url);
  });

  test('where a hub is not known to have it, that is said', () => {
    const other = chooseGguf(findModel('deepseek-r1-distill-qwen-14b'));
    expect(() => fileUrl(other, 'modelscope', {})).toThrow(
      expect.objectContaining({ id: 'model.not-on-hub', exit: 'usage' }),
    );
  });

  test('the token goes to the hub it is for', () => {
    const env = { HF_TOKEN: 'hf_x' };
    expect(tokenFor('https://huggingface.co/a/b', env)).toBe('hf_x');
    expect(tokenFor('https://huggingface.co.evil.example/a', env)).toBeUndefined();
    expect(tokenFor('http://huggingface.co/a', env)).toBeUndefined();
    expect(tokenFor('https://modelscope.cn/models/a', env)).toBeUndefined();
    expect(tokenFor('https://mirror.example/a', { ...env, HF_ENDPOINT: 'https://mirror.example' })).toBe('hf_x');
    expect(tokenFor('https://huggingface.co/a', {})).toBeUndefined();
  });
});

describe('what a machine can serve', () => {
  const load = { contextSize: 4096, sequences: 4 };
  const fitting = (memoryBytes: number) =>
    servable(catalogue, { memoryBytes }, load)
      .filter(({ fits }) => fits)
      .map(({ model }) => model.id);

  test('depends on its memory', () => {
    expect(fitting(1e9)).toEqual(['demo']);
    expect(fitting(4e9)).toEqual(['demo', 'deepseek-r1-distill-qwen-1.5b']);
    expect(fitting(8e9)).toEqual([
      'demo',
      'deepseek-r1-distill-qwen-1.5b',
      'deepseek-r1-distill-qwen-7b',
      'deepseek-r1-distill-llama-8b',
    ]);
    expect(fitting(1e12)).toEqual(catalogue.filter(({ engines }) => engines.includes('embedded')).map(({ id }) => id));
  });

  test('has its reason', () => {
    const why = new Map(
      servable(catalogue, { memoryBytes: 4e9 }, load).map(({ model, why: { en } }) => [model.id, en]),
    );
    expect(why.get('deepseek-r1-distill-qwen-1.5b')).toBe('2.23 GB of memory; 1.12 GB to download');
    expect(why.get('deepseek-r1-distill-qwen-7b')).toBe('needs 6.26 GB of memory; here are 4.00 GB');
    expect(why.get('deepseek-v4-pro')).toBe('needs GPUs: 8x H200, or 8x B200, or 8x B300, or 16x H200');
  });

  test('grows with context and sequences', () => {
    const gguf = chooseGguf(findModel('deepseek-r1-distill-qwen-1.5b'));
    const least = memoryNeed(gguf, 28_672, { contextSize: 4096, sequences: 1 });
    expect(memoryNeed(gguf, 28_672, { contextSize: 4096, sequences: 3 }) - least).toBe(2 * 4096 * 28_672);
  });
});

describe('progress', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [25_140_000, '25.1 MB'],
    [412_000_000, '412 MB'],
    [1_117_321_312, '1.12 GB'],
    [865e9, '865 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });

  test.each([
    [0, '0:00'],
    [27.2, '0:28'],
    [3725, '1:02:05'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(timeText(seconds)).toBe(text);
  });

  test('is told at most five times a second, and always at the end', () => {
    let now = 0;
    const told: Progress[] = [];
    const meter = new Meter(
      'fetch',
      1000,
      11_000,
      () => now,
      (progress) => told.push(progress),
    );
    for (let i = 0; i < 100; i++) {
      now += 10;
      meter.add(100);
    }
    expect(told.map(({ doneBytes }) => doneBytes)).toEqual([1000, 3000, 5000, 7000, 9000, 11_000]);
    expect(told.at(-1)).toMatchObject({ bytesPerSecond: 10_000, secondsLeft: 0 });
    expect(progressText(told[2]!)).toEqual({
      en: '5.00 kB of 11.0 kB, 10.0 kB/s, 0:01 left',
      zh: '5.00 kB / 11.0 kB，10.0 kB/s，剩余 0:01',
    });
    expect(progressText({ ...told[0]!, phase: 'verify' }).zh).toBe('校验中：1.00 kB / 11.0 kB');
  });
});
