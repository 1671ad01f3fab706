import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/checks/gpu.js';
import type { Evidence } from '../../src/checks/gpu-diagnosis.js';
import type { Gpu } from '../../src/probes/gpu.js';

const found = (gpus: readonly Gpu[], more: Partial<Evidence> = {}) =>
  diagnose({ picture: { gpus, ...more.picture }, troubles: [], forms: ['q'], cut: [], ...more });
const of = (gpu: Gpu, severity = 'fault') =>
  found([{ index: 0, ...gpu }])
    .filter((one) => one.severity === severity)
    .map(({ id }) => id);

describe('what the figures say', () => {
  it.each<[string, Gpu, string[]]>([
    ['all unknown', {}, []],
    ['volatile errors', { ecc: { volatile: { uncorrected: 1 } } }, ['gpu.ecc']],
    ['corrected errors', { ecc: { volatile: { corrected: 9000 } } }, []],
    ['errors of its life', { ecc: { aggregate: { uncorrected: 7 } }, remappedRows: { uncorrectable: 7 } }, []],
    ['a row to remap', { remappedRows: { pending: true } }, ['gpu.ecc']],
    ['a row that could not', { remappedRows: { failure: true } }, ['gpu.ecc']],
    ['59 pages retired', { retiredPages: { singleBit: 50, doubleBit: 9 } }, []],
    ['60 pages retired', { retiredPages: { singleBit: 51, doubleBit: 9 } }, ['gpu.ecc']],
    ['SRAM over the limit', { ecc: { sramThresholdExceeded: true } }, ['gpu.ecc']],
    ['a repair to come', { ecc: { repairPending: true } }, ['gpu.ecc']],
    ['memory beyond repair', { ecc: { unrepairable: true } }, ['gpu.ecc']],
    ['fabric done', { fabric: { state: 'Completed', status: 'Success', health: { summary: 'Healthy' } } }, []],
    ['fabric not begun', { fabric: { state: 'Not Started' } }, ['gpu.fabric']],
    ['fabric failed', { fabric: { state: 'Completed', status: 'Unknown Failure' } }, ['gpu.fabric']],
    [
      'fabric degraded',
      { fabric: { state: 'Completed', status: 'Success', health: { bandwidth: 'Degraded' } } },
      ['gpu.fabric'],
    ],
    [
      'fabric misconfigured',
      { fabric: { health: { incorrectconfiguration: 'Insufficient resources' } } },
      ['gpu.fabric'],
    ],
    ['fabric recovering', { fabric: { health: { routerecoveryinprogress: 'True' } } }, ['gpu.fabric']],
    ['links down on a baseboard', { name: 'NVIDIA H100 80GB HBM3', nvlink: { allInactive: true } }, ['gpu.nvlink']],
    ['links down on a card', { name: 'NVIDIA H100 NVL', nvlink: { allInactive: true } }, []],
    ['links down on a gaming card', { name: 'NVIDIA GeForce RTX 2080', nvlink: { allInactive: true } }, []],
    ['no links', { name: 'NVIDIA L40S', nvlink: { supported: false } }, []],
    ['told to reset', { recoveryAction: 'Drain and Reset' }, ['gpu.reset-needed']],
    ['nothing to recover', { recoveryAction: 'None', resetRequired: false, drainRecommended: false }, []],
    ['one sensor', { unreadable: { fan: 'ERR!' } }, ['gpu.unreadable']],
    ['three figures', { unreadable: { fan: 'ERR!', temperature: 'ERR!', powerDraw: 'ERR!' } }, ['gpu.lost']],
    ['its name', { unreadable: { name: 'Unknown Error' } }, ['gpu.lost']],
    ['infoROM', { inforomValid: false }, ['gpu.inforom']],
    ['MIG', { mig: { mode: true, instances: [] } }, []],
    ['busy', { processes: [{ pid: 1, type: 'C' }], utilization: { gpu: 100 } }, []],
    ['slow', { clockLimits: ['HW Thermal Slowdown'] }, []],
  ])('%s', (_, gpu, ids) => {
    expect(of(gpu)).toEqual(ids);
  });

  it('what slows is a warning, what is usual is nothing', () => {
    expect(of({ clockLimits: ['HW Power Brake Slowdown'] }, 'warning')).toEqual(['gpu.throttled']);
    expect(of({ clockLimits: ['SW Power Cap'] }, 'warning')).toEqual([]);
    expect(of({ computeMode: 'Prohibited' }, 'warning')).toEqual(['gpu.compute-mode']);
    expect(of({ license: 'Licensed (Expiry: 2027-1-1)' }, 'warning')).toEqual([]);
  });

  it('a lone GPU has nobody to link to', () => {
    const gpu: Gpu = { index: 0, name: 'NVIDIA A100-SXM4-80GB', nvlink: { allInactive: true } };
    expect(found([gpu], { picture: { gpus: [gpu], attached: 1 } })).toEqual([]);
    expect(found([gpu], { picture: { gpus: [gpu], attached: 8 } })[0]!.id).toBe('gpu.nvlink');
  });
});

describe('how it is said', () => {
  const pending: Gpu = { remappedRows: { pending: true } };
  it('GPUs with one fault are named together, runs as runs', () => {
    const gpus = [0, 1, 2, 5].map((index): Gpu => ({ index, ...pending }));
    const [fault] = found([...gpus, { index: 6, ecc: { volatile: { uncorrected: 2 } } }]);
    expect(fault!.parts!.map(({ en }) => en)).toEqual([
      'GPU 0-2, 5: a memory row waits to be remapped: reset it',
      'GPU 6: 2 uncorrected memory errors since the driver was loaded',
    ]);
    expect(fault!.gpus).toHaveLength(5);
  });

  it('by their place where they have no number', () => {
    expect(found([{ busId: '00000000:3B:00.0', ...pending }])[0]!.found.en).toMatch(/^GPU 0000:3B:00\.0: /);
    expect(found([pending])[0]!.found.en).toMatch(/^GPU: /);
  });

  it('faults stand before warnings and notes', () => {
    const all = found([
      { index: 0, ...pending, clockLimits: ['HW Slowdown'], mig: { mode: true }, persistence: false },
    ]);
    expect(all.map(({ id }) => id)).toEqual(['gpu.ecc', 'gpu.throttled', 'gpu.mig', 'gpu.persistence']);
  });

  it('what follows from a fault is not said beside it', () => {
    const troubles = ['gpu.init', 'gpu.none', 'gpu.hung'].map((id) => ({ id, says: id }));
    expect(found([], { troubles, cut: ['q'] }).map(({ id }) => id)).toEqual(['gpu.init', 'gpu.hung']);
  });

  it('a question that nvidia-smi did not understand is no fault of GPUs that answer', () => {
    const troubles = [{ id: 'gpu.bad-query', says: 'x' }];
    expect(found([], { troubles })[0]!.severity).toBe('fault');
    expect(found([{ index: 0 }], { picture: { gpus: [{ index: 0 }] }, troubles })[0]!.severity).toBe('note');
  });

  it('every text is a pair', () => {
    const all = found(
      [
        {
          index: 0,
          ...pending,
          fabric: { state: 'In Progress' },
          inforomValid: false,
          unreadable: { fan: 'ERR!' },
          persistence: false,
        },
      ],
      { cut: ['q'] },
    );
    for (const { found: text, cure } of all)
      for (const words of [text, cure]) expect([words.en, words.zh].every(Boolean)).toBe(true);
    for (const { found: text } of all) expect(text.zh).toMatch(/[\u4e00-\u9fff]/);
  });
});
