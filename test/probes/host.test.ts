import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, freemem, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../src/command.js';
import { localHost } from '../../src/hosts/local.js';
import { askGpus } from '../../src/probes/gpu-commands.js';
import { type HostFacts, probeHost, readHost } from '../../src/probes/host.js';
import { ask } from '../../src/probes/probe.js';
import type { Host, Result } from '../../src/world.js';

const recording = (name: string): string => readFileSync(join(import.meta.dirname, '../recordings', name), 'utf8');

const places = { home: join(tmpdir(), 'not', 'there'), cache: tmpdir() };
const here = (host: Host): Promise<HostFacts> =>
  probeHost({ host, places: { ...places, package: '/', node: process.execPath } });

describe.skipIf(process.platform !== 'linux')('this very machine', () => {
  let facts: HostFacts;
  const server = createServer();
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    facts = await here(localHost);
  });
  afterAll(() => server.close());

  it('is described as Node sees it', () => {
    expect(facts.kernel).toMatchObject({ name: 'Linux' });
    expect(facts.os?.id).toMatch(/^[a-z]+$/);
    expect(facts.cpu?.threads).toBe(cpus().length);
    expect(facts.memory?.totalMiB).toBe(Math.floor(totalmem() / 2 ** 20));
    expect(Math.abs(facts.memory!.availableMiB! - freemem() / 2 ** 20)).toBeLessThan(totalmem() / 2 ** 20 / 2);
  });

  it('says what a process may use', () => {
    expect(facts.usable.cpus).toBeGreaterThanOrEqual(1);
    expect(facts.usable.cpus).toBeLessThanOrEqual(cpus().length);
    expect(facts.usable.memoryMiB).toBeLessThanOrEqual(totalmem() / 2 ** 20);
  });

  it('has disks also for folders that are not there yet', () => {
    expect(facts.disks?.map(({ of }) => of)).toEqual(['root', 'home', 'state', 'cache']);
    for (const { totalMiB, freeMiB } of facts.disks!) expect(totalMiB).toBeGreaterThanOrEqual(freeMiB);
  });

  it('knows the port that we hold', () => {
    const { port } = server.address() as { port: number };
    expect(facts.ports).toContainEqual(expect.objectContaining({ port, address: '127.0.0.1' }));
  });
});

describe('an affinity mask', () => {
  it.skipIf(process.platform !== 'linux' || cpus().length < 2)('counts', async () => {
    const pinned: Host = {
      ...localHost,
      run: (command) => localHost.run({ ...command, argv: ['taskset', '-c', '0', ...command.argv] }),
    };
    expect((await here(pinned)).usable.cpus).toBe(1);
  });
});

describe('what a process may use', () => {
  const section = (id: string, stdout: string) => ({ id, line: id, result: { code: 0, stdout, stderr: '' } });
  const usable = (cpu: string, cgroup: string) =>
    readHost([
      section('host.cpu', cpu),
      section('host.cgroup', cgroup),
      section('host.memory', 'MemTotal: 8388608 kB\nMemAvailable: 4194304 kB'),
    ]).usable;
  it.each([
    ['CPU(s): 64\nCpus_allowed_list: 0-63', 'type: cgroup2fs\ncpu.max: 250000 100000', { cpus: 2, memoryMiB: 4096 }],
    ['CPU(s): 64\nCpus_allowed_list: 0-3', 'type: cgroup2fs\ncpuset.cpus.effective: 0-1', { cpus: 2, memoryMiB: 4096 }],
    ['CPU(s): 64', 'type: cgroup2fs\ncpu.max: 50000 100000\nmemory.max: 1073741824', { cpus: 1, memoryMiB: 1024 }],
    ['CPU(s): 8', '', { cpus: 8, memoryMiB: 4096 }],
  ])('%j in %j', (cpu, cgroup, wanted) => {
    expect(usable(cpu, cgroup)).toEqual(wanted);
  });
});

/** nvidia-smi's answers by its arguments; every other command fails as on a machine without it. */
function machine(answers: Readonly<Record<string, Partial<Result>>>): {
  host: Host;
  ran: string[];
  most: () => number;
} {
  const ran: string[] = [];
  let [running, most] = [0, 0];
  const run = async (command: Command): Promise<Result> => {
    const line = command.argv.join(' ');
    ran.push(line);
    if (command.argv[0] !== 'nvidia-smi') return { code: 0, stdout: '', stderr: '', ...answers[command.argv[0]] };
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
    const found = Object.entries(answers).find(([start]) => line.startsWith(start));
    return { code: 2, stdout: '', stderr: '', ...(found?.[1] ?? {}) };
  };
  return { host: { ...localHost, name: 'fake', run }, ran, most: () => most };
}

const ok = (stdout: string): Partial<Result> => ({ code: 0, stdout });

describe('questions to the GPUs', () => {
  it('go one after the other, and only those worth asking', async () => {
    const { host, ran, most } = machine({
      'nvidia-smi -q -x': ok(recording('q-x-h200-x2.xml')),
      'nvidia-smi topo -m': ok('\tGPU0\tGPU1\tCPU Affinity\nGPU0\t X \tNV18\t0-1\nGPU1\tNV18\t X \t0-1\n'),
    });
    const facts = await here(host);
    const asked = ran
      .filter((line) => line.startsWith('nvidia-smi'))
      .map((line) => line.split(' ').slice(0, 2).join(' '));
    expect(asked).toEqual([
      'nvidia-smi -q',
      'nvidia-smi --query-gpu=index,uuid,pci.bus_id,name,memory.total,compute_cap',
      'nvidia-smi topo',
      'nvidia-smi nvlink',
    ]);
    expect(most()).toBe(1);
    // The query of an older driver and links that do not exist fail; that is no fault of the machine.
    expect(facts.gpu).toMatchObject({ troubles: [], cut: [], picture: { gpus: [{ index: 0 }, { index: 1 }] } });
    expect(facts.gpu!.picture.topology!.links.GPU0!.GPU1).toBe('NV18');
  });

  it('MIG asks for the names of the instances', async () => {
    const { host } = machine({
      'nvidia-smi -q -x': ok(recording('q-x-h200-mig.xml')),
      'nvidia-smi -L': ok(recording('list-mig.txt')),
    });
    const facts = await here(host);
    expect(facts.gpu!.picture.gpus[0]!.mig!.instances![0]).toMatchObject({ gpuInstance: 1, profile: '1c.3g.71gb' });
  });

  it('one that hangs is not asked again', async () => {
    const { host, ran } = machine({ 'nvidia-smi -q -x': { code: 124, stdout: recording('q-x-cut.xml') } });
    const facts = await here(host);
    expect(ran.filter((line) => line.startsWith('nvidia-smi'))).toHaveLength(1);
    expect(facts.gpu!.troubles.map(({ id }) => id)).toEqual(['gpu.hung']);
    expect(facts.gpu!.picture.gpus).toHaveLength(2);
  });

  it('an exit status speaks where the text does not', async () => {
    const { host } = machine({ 'nvidia-smi -q -x': { code: 14, stdout: recording('q-x-h200-x2.xml') } });
    const facts = await here(host);
    expect(facts.gpu!.troubles).toEqual([{ id: 'gpu.inforom', says: 'nvidia-smi -q -x: exit 14' }]);
  });

  it('a failure brings the kernel log along', async () => {
    const { host, ran } = machine({
      'nvidia-smi -q -x': {
        code: 18,
        stdout: 'Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95\n',
      },
      sh: ok(''),
    });
    const log = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build\n';
    const sections = await askGpus({
      ...host,
      run: async (command) =>
        command.argv[2]?.includes('dmesg') ? { code: 0, stdout: log, stderr: '' } : host.run(command),
    });
    expect(readHost(sections).gpu!.troubles[0]!.detail).toEqual({ library: '580.95', kernel: '580.82.07' });
    expect(ran.filter((line) => line.startsWith('nvidia-smi'))).toHaveLength(1);
  });

  it('memory that the host shares is taken from the host', async () => {
    const row = 'index, name, memory.total [MiB]\n0, NVIDIA GB10, [N/A]\n';
    const facts = readHost([
      { id: 'gpu.query', line: 'nvidia-smi', result: { code: 0, stdout: row, stderr: '' } },
      { id: 'host.memory', line: 'x', result: { code: 0, stdout: 'MemTotal: 125829120 kB\n', stderr: '' } },
    ]);
    expect(facts.gpu!.picture.gpus[0]!.memory).toEqual({ unified: true, totalMiB: 122880 });
  });

  it('a process that cannot even be killed is not waited for', async () => {
    const stuck: Host = { ...localHost, run: () => new Promise(() => {}) };
    const result = await ask(stuck, { argv: ['nvidia-smi'], timeoutMs: 10 }, 20);
    expect(result.code).toBe(124);
  });

  it('a host that cannot run anything leaves everything unknown', async () => {
    const dead: Host = { ...localHost, run: () => Promise.reject(new Error('no shell')) };
    const facts = await here(dead);
    expect(facts).toMatchObject({ usable: {}, disks: [], ports: [] });
    expect([facts.os, facts.kernel, facts.cpu, facts.pci]).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe.skipIf(process.platform !== 'linux')('a program called nvidia-smi in PATH', () => {
  const folder = mkdtempSync(join(tmpdir(), 'probe-path-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  it('is asked for real', async () => {
    writeFileSync(join(folder, 'q.xml'), recording('q-x-h200-x2.xml'));
    writeFileSync(
      join(folder, 'nvidia-smi'),
      `#!/bin/sh\n[ "$1 $2" = "-q -x" ] && exec cat ${folder}/q.xml\necho "Invalid combination of input arguments."\nexit 2\n`,
      { mode: 0o755 },
    );
    const host: Host = {
      ...localHost,
      run: (command) => localHost.run({ ...command, env: { ...command.env, PATH: `${folder}:${process.env.PATH}` } }),
    };
    const facts = await here(host);
    expect(facts.gpu).toMatchObject({ forms: ['q-x'], troubles: [], picture: { driver: '580.95.05', gpus: [{}, {}] } });
  });
});
