/** The whole command, typed: on this machine, and over ssh on recorded hosts. */
import { describe, expect, it } from 'vitest';
import { run } from '../../src/cli.js';
import { systemClock } from '../../src/hosts/clock.js';
import type { Section } from '../../src/probes/probe.js';
import { type Changes, changed, sectionsOf } from '../checks/node-hosts.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';
import { type Reply, type SimulatedHost, simulatedHost } from '../world/host.js';
import { type Remote, remotes } from '../world/remotes.js';

/** A word of each question's script, as far as it tells it from the others. */
const marks: readonly (readonly [id: string, word: string])[] = [
  ['host.os', '/etc/os-release'],
  ['host.virtualization', 'detect-virt'],
  ['host.cgroup', 'cpu.max'],
  ['host.cpu', 'lscpu'],
  ['host.memory', 'MemTotal'],
  ['host.disks', 'for pair in root'],
  ['host.tools', 'for t in nginx'],
  ['host.pci', '/sys/bus/pci/devices'],
  ['node.machine', 'section identity'],
  ['node.packages', 'section sources'],
  ['node.gpu', 'section driver'],
  ['node.runtime', 'section sockets'],
  ['node.kubernetes', 'section kubelet'],
  ['node.cluster', 'section objects'],
  ['host.ports', 'ss -Hltnp 2>/dev/null ||'],
];

const answer = (sections: readonly Section[], id: string): Reply =>
  sections.find((one) => one.id === id)?.result ?? { code: 127 };

/** Answers as the recording does; how the others are reached is what it is told to say. */
function recorded(name: string, sections: readonly Section[], shut: readonly string[]): SimulatedHost {
  return simulatedHost({
    name,
    clock: systemClock,
    programs: {
      'id -u': { stdout: '0\n' },
      'uname -srm': answer(sections, 'host.kernel'),
      'date +%s%3N': () => ({ stdout: `${Date.now()}\n` }),
      'nvidia-smi -q': answer(sections, 'gpu.query'),
      nvidia: { code: 127 },
    },
    scripts: (script) => {
      if (script.includes('/dev/tcp/'))
        return ({ args }) => ({
          stdout: args.map((address) => `${address} ${shut.includes(address) ? 'shut' : 'open'}\n`).join(''),
        });
      const [id] = marks.find(([, word]) => script.includes(word)) ?? [];
      return id === undefined ? { code: 127 } : answer(sections, id);
    },
  });
}

interface Told {
  readonly code: number;
  readonly text: string;
  readonly world: FakeWorld;
  readonly hosts: readonly SimulatedHost[];
}

const cluster = { '10.0.0.11': 'control-plane', '10.0.0.12': 'gpu-worker' } as const;

async function type(
  line: string,
  changes: Readonly<Record<string, Changes>> = {},
  more: {
    readonly shut?: readonly string[];
    readonly lang?: 'zh';
    readonly edit?: (all: Record<string, Remote>) => void;
  } = {},
): Promise<Told> {
  const all = Object.fromEntries(
    Object.entries(cluster).map(([address, from]) => {
      const sections = changed(sectionsOf(from), changes[address] ?? {});
      return [address, { host: recorded(from, sections, more.shut ?? []) } as Remote];
    }),
  );
  more.edit?.(all);
  const world = fakeWorld({ ssh: remotes(all).ssh, clock: systemClock, ...(more.lang ? { lang: more.lang } : {}) });
  world.folders.set('/work', 0o755);
  const code = await run(line.split(' '), world.env, () => world, '0.0.0');
  const hosts = Object.values(all).map(({ host }) => host);
  return { code, text: [...world.shown, ...world.errors].join('\n'), world, hosts };
}

const both = 'doctor --host cp-1=root@10.0.0.11 --host gpu-1=root@10.0.0.12';

describe('over ssh', () => {
  it('a healthy cluster is said in three lines', async () => {
    const { code, text } = await type(both);
    expect(text.split('\n')).toEqual([
      expect.stringMatching(/^✓ cp-1 {3}10\.0\.0\.11 {2}Ubuntu 24\.04\.3 LTS {2}in a cluster {2}\d+ checks well$/),
      expect.stringMatching(/^✓ gpu-1 {2}10\.0\.0\.12 {2}Ubuntu 24\.04\.3 LTS {2}in a cluster {2}\d+ checks well$/),
      expect.stringMatching(/^✓ all together {2}\d+ checks well$/),
    ]);
    expect(code).toBe(0);
  });

  it('changes nothing on any host', async () => {
    const { hosts } = await type(both);
    for (const host of hosts) expect([...host.disk.keys()]).toEqual([]);
  });

  it('problems first, with what to do, and where to read on', async () => {
    const { code, text } = await type(both, {
      '10.0.0.12': {
        swap: 'on /dev/sda3\nfstab: 1\nasked',
        toolkit: (text) => text.replace('mode = "auto"', 'mode = "legacy"'),
      },
    });
    expect(code).toBe(1);
    const lines = text.split('\n');
    const at = lines.findIndex((line) => line.includes('gpu-1'));
    expect(lines.slice(at, at + 5)).toEqual([
      expect.stringMatching(/^✗ gpu-1/),
      '  ✗ Swap is on (/dev/sda3): the kubelet does not start  host.swap',
      expect.stringMatching(/^ {4}→ swapoff -a/),
      expect.stringMatching(/^ {2}! nvidia-container-runtime is in mode legacy.* {2}cri\.cdi$/),
      expect.stringMatching(/^ {4}→ Update the toolkit/),
    ]);
    expect(lines.at(-1)).toBe('Each id has its heading in /package/docs/doctor.md');
  });

  it('what is alike of both is said once', async () => {
    const swapped = { swap: 'on /dev/sda3\nfstab: 1\nasked' };
    const { text } = await type(both, { '10.0.0.11': swapped, '10.0.0.12': swapped });
    expect(text.match(/host\.swap/g)).toHaveLength(1);
  });

  it('in Chinese', async () => {
    const { text } = await type(both, { '10.0.0.12': { swap: 'on /dev/sda3\nfstab: 1\nasked' } }, { lang: 'zh' });
    expect(text).toContain('交换分区已启用（/dev/sda3）：kubelet 无法启动  host.swap');
    expect(text).toContain('/package/docs/doctor.zh-CN.md');
  });

  it('each host tries the others', async () => {
    const { code, text } = await type(both, {}, { shut: ['10.244.1.0'] });
    expect(code).toBe(1);
    expect(text).toMatch(
      /✗ Through the pod network no answer from gpu-1 \(10\.244\.1\.0\), though the hosts reach one another {2}cni\.overlay/,
    );
  });

  it.each<[string, Partial<Remote>, RegExp]>([
    ['another key than before', { key: 'changed' }, /ssh\.host-key-changed/],
    ['a key nobody knows', { key: 'strange' }, /ssh\.host-key-unknown/],
    ['none of our keys', { refuses: true }, /ssh\.denied/],
  ])('one that cannot be reached (%s) is a finding, the other is looked at', async (_, how, says) => {
    const { code, text } = await type(both, {}, { edit: (all) => Object.assign(all['10.0.0.12']!, how) });
    expect(code).toBe(1);
    expect(text).toMatch(says);
    expect(text).toMatch(/host\.reach/);
    expect(text).toMatch(/✓ cp-1/);
  });

  it('JSON has every check with its state', async () => {
    const { world, code } = await type(`${both} --json`, { '10.0.0.12': { swap: 'on /dev/sda3\nfstab: 1\nasked' } });
    const said = JSON.parse(world.out.join(''));
    expect(code).toBe(1);
    expect(said).toMatchObject({
      well: false,
      hosts: [
        { name: 'cp-1', address: '10.0.0.11', reached: true, phase: 'after' },
        { name: 'gpu-1', address: '10.0.0.12', reached: true, phase: 'after' },
      ],
    });
    const swap = said.hosts[1].checks.find((one: { id: string }) => one.id === 'host.swap');
    expect(swap).toMatchObject({
      state: 'failed',
      found: expect.stringContaining('Swap is on'),
      hint: expect.stringContaining('swapoff'),
    });
    expect(said.together.find((one: { id: string }) => one.id === 'k8s.nodes')).toMatchObject({ state: 'ok' });
  });

  it('--only takes ids and groups', async () => {
    const { world } = await type(`${both} --json --only host.swap,cri`);
    const { hosts, together } = JSON.parse(world.out.join(''));
    const ids = hosts[0].checks.map(({ id }: { id: string }) => id);
    expect(ids).toContain('host.swap');
    expect(ids.every((id: string) => id === 'host.swap' || id.startsWith('cri.'))).toBe(true);
    expect(together).toEqual([]);
  });

  it('a word that names no check is told with all there are', async () => {
    const { code, text } = await type('doctor --only swop');
    expect(code).toBe(2);
    expect(text).toMatch(/no check called swop[\s\S]*host\.swap/);
  });
});

describe('a cluster that others made', () => {
  const world = (changes: Changes = {}) => {
    const sections = changed(sectionsOf('control-plane'), changes);
    const made = fakeWorld({
      clock: systemClock,
      commands: [
        ['kubectl --kubeconfig /work/k.conf --request-timeout=10s get --raw /readyz', { stdout: 'ok' }],
        [/section objects/, sections.find(({ id }) => id === 'node.cluster')!.result],
      ],
    });
    made.folders.set('/work', 0o755);
    made.disk.set('/work/k.conf', { content: new Uint8Array(), mode: 0o600, mtimeMs: 0 });
    return made;
  };
  const type = (made: FakeWorld, line: string) => run(line.split(' '), made.env, () => made, '0.0.0');

  it('is asked through its API, and nothing is said of its hosts', async () => {
    const made = world();
    expect(await type(made, 'doctor --kubeconfig k.conf')).toBe(0);
    expect(made.shown).toEqual([expect.stringMatching(/^✓ all together {2}\d+ checks well$/)]);
  });

  it('with what is wrong', async () => {
    const made = world({ said: (text) => `dns [FATAL] plugin/loop: Loop (127.0.0.1:1 -> :53) detected\n${text}` });
    expect(await type(made, 'doctor --kubeconfig k.conf')).toBe(1);
    expect(made.shown.join('\n')).toMatch(/CoreDNS asks itself.* {2}k8s\.dns/);
  });
});

describe('this machine', () => {
  it('is looked at where no hosts are named', async () => {
    const world = fakeWorld({
      clock: systemClock,
      commands: [
        ['uname -n', { stdout: 'laptop\n' }],
        [/./, { code: 127 }],
      ],
    });
    world.folders.set('/work', 0o755);
    expect(await run(['doctor'], world.env, () => world, '0.0.0')).toBe(0);
    expect(world.shown[0]).toMatch(/^✓ laptop {2}\d+ checks well, \d+ not known$/);
  });
});
