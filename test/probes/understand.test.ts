/** Whatever is pasted: nothing throws, nothing that is whole changes its meaning, and a cut never makes a figure. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/checks/gpu.js';
import type { Gpu } from '../../src/probes/gpu.js';
import { decoded } from '../../src/probes/paste.js';
import { understand } from '../../src/probes/understand.js';

const folder = join(import.meta.dirname, '../recordings');
const names = readdirSync(folder)
  .filter((name) => name !== 'nodes')
  .sort();
const texts = new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
const recording = fc.constantFrom(...names);

const look = (text: string) => {
  const found = understand(text);
  return found && { ...found, all: diagnose(found) };
};

describe('what a paste goes through', () => {
  const ways: readonly (readonly [string, (text: string) => string])[] = [
    ['Windows line ends and a BOM', (text) => `\ufeff${text.replaceAll('\n', '\r\n')}`],
    ['trailing blanks', (text) => text.replaceAll('\n', '   \n')],
    ['a fence', (text) => `\`\`\`text\n${text}\n\`\`\`\n`],
    ['an indented block', (text) => text.replace(/^(?=.)/gm, '    ')],
    ['a quotation', (text) => text.replace(/^/gm, '> ')],
    ['colours', (text) => text.replace(/^(.*\S.*)$/m, '\u001b[1;32m$1\u001b[0m')],
    ['blank lines around', (text) => `\n\n\n${text}\n\n\n`],
    ['a prompt before', (text) => `user@box:~$ nvidia-smi -q\n${text}`],
    ['words around', (text) => `Hello, here it is:\n\n${text}\n\nThanks in advance.\n`],
  ];
  describe.each(ways)('%s', (_, change) => {
    it.each(names.filter((name) => !/-cut\.|\.md$/.test(name)))('%s', (name) => {
      const plain = look(texts.get(name)!)!;
      expect(look(change(texts.get(name)!))).toEqual(plain);
    });
  });

  it('PowerShell writes UTF-16', () => {
    const text = texts.get('table-610-windows.txt')!;
    const little = Buffer.from(`\ufeff${text}`, 'utf16le');
    expect(decoded(little)?.replace(/^\ufeff/, '')).toBe(text);
    expect(decoded(little.subarray(2))).toBe(text);
    expect(decoded(Buffer.from(little).swap16())?.replace(/^\ufeff/, '')).toBe(text);
    expect(decoded(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 1, 0, 0, 0, 5, 6]))).toBeUndefined();
  });
});

describe('properties', () => {
  it('no text makes it throw', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      recording.chain((name) => fc.integer({ min: 0, max: 6000 }).map((at) => texts.get(name)!.slice(at, at + 400))),
      fc.constantFrom(
        '<gpu id="',
        '| NVIDIA-SMI 580.1 |',
        'GPU0 GPU1',
        '|   0  x  On | 00:00.0 |',
        'index, name',
        '# gpu',
        ',,,,',
        '[',
        '\u001b[',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.constantFrom('', '\n', '\t', ' '), (parts, glue) => {
        look(parts.join(glue));
      }),
      { numRuns: 400 },
    );
  });

  it('letters that change here and there do not either', () => {
    const mutated = fc
      .tuple(recording, fc.array(fc.tuple(fc.nat(8000), fc.string({ maxLength: 3 })), { maxLength: 20 }))
      .map(([name, edits]) => {
        let text = texts.get(name)!;
        for (const [at, put] of edits)
          text = text.slice(0, at % text.length) + put + text.slice((at % text.length) + put.length);
        return text;
      });
    fc.assert(
      fc.property(mutated, (text) => void look(text)),
      { numRuns: 300 },
    );
  });

  const figures = (gpu: Gpu): Record<string, unknown> => ({
    total: gpu.memory?.totalMiB,
    used: gpu.memory?.usedMiB,
    free: gpu.memory?.freeMiB,
    temperature: gpu.temperature?.gpu,
    draw: gpu.power?.draw,
    limit: gpu.power?.limit,
    load: gpu.utilization?.gpu,
  });

  it('an output that stops anywhere says less, never something else', () => {
    const whole = names.filter((name) => /^(q-|table-|q-x-)/.test(name) && !/-cut\./.test(name));
    fc.assert(
      fc.property(fc.constantFrom(...whole), fc.double({ min: 0, max: 1, noNaN: true }), (name, share) => {
        const text = texts.get(name)!;
        const all = look(text)!.picture;
        const part = look(text.slice(0, Math.floor(text.length * share)))?.picture;
        for (const gpu of part?.gpus ?? []) {
          const same = all.gpus.find((one) => one.busId === gpu.busId) ?? {};
          for (const [figure, value] of Object.entries(figures(gpu))) {
            if (value !== undefined) expect(value, `${figure} in ${name} cut at ${share}`).toBe(figures(same)[figure]);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('two outputs of one machine in either order add up to the same GPUs', () => {
    const parts = ['table-580-h200-mig.txt', 'list-mig.txt'].map((name) => texts.get(name)!);
    const [forth, back] = [parts.join('\n'), parts.toReversed().join('\n')].map((text) => look(text)!.picture);
    const sorted = (gpus: readonly Gpu[]) =>
      gpus.map(({ mig, ...gpu }) => [gpu, mig?.instances?.toSorted((a, b) => a.index! - b.index!)]);
    expect(sorted(back!.gpus)).toEqual(sorted(forth!.gpus));
  });

  it('large pastes stay quick', () => {
    const text = Array.from({ length: 60 }, () => [...texts.values()].join('\n')).join('\n');
    expect(text.length).toBeGreaterThan(4e6);
    const began = performance.now();
    look(text);
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});
