/**
 * Simulated hosts that become a cluster by simple steps: packages, a control plane, joins. Their state is what lies on
 * their disks, so that a run that was killed is resumed from there; the API is played from it.
 */
import { run } from '../../src/cli.js';
import { show } from '../../src/command.js';
import { lockScript, seeLockScript } from '../../src/fleet/lock.js';
import { systemClock } from '../../src/hosts/clock.js';
import { distributionOf } from '../../src/install/distribution.js';
import type { Action } from '../../src/plan/step.js';
import { say } from '../../src/say.js';
import type { Machine, NodeStep } from '../../src/steps/machine.js';
import { nodesCommand } from '../../src/steps/nodes.js';
import type { World } from '../../src/world.js';
import { type FakeOptions, type FakeWorld, fakeWorld } from './fake.js';
import { type Call, type Reply, type SimulatedHost, type SimulatedOptions, simulatedHost } from './host.js';
import { type Remote, remotes } from './remotes.js';

export const secretToken = 'abcdef.0123456789abcdef';
const folder = '/etc/cluster';

const has = async (world: World, name: string): Promise<boolean> =>
  (await world.files.stat(`${folder}/${name}`)) !== undefined;
const program = (...argv: [string, ...string[]]): Action => ({ kind: 'run', command: { argv, sudo: true } });

const step = (id: string, on: NodeStep['on'], rest: Omit<NodeStep, 'id' | 'title' | 'on'>): NodeStep => ({
  id,
  title: say(id, id),
  on,
  ...rest,
});

const token = ({ cluster }: Machine) => ({
  name: 'join-token',
  get: async () => (await cluster.controlPlane().host.run({ argv: ['token'], sudo: true })).stdout.trim(),
});

/** In place of the real list, which wants a real system. */
export const simpleSteps: readonly NodeStep[] = [
  step('host.folder', 'every', {
    done: (_, { files }) => files.stat(folder).then((stat) => stat?.mode === 0o755),
    apply: async () => [{ kind: 'dir', path: folder, mode: 0o755 }],
    undo: async () => [{ kind: 'remove', path: folder }],
  }),
  step('packages', 'every', {
    brings: () => ({ packages: [{ name: 'cluster-program', version: '2.*' }] }),
    done: (_, world) => has(world, 'packages'),
    apply: async ({ name, facts }) => {
      distributionOf(name, facts);
      return [program('install', 'packages')];
    },
    leaves: say('the packages', '软件包'),
  }),
  step('cluster.make', 'first', {
    done: (_, world) => has(world, 'made'),
    apply: async ({ cluster }) => [
      { kind: 'write', path: `${folder}/config`, mode: 0o600, content: cluster.settings.podSubnet },
      program('make', 'cluster'),
    ],
    undo: async (_, world) => ((await has(world, 'made')) ? [program('unmake', 'cluster')] : []),
  }),
  step('cluster.join', 'joining', {
    after: ['cluster.make'],
    done: (_, world) => has(world, 'joined'),
    apply: async (machine) => [
      { kind: 'run', command: { argv: ['join', machine.name], sudo: true, stdin: token(machine) } },
    ],
    undo: async (_, world) => ((await has(world, 'joined')) ? [program('leave', 'cluster')] : []),
  }),
  step('cluster.labels', 'first', {
    after: ['cluster.join'],
    done: (_, world) => has(world, 'labels'),
    apply: async () => [program('label', 'nodes')],
  }),
];

export interface Simulation {
  readonly world: FakeWorld;
  readonly hosts: Readonly<Record<string, SimulatedHost>>;
  /** By address: keys and refusals. */
  readonly remotes: Record<string, Remote>;
  /** Those of ssh that are not closed. */
  readonly open: { now: number };
  type(line: string): Promise<number>;
  /** All that was shown, in one text. */
  text(): string;
}

export interface SimulationOptions extends FakeOptions {
  /** Default cp, a, b. */
  readonly names?: readonly string[];
  readonly privilege?: Readonly<Record<string, SimulatedOptions['privilege']>>;
  /** Called before each command and each change of a file, on any host. */
  readonly before?: (what: string, host: string) => void;
  readonly latencyMs?: () => number;
  /** What a host answers in place of what it would. */
  readonly programs?: Readonly<Record<string, Readonly<Record<string, Reply>>>>;
  readonly identity?: Readonly<Record<string, { hostname?: string; machineId?: string }>>;
  readonly os?: Readonly<Record<string, string>>;
  /** What a host says that asked its network who has an address: `answers … lladdr …` or `silent`. */
  readonly holder?: string;
}

export const hostsLine = (names: readonly string[]): string =>
  names.map((name, at) => `--host ${name}=10.0.0.${at + 1} --role ${at === 0 ? 'control-plane' : 'worker'}`).join(' ');

export function simulation(options: SimulationOptions = {}): Simulation {
  const { names = ['cp', 'a', 'b'], before } = options;
  const hosts: Record<string, SimulatedHost> = {};
  for (const [at, name] of names.entries()) {
    hosts[name] = simulatedHost({
      name,
      clock: systemClock,
      privilege: options.privilege?.[name] ?? 'root',
      programs: { ...programsOf(name, hosts), ...options.programs?.[name] },
      scripts: (script) => scriptOf(script, name, at, hosts, options),
      ...(options.latencyMs ? { latencyMs: options.latencyMs } : {}),
      ...(before ? { before: (what) => before(what, name) } : {}),
    });
  }
  const byAddress = Object.fromEntries(names.map((name, at) => [`10.0.0.${at + 1}`, { host: hosts[name]! } as Remote]));
  const { ssh, open } = remotes(byAddress);
  const world = fakeWorld({
    ...options,
    ssh,
    clock: systemClock,
    env: { USER: 'ops' },
    commands: [['uname -n', { stdout: 'laptop\n' }], ...(options.commands ?? [])],
  });
  world.folders.set('/work', 0o755);
  return {
    world,
    hosts,
    remotes: byAddress,
    open,
    type: (line) => run(line.split(' '), world.env, () => world, '0.0.0'),
    text: () => [...world.shown, ...world.errors].join('\n'),
  };
}

const touch = (host: SimulatedHost, name: string): void => {
  host.disk.set(`${folder}/${name}`, { content: new Uint8Array(), mode: 0o600, mtimeMs: 0 });
};
const drop = (host: SimulatedHost, name: string): void => void host.disk.delete(`${folder}/${name}`);
const lies = (host: SimulatedHost, name: string): boolean => host.disk.has(`${folder}/${name}`);

function programsOf(name: string, hosts: Record<string, SimulatedHost>): Record<string, Reply> {
  const first = (): SimulatedHost => Object.values(hosts)[0]!;
  const doing =
    (work: (host: SimulatedHost, call: Call) => void): Reply =>
    (call) => {
      work(call.host, call);
      return {};
    };
  return {
    'id -u': ({ root }) => ({ stdout: root ? '0\n' : '1000\n' }),
    'uname -srm': { stdout: 'Linux 6.1.0-30-amd64 x86_64\n' },
    'install packages': doing((host) => touch(host, 'packages')),
    'make cluster': doing((host) => {
      for (const what of ['made', `node-${name}`]) touch(host, what);
    }),
    'unmake cluster': doing((host) => {
      for (const path of host.disk.keys()) if (!/packages$/.test(path)) host.disk.delete(path);
    }),
    'label nodes': doing((host) => touch(host, 'labels')),
    token: () => (lies(first(), 'made') ? { stdout: `${secretToken}\n` } : { code: 1 }),
    [`join ${name}`]: ({ host, stdin }) => {
      if (stdin !== secretToken) return { code: 1, stderr: 'no such token\n' };
      touch(host, 'joined');
      touch(first(), `node-${name}`);
      return {};
    },
    'leave cluster': doing((host) => drop(host, 'joined')),
    ...kubectl(hosts),
  };
}

/** What the API of the first host knows: who joined and was not deleted. */
const nodesOf = (hosts: Record<string, SimulatedHost>): string[] =>
  Object.keys(hosts).filter((name) => lies(Object.values(hosts)[0]!, `node-${name}`));

const conditions = [{ type: 'Ready', status: 'True' }];
const nodeInfo = { kubeletVersion: 'v1.36.4' };

const nodeLines = (names: readonly string[]): string =>
  names.map((name) => `${name}\t{}\t\t\t${JSON.stringify(nodeInfo)}\t${JSON.stringify(conditions)}\t{}\n`).join('');

function kubectl(hosts: Record<string, SimulatedHost>): Record<string, Reply> {
  const words = 'kubectl --kubeconfig /etc/kubernetes/admin.conf';
  const first = (): SimulatedHost => Object.values(hosts)[0]!;
  const ofNode = (name: string): [string, Reply][] => [
    [
      `${words} get node ${name}`,
      () => {
        const state = lies(first(), `drained-${name}`) ? 'true true' : ' ';
        return { stdout: nodesOf(hosts).includes(name) ? `${name} ${state}` : '' };
      },
    ],
    [`${words} drain ${name}`, {}],
    [
      `${words} annotate node ${name}`,
      () => {
        touch(first(), `drained-${name}`);
        return {};
      },
    ],
    [
      `${words} delete node ${name}`,
      () => {
        for (const what of [`node-${name}`, `drained-${name}`]) drop(first(), what);
        return {};
      },
    ],
  ];
  const asked = (answer: () => string): Reply => {
    return () => (lies(first(), 'made') ? { stdout: answer() } : { code: 1, stderr: 'connection refused\n' });
  };
  return {
    ...Object.fromEntries(['cp', 'a', 'b'].flatMap(ofNode)),
    [`${words} get --raw /readyz`]: asked(() => 'ok'),
    [`${words} get --raw /version`]: asked(() => '{"gitVersion": "v1.36.4"}'),
    [show({ ...nodesCommand, sudo: false })]: asked(() => nodeLines(nodesOf(hosts))),
  };
}

const section = (id: string, text: string): string =>
  `=== ${id}\n${text
    .split('\n')
    .map((line) => ` ${line}\n`)
    .join('')}=== /${id} 0.\n`;

const addressOf = (at: number): string => `2: eth0    inet 10.0.0.${at + 1}/24 brd 10.0.0.255 scope global eth0`;

function scriptOf(
  script: string,
  name: string,
  at: number,
  hosts: Record<string, SimulatedHost>,
  { identity, os, holder }: SimulationOptions,
): Reply | undefined {
  if (script === lockScript) return lock;
  if (script === seeLockScript) return seeLock;
  if (script.includes('section objects')) return () => ({ stdout: at === 0 ? api(hosts) : '' });
  if (script.includes('section identity')) {
    const { hostname = name, machineId = `${at + 1}`.repeat(32) } = identity?.[name] ?? {};
    return {
      stdout:
        section('identity', `host: ${hostname}\nmachine: ${machineId}\nmac eth0 52:54:00:00:00:0${at + 1}`) +
        section('addresses', addressOf(at)),
    };
  }
  if (script.includes('section addresses')) return { stdout: section('addresses', addressOf(at)) };
  if (script.includes('/etc/os-release')) {
    return { stdout: os?.[name] ?? 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n' };
  }
  if (holder !== undefined && script.includes('neigh show')) return { stdout: `${holder}\n` };
  // What else is asked has no answer here, and that is no fault.
  if (/^(LC_ALL=C|command -v|cat |section|for |grep |systemd|head)/.test(script) || script.includes('section '))
    return { code: 127 };
  return undefined;
}

function api(hosts: Record<string, SimulatedHost>): string {
  const first = Object.values(hosts)[0]!;
  if (!lies(first, 'made')) return '';
  const items = nodesOf(hosts).map((name) => ({
    kind: 'Node',
    metadata: { name },
    status: { conditions, nodeInfo },
  }));
  return section('api', 'ok\nversion: 1.36.4') + section('objects', JSON.stringify({ items }));
}

function seeLock({ host, args: [home] }: Call): { stdout: string } {
  const file = host.disk.get(`${home}/lock`);
  if (file === undefined) return { stdout: '' };
  return { stdout: `${Math.round((Date.now() - file.mtimeMs) / 1000)}\n${new TextDecoder().decode(file.content)}\n` };
}

/** As the script does it, which has a test of its own. */
function lock({ host, args: [home, verb, id, stale, dead], stdin }: Call): { code?: number; stdout?: string } {
  const path = `${home}/lock`;
  const file = host.disk.get(path);
  const held = file && new TextDecoder().decode(file.content);
  const age = file ? Math.round((Date.now() - file.mtimeMs) / 1000) : 0;
  const is = (one: string | undefined): boolean => Boolean(one) && held?.includes(`"id":"${one}"`) === true;
  const told = `${age}\n${held ?? ''}\n`;
  if (!host.folders.has(home!)) host.folders.set(home!, 0o700);
  if (verb === 'free' && is(id)) host.disk.delete(path);
  if (verb === 'beat') return is(id) ? {} : { code: 65, stdout: told };
  if (verb !== 'take') return {};
  if (held !== undefined && !is(id) && !is(dead) && age < Number(stale)) return { code: 65, stdout: told };
  host.disk.set(path, { content: new TextEncoder().encode(stdin.trim()), mode: 0o600, mtimeMs: Date.now() });
  return held === undefined || is(id) ? {} : { stdout: told };
}
