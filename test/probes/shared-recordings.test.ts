/** Every recording of the shared folder, with what its text says: checked by eye once, held here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/checks/gpu.js';
import type { Gpu } from '../../src/probes/gpu.js';
import { deviceNames } from '../../src/probes/gpu-names.js';
import { understand } from '../../src/probes/understand.js';

const shared = process.env.DEEPSEEK_DEPLOY_SHARED ?? join(import.meta.dirname, '../../../shared');
const folder = join(shared, 'data/nvidia-smi');
const present = existsSync(folder);

/** file, forms, driver, CUDA, GPUs, name, memory in MiB, ids of the faults */
const expected = readFileSync(join(import.meta.dirname, 'shared-recordings.tsv'), 'utf8')
  .replace(/\n$/, '')
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t'));

const read = (file: string) => {
  const found = understand(readFileSync(join(folder, file), 'utf8'));
  if (!found) throw new Error(`${file} was not understood`);
  return found;
};

describe.skipIf(!present)('the shared recordings', () => {
  it('are all named here', () => {
    const files = readdirSync(folder).filter((file) => file !== 'index.md');
    expect(expected.map(([file]) => file)).toEqual(files.sort());
  });

  it.each(expected)('%s', (file, ...wanted) => {
    const { forms, picture, troubles, cut } = read(file!);
    const faults = diagnose({ forms, picture, troubles, cut }).filter(({ severity }) => severity === 'fault');
    const all = (of: (gpu: Gpu) => unknown): string =>
      [...new Set(picture.gpus.map((gpu) => of(gpu) ?? ''))].join(' | ');
    expect([
      forms.join('+'),
      picture.driver ?? '',
      `${picture.cuda ?? ''}${picture.cudaDerived ? ' by branch' : ''}`,
      String(picture.gpus.length),
      all((gpu) => gpu.name),
      all((gpu) => gpu.memory?.totalMiB),
      faults.map(({ id }) => id).join(' '),
    ]).toEqual(wanted);
  });

  it('a page about the recordings is none', () => {
    expect(understand(readFileSync(join(folder, 'index.md'), 'utf8'))).toBeUndefined();
  });
});

/** Machines of which several forms were taken within the same seconds. */
const machines = [
  'geforce-rtx-2080-super__595.71.05',
  'geforce-rtx-4080-super__595.71.05',
  'h100-80gb-hbm3__590.48.01',
  'h100-mig__590.48.01',
  'h200__590.48.01',
  'l40s__595.80',
];

describe.skipIf(!present)('one machine in all its forms', () => {
  it.each(machines)('%s', (machine) => {
    const forms = ['table-idle.txt', 'q-idle.txt', 'querygpu-all-fields-idle.csv'].map((form) =>
      read(`${machine}__${form}`),
    );
    const [table, text, csv] = forms.map(({ picture }) => picture);
    for (const picture of [table!, text!, csv!]) {
      expect(picture.driver).toBe(text!.driver);
      expect(picture.cuda).toBe(text!.cuda);
      const [gpu, whole] = [picture.gpus[0]!, text!.gpus[0]!];
      expect(gpu.nameCut ? whole.name!.startsWith(gpu.name!) : gpu.name === whole.name).toBe(true);
      for (const field of [
        'index',
        'busId',
        'persistence',
        'computeMode',
        'architecture',
        'computeCapability',
      ] as const) {
        expect(gpu[field], `${field} of ${machine}`).toEqual(whole[field]);
      }
      expect(gpu.memory?.totalMiB).toBe(whole.memory!.totalMiB);
      expect(gpu.mig?.mode).toBe(whole.mig?.mode);
      expect(gpu.power?.limit).toBe(whole.power!.limit);
      expect(Math.abs(gpu.temperature!.gpu! - whole.temperature!.gpu!)).toBeLessThanOrEqual(2);
    }
    // What only the long forms print, they print alike.
    const [a, b] = [text!.gpus[0]!, csv!.gpus[0]!];
    for (const field of ['uuid', 'retiredPages', 'pcie', 'fabric', 'recoveryAction', 'driverModel'] as const) {
      expect(b[field], `${field} of ${machine}`).toEqual(a[field]);
    }
    for (const field of ['mode', 'pending', 'volatile', 'aggregate'] as const) {
      expect(b.ecc?.[field], `ecc ${field} of ${machine}`).toEqual(a.ecc?.[field]);
    }
  });

  it('the tables, the list and the links of a machine add up to one GPU', () => {
    const parts = [
      'table-load.txt',
      'L.txt',
      'q-idle.txt',
      'topo-m.txt',
      'nvlink-s.txt',
      'compute-apps-load.csv',
      'pmon-load.txt',
      'dmon-load.txt',
    ];
    const text = parts.map((part) => readFileSync(join(folder, `h100-mig__590.48.01__${part}`), 'utf8')).join('\n');
    const { picture } = understand(text)!;
    expect(picture.gpus).toHaveLength(1);
    const instances = picture.gpus[0]!.mig!.instances!;
    expect(instances.map(({ profile, gpuInstance, memory }) => [profile, gpuInstance, memory!.totalMiB])).toEqual([
      ['3g.40gb', 2, 40448],
      ['2g.20gb', 3, 20096],
      ['1g.10gb', 9, 9984],
      ['1g.10gb', 10, 9984],
    ]);
    expect(instances.every(({ uuid }) => uuid?.startsWith('MIG-'))).toBe(true);
  });
});

describe.skipIf(!existsSync(join(shared, 'data/gpu-pci-ids-595.45.04.tsv')))('names by PCI id', () => {
  it('agree with the list of the driver', () => {
    const lines = readFileSync(join(shared, 'data/gpu-pci-ids-595.45.04.tsv'), 'utf8').trim().split('\n');
    const names = new Map<string, Set<string>>();
    for (const line of lines) {
      const [ids, name] = line.split('\t') as [string, string];
      const id = ids.split(' ')[0]!;
      names.set(id, (names.get(id) ?? new Set()).add(name));
    }
    const known = Object.entries(deviceNames).filter(([id]) => names.has(id));
    expect(known.length).toBeGreaterThan(40);
    for (const [id, name] of known) expect([...names.get(id)!], id).toContain(name);
  });
});
