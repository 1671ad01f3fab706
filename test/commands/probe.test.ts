import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verb } from '../../src/commands/probe.js';
import { type Exit, UserError } from '../../src/errors.js';
import type { Value } from '../../src/verb.js';
import { type Answer, type FakeOptions, type FakeWorld, fakeWorld } from '../world/fake.js';

const recording = (name: string): string => readFileSync(join(import.meta.dirname, '../recordings', name), 'utf8');

/** A machine with what each script of the probe prints, told apart by a word in the script. */
function machine(
  answers: Readonly<Record<string, string>>,
  smi: Readonly<Record<string, Answer>>,
  options: FakeOptions = {},
): FakeWorld {
  const script: Answer = (command) => {
    const text = command.argv.join(' ');
    return { stdout: Object.entries(answers).find(([word]) => text.includes(word))?.[1] ?? '' };
  };
  return fakeWorld({
    ...options,
    commands: [
      ...Object.entries(smi).map(([start, answer]) => [start, answer] as const),
      ['nvidia-smi', { code: 127, stderr: 'nvidia-smi: command not found' }],
      ['uname -srm', { stdout: 'Linux 6.8.0-45-generic x86_64\n' }],
      ['uname -n', { stdout: 'trainbox\n' }],
      ['id -un', { stdout: 'mallory\n' }],
      [/^LC_ALL=C sh -c/, script],
    ],
  });
}

const server = {
  'os-release': 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.1 LTS"\n',
  'detect-virt': 'vm: kvm\ncontainer: none\n',
  'cpu.max': 'type: cgroup2fs\ncpu.max: max 100000\n',
  lscpu: 'CPU(s): 64\nModel name: AMD EPYC 9554\nSocket(s): 1\nCore(s) per socket: 32\nCpus_allowed_list:\t0-63\n',
  MemTotal: 'MemTotal: 263834624 kB\nMemAvailable: 250000000 kB\n',
  'df -Pk': 'root: 1048576000 524288000\nhome: 1048576000 524288000\n',
  'ss -Hltnp': 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nLISTEN 0 128 10.1.2.3:9000 0.0.0.0:*\n',
  'for t in nginx': 'has nginx\nhas apt-get\nnginx/1.24.0\n',
};
const twoGpus = '0000:0a:00.0 0x2335 0x030200 nvidia\n0000:1b:00.0 0x2335 0x030200 nvidia\n';
const undriven = '0000:0a:00.0 0x2335 0x030200 -\n';
const bus = 'sys/bus/pci';

type Found = Record<'exit' | 'kind' | 'forms' | 'picture' | 'diagnoses' | 'notes' | 'host' | 'understood', never>;

const run = async (world: FakeWorld, options: Record<string, Value> = {}, json = false): Promise<Exit | undefined> =>
  verb.run!({ args: [], options, json, yes: false, verbose: false }, world);

const asked = async (world: FakeWorld, options: Record<string, Value> = {}) => {
  const exit = await run(world, options, true);
  return { exit, ...(JSON.parse(world.out.join('')) as Record<string, unknown>) } as unknown as Found;
};

const replay = async (text: string | Uint8Array) => {
  const world = fakeWorld({ stdin: text });
  return asked(world, { replay: '-' });
};

const healthy = { 'nvidia-smi -q -x': { stdout: recording('q-x-h200-x2.xml') } };

describe('this machine', () => {
  it('with GPUs: the picture, the host, exit 0', async () => {
    const found = await asked(machine({ ...server, [bus]: twoGpus }, healthy));
    expect(found).toMatchObject({
      exit: 'ok',
      kind: 'picture',
      forms: ['q-x'],
      picture: { driver: '580.95.05', gpus: [{ name: 'NVIDIA H200' }, { name: 'NVIDIA H200' }] },
      diagnoses: [],
      host: { os: { id: 'ubuntu' }, usable: { cpus: 64 }, cgroup: { version: 2 }, pci: [{ driver: 'nvidia' }, {}] },
    });
    expect(found.notes).toEqual([expect.objectContaining({ id: 'gpu.busy', severity: 'note' })]);
  });

  it('without NVIDIA hardware nothing is wrong', async () => {
    const world = machine({ ...server, [bus]: '' }, {});
    expect(await run(world)).toBe('ok');
    expect(world.shown.join('\n')).toContain('No NVIDIA GPU in this machine.');
    expect(await asked(machine({ ...server, [bus]: '' }, {}))).toMatchObject({
      exit: 'ok',
      kind: 'picture',
      forms: [],
      diagnoses: [],
      notes: [],
    });
  });

  it('tools without hardware are no fault either', async () => {
    const text = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n";
    expect(
      await asked(machine({ ...server, [bus]: '' }, { 'nvidia-smi -q': { code: 9, stdout: text } })),
    ).toMatchObject({ exit: 'ok', diagnoses: [] });
  });

  it('a board without a driver is one', async () => {
    const found = await asked(machine({ ...server, [bus]: undriven }, {}));
    expect(found).toMatchObject({
      exit: 'problem',
      kind: 'diagnosis',
      diagnoses: [{ id: 'gpu.driver-missing', gpus: [{ busId: '00000000:0A:00.0' }] }],
    });
    expect(found.diagnoses[0]).toHaveProperty('found', expect.stringContaining('NVIDIA H200'));
    const held = await asked(machine({ ...server, [bus]: undriven.replace(' -', ' nouveau') }, {}));
    expect(held.diagnoses).toMatchObject([{ id: 'gpu.nouveau' }]);
  });

  it('a container that was not given its GPUs is told so', async () => {
    expect(await asked(machine({ ...server, [bus]: twoGpus }, {}))).toMatchObject({
      exit: 'problem',
      diagnoses: [{ id: 'gpu.library-missing' }],
    });
  });

  it('WSL has its GPU on another bus', async () => {
    const wsl = { ...server, 'detect-virt': 'vm: wsl\nwsl: yes\n', [bus]: '' };
    expect(await asked(machine(wsl, {}))).toMatchObject({ exit: 'ok', diagnoses: [] });
    const blocked = {
      'nvidia-smi -q': { code: 1, stdout: 'Failed to initialize NVML: GPU access blocked by the operating system\n' },
    };
    expect(await asked(machine(wsl, blocked))).toMatchObject({ exit: 'problem', diagnoses: [{ id: 'gpu.blocked' }] });
  });

  it('a half-dead node shows the living and the fault', async () => {
    const world = machine(
      { ...server, [bus]: twoGpus },
      { 'nvidia-smi -q -x': { code: 15, stdout: recording('q-x-b300-lost.xml') } },
    );
    expect(await run(world)).toBe('problem');
    const text = world.shown.join('\n');
    expect(text).toContain('NVIDIA B300 SXM6 AC');
    expect(text).toMatch(/✗ GPU 1: it no longer answers {2}gpu\.lost/);
    expect(text).toContain('→ Take the node out of service');
  });

  it('speaks Chinese', async () => {
    const world = machine({ ...server, [bus]: twoGpus }, healthy, { lang: 'zh' });
    await run(world);
    const text = world.shown.join('\n');
    expect(text).toContain('最高支持 CUDA 13.0');
    expect(text).toContain('未发现故障');
    expect(text).not.toMatch(/available|Memory {2}|threads/);
  });
});

describe('recording', () => {
  it('what is recorded is masked, and replays to the same picture', async () => {
    const world = machine({ ...server, [bus]: twoGpus }, healthy, { env: { USER: 'mallory', HOME: '/home/mallory' } });
    world.folders.set('/work', 0o755);
    const live = await asked(world, { record: 'host.txt' });
    const text = new TextDecoder().decode(world.disk.get('/work/host.txt')!.content);
    for (const secret of ['trainbox', 'mallory', '7f3a0001', '1320022000', '10.1.2.3', 'hush', '/home/u/state']) {
      expect(text, secret).not.toContain(secret);
    }
    const again = await replay(text);
    const unnamed = (json: Found) =>
      JSON.stringify(json)
        .replaceAll(/(GPU)-[0-9a-f-]{36}/g, '$1')
        .replace('10.1.2.3', '192.0.2.1');
    expect(unnamed(again)).toBe(unnamed(live));
  });

  it('a failing command is kept, with its error and its status', async () => {
    const world = machine({ ...server, [bus]: undriven }, {});
    world.folders.set('/work', 0o755);
    await run(world, { record: '/work/host.txt' });
    const text = new TextDecoder().decode(world.disk.get('/work/host.txt')!.content);
    expect(text).toContain('# $ nvidia-smi -q -x\n# exit 127 gpu.query\n# stderr\nnvidia-smi: command not found\n');
    expect(await replay(text)).toMatchObject({ exit: 'problem', diagnoses: [{ id: 'gpu.driver-missing' }] });
  });
});

describe('replay', () => {
  it('a file, relative to where we are', async () => {
    const world = fakeWorld();
    world.disk.set('/work/gpu.txt', {
      content: new TextEncoder().encode(recording('table-535-4090.txt')),
      mode: 0o644,
      mtimeMs: 0,
    });
    expect(await run(world, { replay: 'gpu.txt' })).toBe('ok');
    expect(world.ran).toEqual([]);
    expect(world.shown.join('\n')).toContain('1 × NVIDIA GeForce RTX 4090, 24,564 MiB');
  });

  it.each([
    ['err', 'Failed to initialize NVML: Driver/library version mismatch\n', 'problem', 'diagnosis'],
    ['csv', recording('query-gpu.csv'), 'ok', 'picture'],
    ['half-dead', recording('query-gpu-half-dead.csv'), 'problem', 'diagnosis'],
    ['help', recording('help.txt'), 'ok', 'picture'],
  ])('%s', async (_, text, exit, kind) => {
    expect(await replay(text)).toMatchObject({ exit, kind });
  });

  it('the text that PowerShell wrote', async () => {
    const text = Buffer.from(`\ufeff${recording('table-610-windows.txt')}`, 'utf16le');
    expect(await replay(text)).toMatchObject({ exit: 'ok', picture: { driver: '610.62' } });
  });

  it.each([
    ['nothing', ''],
    ['blanks', ' \n\t\n'],
    ['prose', 'Dear colleague, the machine is slow.\n'],
    ['a page', '<!DOCTYPE html><html><body>nvidia</body></html>'],
    ['a program', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 3, 0, 62])],
    ['too much', Buffer.alloc((32 << 20) + 10, 'a')],
    ['a recording of nothing', '# deepseek-deploy recording 1\n'],
  ])('%s is not understood: exit 2, and the forms that are', async (_, content) => {
    const found = await replay(content);
    expect(found).toMatchObject({ exit: 'usage', kind: 'unknown', error: { id: 'probe.not-understood' } });
    expect((found.understood as unknown as readonly string[]).length).toBeGreaterThan(4);
    const failed = await run(fakeWorld({ stdin: content }), { replay: '-' }).catch((error) => error);
    expect(failed).toBeInstanceOf(UserError);
    expect(failed).toMatchObject({ id: 'probe.not-understood', exit: 'usage' });
  });

  it('a file that is not there, and both flags at once', async () => {
    await expect(run(fakeWorld(), { replay: 'nowhere' })).rejects.toMatchObject({ id: 'probe.no-file', exit: 'usage' });
    await expect(run(fakeWorld(), { replay: 'a', record: 'b' })).rejects.toMatchObject({
      id: 'probe.both',
      exit: 'usage',
    });
  });
});
