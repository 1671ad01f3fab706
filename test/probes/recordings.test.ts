/** Our own recordings, one for each form and each of its changes over the years: invented machines, real shapes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/checks/gpu.js';
import { understand } from '../../src/probes/understand.js';

const folder = join(import.meta.dirname, '../recordings');

const read = (file: string) => {
  const found = understand(readFileSync(join(folder, file), 'utf8'));
  if (!found) throw new Error(`${file} was not understood`);
  const all = diagnose(found);
  const of = (wanted: string) => all.filter(({ severity }) => severity === wanted).map(({ id }) => id);
  return { ...found, all, faults: of('fault'), warnings: of('warning'), notes: of('note') };
};

describe('each form is recognised by its content', () => {
  const forms: Readonly<Record<string, string>> = {
    'compute-apps.csv': 'query-compute-apps',
    'dmesg-xid.txt': 'kernel-log+error',
    'dmon.txt': 'dmon',
    'help.txt': 'help-query-gpu',
    'list-mig.txt': 'L',
    'lspci.txt': 'lspci+error',
    'mig-lci.txt': 'mig-lci',
    'mig-lgi.txt': 'mig-lgi',
    'mig-lgip.txt': 'mig-lgip',
    'nvlink-none.txt': 'nvlink',
    'nvlink-one-down.txt': 'nvlink',
    'pasted-in-an-issue.md': 'L+topo+query-gpu+table',
    'pmon.txt': 'pmon',
    'q-470-v100.txt': 'q',
    'q-610.txt': 'q',
    'q-d-fabric.txt': 'q',
    'q-vgpu.txt': 'q',
    'q-x-610.xml': 'q-x',
    'q-x-asked-for-one.xml': 'q-x',
    'q-x-b300-lost.xml': 'q-x',
    'q-x-cut.xml': 'q-x',
    'q-x-gb300-fabric.xml': 'q-x',
    'q-x-h100-no-fabric-manager.xml': 'q-x',
    'q-x-h200-mig.xml': 'q-x',
    'q-x-h200-x2.xml': 'q-x',
    'q-x-v100-384.xml': 'q-x',
    'query-gpu-guess.csv': 'query-gpu',
    'query-gpu-half-dead.csv': 'query-gpu+error',
    'query-gpu-noheader.csv': 'query-gpu',
    'query-gpu-nounits.csv': 'query-gpu',
    'query-gpu-reset.csv': 'query-gpu',
    'query-gpu.csv': 'query-gpu',
    'table-384-v100.txt': 'table',
    'table-470-one-dead.txt': 'table',
    'table-535-4090.txt': 'table',
    'table-540-orin.txt': 'table',
    'table-580-h200-mig.txt': 'table',
    'table-610-windows.txt': 'table',
    'table-615-wsl.txt': 'table',
    'table-cut.txt': 'table',
    'topo-colours.txt': 'topo',
    'topo-old-nics.txt': 'topo',
    'version-610.txt': 'version',
  };
  it('no file is left out', () => {
    expect(Object.keys(forms)).toEqual(
      readdirSync(folder)
        .filter((name) => name !== 'nodes')
        .sort(),
    );
  });
  it.each(Object.entries(forms))('%s', (file, form) => {
    expect(read(file).forms.join('+')).toBe(form);
  });
});

describe('healthy machines', () => {
  it.each([
    'q-x-h200-x2.xml',
    'q-x-610.xml',
    'q-x-h200-mig.xml',
    'q-x-asked-for-one.xml',
    'q-610.txt',
    'q-470-v100.txt',
    'q-vgpu.txt',
    'table-535-4090.txt',
    'table-540-orin.txt',
    'table-580-h200-mig.txt',
    'table-610-windows.txt',
    'table-615-wsl.txt',
    'topo-colours.txt',
    'topo-old-nics.txt',
    'nvlink-none.txt',
    'list-mig.txt',
    'query-gpu.csv',
    'compute-apps.csv',
    'dmon.txt',
    'pmon.txt',
    'pasted-in-an-issue.md',
    'help.txt',
  ])('%s has no fault', (file) => {
    expect(read(file).faults).toEqual([]);
  });

  it('an XML of two GPUs gives every field', () => {
    const { picture } = read('q-x-h200-x2.xml');
    expect(picture).toMatchObject({ driver: '580.95.05', cuda: '13.0', attached: 2 });
    expect(picture.gpus[1]).toEqual({
      index: 1,
      uuid: 'GPU-7f3a0002-1b2c-4d5e-8f90-0a1b2c3d4e02',
      busId: '00000000:1B:00.0',
      name: 'NVIDIA H200',
      brand: 'NVIDIA',
      architecture: 'Hopper',
      computeCapability: '9.0',
      derived: ['computeCapability'],
      memory: { totalMiB: 143771, usedMiB: 1300, freeMiB: 141971, reservedMiB: 500 },
      utilization: { gpu: 35, memory: 0 },
      temperature: { gpu: 30, memory: 40 },
      power: { draw: 90.5, limit: 700 },
      performanceState: 'P0',
      ecc: {
        mode: true,
        pending: true,
        volatile: { corrected: 0, uncorrected: 0 },
        aggregate: { corrected: 0, uncorrected: 0 },
        sramThresholdExceeded: false,
      },
      remappedRows: { correctable: 0, uncorrectable: 0, pending: false, failure: false },
      mig: { mode: false, pending: false },
      persistence: true,
      computeMode: 'Default',
      virtualization: 'None',
      pcie: { generation: 5, generationMax: 5, width: 16, widthMax: 16 },
      fabric: {
        state: 'Completed',
        status: 'Success',
        clique: '0',
        cluster: '00000000-0000-0000-0000-000000000000',
        health: { summary: 'Healthy', bandwidth: 'Full', routeunhealthy: 'False', incorrectconfiguration: 'None' },
      },
      clockLimits: [],
      recoveryAction: 'None',
      processes: [{ pid: 4711, type: 'C', name: 'python3', memoryMiB: 1200 }],
    });
  });

  it('what a form does not say is absent, never 0', () => {
    const [gpu] = read('query-gpu-nounits.csv').picture.gpus;
    expect(gpu).toEqual({
      name: 'Tesla T4',
      memory: { totalMiB: 15360, usedMiB: 0 },
      architecture: 'Turing',
      computeCapability: '7.5',
      derived: ['architecture', 'computeCapability'],
    });
    expect(read('topo-old-nics.txt').picture.gpus).toEqual([{ index: 0 }, { index: 1 }]);
  });

  it('a GPU within the processor has no bus and no memory of its own', () => {
    expect(read('table-540-orin.txt').picture).toEqual({
      driver: '540.4.0',
      cuda: '12.6',
      gpus: [
        {
          index: 0,
          name: 'Orin (nvgpu)',
          memory: { unified: true },
          architecture: 'Ampere',
          computeCapability: '8.7',
          derived: ['architecture', 'computeCapability'],
        },
      ],
    });
  });

  it('the kernel driver counts, not the WSL tool beside it', () => {
    expect(read('table-615-wsl.txt').picture).toMatchObject({ driver: '616.92', cuda: '13.4' });
    expect(read('version-610.txt').picture).toMatchObject({ driver: '610.57.04', library: '610.57', cuda: '13.3' });
    expect(read('q-610.txt').picture).toMatchObject({ driver: '610.57.04', cuda: '13.3' });
    expect(read('q-x-610.xml').picture).toMatchObject({ driver: '610.57.04', cuda: '13.3' });
  });

  it('the CUDA of a driver that prints none comes from its branch, and says so', () => {
    expect(read('table-384-v100.txt').picture).toMatchObject({ cuda: '9.0', cudaDerived: true });
    expect(read('query-gpu.csv').picture).toMatchObject({ driver: '550.127.08', cuda: '12.4', cudaDerived: true });
    expect(read('q-610.txt').picture.cudaDerived).toBeUndefined();
  });

  it('with -i the numbers of the GPUs are not known', () => {
    const { picture, notes } = read('q-x-asked-for-one.xml');
    expect(picture).toMatchObject({ attached: 4, gpus: [{ name: 'NVIDIA A100 80GB PCIe' }] });
    expect(picture.gpus[0]!.index).toBeUndefined();
    expect(notes).toEqual(['gpu.partial']);
  });

  it('tables: states, models, processes of every width', () => {
    const [old] = read('table-384-v100.txt').picture.gpus;
    expect(old).toMatchObject({
      name: 'Tesla V100-SXM2',
      nameCut: true,
      persistence: true,
      power: { draw: 43, limit: 300 },
    });
    expect(old!.processes).toEqual([{ pid: 1234, type: 'C', name: 'python3', memoryMiB: 10 }]);
    const [windows] = read('table-610-windows.txt').picture.gpus;
    expect(windows).toMatchObject({ driverModel: 'TCC', fan: 30, ecc: { mode: false } });
    expect(windows!.persistence).toBeUndefined();
    expect(windows!.processes!.map(({ name, memoryMiB }) => [name, memoryMiB])).toEqual([
      ['dwm.exe', undefined],
      ['NVIDIA Overlay.exe', undefined],
    ]);
    const [gaming] = read('table-535-4090.txt').picture.gpus;
    expect(gaming!.processes!.map(({ type, name }) => `${type} ${name}`)).toEqual([
      'G Xorg',
      'C+G ...seed-version',
      'C python3',
    ]);
  });

  it('MIG: instances of one GPU instance keep apart, and lists add to tables', () => {
    const text = ['table-580-h200-mig.txt', 'list-mig.txt', 'mig-lci.txt'].map((file) =>
      readFileSync(join(folder, file), 'utf8'),
    );
    const { picture } = understand(text.join('\n'))!;
    expect(picture.gpus).toHaveLength(1);
    expect(picture.gpus[0]!.mig!.instances).toEqual([
      {
        index: 0,
        gpuInstance: 2,
        computeInstance: 0,
        multiprocessors: 16,
        profile: '1c.3g.71gb',
        uuid: 'MIG-aa5e0008-1b2c-5d5e-8f90-0a1b2c3d4e08',
        memory: { usedMiB: 22, totalMiB: 71424 },
      },
      {
        index: 1,
        gpuInstance: 2,
        computeInstance: 1,
        multiprocessors: 32,
        profile: '2c.3g.71gb',
        uuid: 'MIG-aa5e0009-1b2c-5d5e-8f90-0a1b2c3d4e09',
        memory: { usedMiB: 22, totalMiB: 71424 },
      },
    ]);
    const xml = read('q-x-h200-mig.xml').picture.gpus[0]!;
    expect(xml.mig).toMatchObject({
      mode: true,
      instances: [{ gpuInstance: 1, multiprocessors: 60 }, { gpuInstance: 2 }],
    });
    expect(xml.utilization).toEqual({ memory: 0 });
  });

  it('the matrix: links, affinities that are empty, names of NICs', () => {
    expect(read('topo-colours.txt').picture.topology).toEqual({
      devices: ['GPU0', 'GPU1', 'NIC0'],
      links: {
        GPU0: { GPU0: 'X', GPU1: 'PHB', NIC0: 'PIX' },
        GPU1: { GPU0: 'PHB', GPU1: 'X', NIC0: 'SYS' },
        NIC0: { GPU0: 'PIX', GPU1: 'SYS', NIC0: 'X' },
      },
      cpuAffinity: { GPU1: '0-23,96-119' },
      numaAffinity: { GPU0: '0-1' },
      nics: { NIC0: 'mlx5_0' },
    });
  });

  it('a monitor that ran for a while tells its last sample', () => {
    expect(read('dmon.txt').picture.gpus).toEqual([
      { index: 0, power: { draw: 650 }, temperature: { gpu: 60, memory: 70 }, utilization: { gpu: 100, memory: 40 } },
      { index: 1, power: { draw: 73 }, temperature: { gpu: 34 }, utilization: { gpu: 0, memory: 0 } },
    ]);
    expect(read('pmon.txt').picture.gpus).toEqual([
      { index: 0, processes: [{ pid: 4711, type: 'C', name: 'python3' }] },
      { index: 1, processes: [] },
    ]);
  });

  it('rows without a heading: the usual question whole, others as far as the cells speak', () => {
    const [usual] = read('query-gpu-noheader.csv').picture.gpus;
    expect(usual).toMatchObject({
      index: 0,
      name: 'NVIDIA L20',
      memory: { totalMiB: 46068, reservedMiB: 500, usedMiB: 4, freeMiB: 45564 },
      power: { draw: 35.2, limit: 275 },
      pcie: { generationMax: 4, width: 16 },
    });
    const guessed = read('query-gpu-guess.csv').picture.gpus.map(({ name, memory }) => [name, memory]);
    expect(guessed).toEqual([
      ['NVIDIA A30', { totalMiB: 24576 }],
      ['NVIDIA A30', { totalMiB: 24576 }],
    ]);
  });

  it('a vGPU without a license is warned about', () => {
    expect(read('q-vgpu.txt')).toMatchObject({
      warnings: ['gpu.license'],
      picture: { gpus: [{ virtualization: 'VGPU' }] },
    });
  });
});

describe('faults', () => {
  it.each([
    ['q-x-b300-lost.xml', 'gpu.lost', [1]],
    ['q-x-gb300-fabric.xml', 'gpu.fabric', [1]],
    ['q-x-h100-no-fabric-manager.xml', 'gpu.fabric', [0, 1]],
    ['q-d-fabric.txt', 'gpu.fabric', [1]],
    ['q-x-v100-384.xml', 'gpu.ecc', [0]],
    ['table-384-v100.txt', 'gpu.ecc', [1]],
    ['table-470-one-dead.txt', 'gpu.lost', [1]],
    ['nvlink-one-down.txt', 'gpu.nvlink', [0]],
    ['query-gpu-reset.csv', 'gpu.reset-needed', [0]],
  ])('%s: %s of %j', (file, id, gpus) => {
    const { faults, all, picture } = read(file);
    expect(faults).toEqual([id]);
    expect(all[0]!.gpus!.map(({ index }) => index)).toEqual(gpus);
    // The living are in the picture all the same.
    expect(picture.gpus.length).toBeGreaterThanOrEqual(gpus.length);
  });

  it('a dead GPU leaves no figures behind', () => {
    const [, dead] = read('table-470-one-dead.txt').picture.gpus;
    expect(dead!.memory).toEqual({ totalMiB: 40536 });
    const [, lost] = read('q-x-b300-lost.xml').picture.gpus;
    expect(lost).toMatchObject({ name: 'NVIDIA B300 SXM6 AC', unreadable: { memoryTotal: 'GPU is lost' } });
    expect(lost!.memory).toBeUndefined();
  });

  it('an error between rows names its GPU', () => {
    const { all, picture } = read('query-gpu-half-dead.csv');
    expect(picture.gpus.map(({ index, name }) => [index, name])).toEqual([
      [0, 'NVIDIA A100-SXM4-80GB'],
      [2, undefined],
    ]);
    expect(all[0]).toMatchObject({ id: 'gpu.lost', gpus: [{ busId: '00000000:4E:00.0' }, { index: 2 }] });
  });

  it('what stops in the middle is a fault, and half a figure is none', () => {
    const xml = read('q-x-cut.xml');
    expect(xml.faults).toEqual(['gpu.truncated']);
    expect(xml.picture.gpus.map(({ memory }) => memory)).toEqual([
      { totalMiB: 143771, usedMiB: 0, freeMiB: 143271, reservedMiB: 500 },
      undefined,
    ]);
    const table = read('table-cut.txt');
    expect(table.faults).toEqual(['gpu.truncated']);
    expect(table.picture.gpus.map(({ memory }) => memory?.totalMiB)).toEqual([46068, undefined]);
  });

  it('the kernel log: hardware and programs are told apart', () => {
    const { all, faults, notes } = read('dmesg-xid.txt');
    expect([faults, notes]).toEqual([['gpu.lost'], ['gpu.program-error']]);
    expect(all[0]).toMatchObject({ gpus: [{ busId: '00000000:9B:00.0' }], detail: { xid: '79' } });
  });

  it('errors of the past are no fault', () => {
    expect(read('q-470-v100.txt').notes).toContain('gpu.ecc-history');
  });
});
