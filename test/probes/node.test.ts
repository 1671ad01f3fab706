/** The readers over what real hosts said, and the script that asks. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/hosts/clock.js';
import { localHost } from '../../src/hosts/local.js';
import { askNode, groups, readNode } from '../../src/probes/node.js';
import { sources } from '../../src/probes/node-packages.js';
import { readContainerd } from '../../src/probes/node-runtime.js';
import { readTogether, together } from '../../src/probes/node-sections.js';
import { readRecording, writeRecording } from '../../src/probes/recording.js';

const recording = (name: string): string => readFileSync(join(import.meta.dirname, '../recordings', name), 'utf8');

describe('a real worker: kubeadm 1.36 on Debian 12, containerd 1.6', () => {
  const facts = readNode(readRecording(recording('nodes/kubeadm-worker.txt')));

  it('is read', () => {
    expect(facts.root).toBe(true);
    expect(facts.identity).toMatchObject({ hostname: 'host-2', resolves: '10.0.0.12' });
    expect(Object.keys(facts.identity!.macs!)).toEqual(['host0']);
    expect(facts.kubelet).toEqual({
      installed: true,
      version: '1.36.4',
      active: true,
      enabled: true,
      cgroupDriver: 'cgroupfs',
    });
    expect(facts.membership).toMatchObject({
      joined: true,
      controlPlane: false,
      server: 'https://10.0.0.11:6443',
      answers: true,
      ours: false,
    });
    expect(facts.certificates!.map(({ file }) => file)).toContain('/var/lib/kubelet/pki/kubelet-client-current.pem');
    expect(facts.podNetwork).toMatchObject({
      configs: ['10-bridge.conflist'],
      wants: ['bridge', 'host-local', 'portmap'],
      subnetEnv: false,
    });
    expect(facts.sockets).toEqual({ containerd: true, others: [], active: true, version: '1.6.20' });
    expect(facts.addresses).toContainEqual({ link: 'host0', address: '10.0.0.12', prefix: 24 });
    expect(facts.routes).toContainEqual({ to: 'default', link: 'host0' });
    expect(facts.packages!.installed.containerd).toMatch(/^1\.6\.20/);
  });

  it('with what its containerd has in effect', () => {
    expect(facts.containerd).toMatchObject({
      criDisabled: false,
      pauseImage: 'registry.k8s.io/pause:3.10.2',
      defaultRuntime: 'runc',
      runtimes: { runc: { type: 'io.containerd.runc.v2', systemdCgroup: false } },
    });
  });
});

describe('containerd config dump', () => {
  it('of version 3', () => {
    const dump = readRecording(recording('nodes/gpu-worker.txt')).find(({ id }) => id === 'node.runtime')!.result
      .stdout;
    expect(readTogether(groups['node.runtime'], dump).containerd).toEqual({
      criDisabled: false,
      pauseImage: 'registry.k8s.io/pause:3.10.2',
      defaultRuntime: 'runc',
      imports: ['/etc/containerd/conf.d/*.toml'],
      cniBin: '/opt/cni/bin',
      runtimes: {
        runc: { type: 'io.containerd.runc.v2', systemdCgroup: true },
        nvidia: { type: 'io.containerd.runc.v2', systemdCgroup: true, binary: '/usr/bin/nvidia-container-runtime' },
      },
    });
  });

  it.each([
    [`disabled_plugins = ["cri"]\nversion = 2\n`, true],
    [`disabled_plugins = ['io.containerd.grpc.v1.cri']\nversion = 4\n`, true],
    [`disabled_plugins = [\n  'io.containerd.cri.v1.runtime',\n]\nversion = 3\n`, true],
    [`disabled_plugins = ['io.containerd.snapshotter.v1.zfs']\nversion = 3\n`, false],
    ['disabled_plugins = []\nversion = 3\n', false],
  ])('%j: CRI disabled %s', (dump, disabled) => {
    expect(readContainerd(dump)?.criDisabled).toBe(disabled);
  });

  it('what is none says nothing', () => {
    expect(
      readContainerd('containerd: failed to load TOML: /etc/containerd/config.toml: toml: line 3\n'),
    ).toBeUndefined();
  });
});

describe('package sources', () => {
  const read = (text: string) => sources.read({ text, code: 0 });

  it('in one line each, with and without options', () => {
    expect(
      read(`/etc/apt/sources.list:deb http://deb.debian.org/debian bookworm main
/etc/apt/sources.list.d/k.list:deb [arch=amd64 signed-by=/etc/apt/keyrings/k.gpg] https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /
/etc/apt/sources.list.d/k.list:deb-src [ signed-by=/a.gpg trusted=yes ] https://b/ s c`),
    ).toEqual([
      { file: '/etc/apt/sources.list', uri: 'http://deb.debian.org/debian', suite: 'bookworm' },
      {
        file: '/etc/apt/sources.list.d/k.list',
        uri: 'https://pkgs.k8s.io/core:/stable:/v1.36/deb/',
        suite: '/',
        signedBy: '/etc/apt/keyrings/k.gpg',
      },
      { file: '/etc/apt/sources.list.d/k.list', uri: 'https://b/', suite: 's', signedBy: '/a.gpg' },
    ]);
  });

  it('in stanzas, those that are switched off left out', () => {
    const file = '/etc/apt/sources.list.d/x.sources';
    const lines = [
      'Types: deb',
      'URIs: http://a/ http://b/',
      'Suites: s t',
      'Signed-By: /a.gpg',
      '',
      'Types: deb',
      'URIs: http://c/',
      'Suites: s',
      'Enabled: no',
    ];
    expect(read(lines.map((line) => `${file}:${line}`).join('\n'))).toEqual([
      { file, uri: 'http://a/', suite: 's t', signedBy: '/a.gpg' },
      { file, uri: 'http://b/', suite: 's t', signedBy: '/a.gpg' },
    ]);
  });
});

describe('many questions in one command', () => {
  const question = (shell: string, seconds?: number) => ({
    shell,
    ...(seconds === undefined ? {} : { seconds }),
    read: ({ text, code }: { text: string; code: number }) => `${code}:${text}`,
  });
  const answered = (questions: Record<string, ReturnType<typeof question>>) => {
    const [program, ...words] = together(questions, false).argv;
    return readTogether(questions, execFileSync(program, words, { encoding: 'utf8' }));
  };

  it('each has its own answer and status', () => {
    expect(
      answered({
        lines: question('echo a; echo; echo " b"'),
        nothing: question('exit 3'),
        marks: question("printf '=== /marks 0.\\n=== other\\n'"),
        quotes: question(`echo "it's $((1 + 1))"`),
      }),
    ).toEqual({ lines: '0:a\n\n b', nothing: '3:', marks: '0:=== /marks 0.\n=== other', quotes: "0:it's 2" });
  });

  it('one that hangs costs its time and no other', () => {
    expect(answered({ hangs: question('echo begun; sleep 60', 1), after: question('echo here') })).toEqual({
      after: '0:here',
    });
  });

  it('every script is one that dash can read', () => {
    for (const [id, questions] of Object.entries(groups)) {
      for (const [name, { shell }] of Object.entries(questions))
        expect(() => execFileSync('sh', ['-n', '-c', shell]), `${id} ${name}`).not.toThrow();
      // A single argument may have 128 KiB (Linux' MAX_ARG_STRLEN).
      expect(together(questions, true).argv[2]!.length).toBeLessThan(64_000);
    }
  });
});

it('this machine is asked, and a recording of it says the same', async () => {
  const sections = await askNode({ host: localHost, places: { home: '/x', cache: '/y' } as never, clock: systemClock });
  const facts = readNode(sections);
  expect(facts.identity?.hostname).toBe(execFileSync('uname', ['-n'], { encoding: 'utf8' }).trim());
  expect(facts.rooms?.map(({ path }) => path)).toContain('/var/lib/containerd');
  expect(facts.clock!.aheadMs - facts.clock!.withinMs).toBeLessThanOrEqual(2);
  const { gpu: _, ...recorded } = readNode(readRecording(writeRecording(sections, 'now'))).host;
  const { gpu: __, ...live } = facts.host;
  expect(recorded).toEqual(live);
}, 60_000);
