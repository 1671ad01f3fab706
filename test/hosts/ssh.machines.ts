/** The contract and the ways to root, on real hosts with their own systemd, sshd and sudo. */
import { spawn, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh } from '../../src/hosts/ssh.js';
import { allDone, many } from '../../src/plan/many.js';
import { contract, sh } from '../hosts-contract/contract.js';
import { type Machines, machines, newTraces } from './machines.js';

let three: Machines;
let ssh: Ssh;

beforeAll(async () => {
  three = await machines(3);
  ssh = openSsh(three.settings, process.env);
  console.log(`three hosts answer after ${Math.round(three.bootMs / 100) / 10} s`);
});

afterAll(async () => {
  await ssh?.close();
  await three?.close();
  expect(newTraces()).toEqual([]);
});

/** @param user who logs in on the first host */
const subject = (user: 'root' | 'free') => async () => {
  const host = ssh.host(three.hosts[0]!.target(user));
  const folder = (await host.run({ argv: ['mktemp', '-d', '/tmp/dd-work-XXXXXX'] })).stdout.trim();
  return {
    host,
    folder,
    // Its processes are in a namespace of their own; this machine's /proc numbers them otherwise.
    real: false,
    root: user === 'root',
    slack: 3000,
    close: async () => void (await host.run({ argv: ['rm', '-rf', folder] })),
  };
};

contract('a host, as root', subject('root'));
contract('a host, as a user whose sudo asks nothing', subject('free'));

describe('the ways to root', () => {
  const password = (text: string) => ({ sudoPassword: { name: 'sudo-password', get: async () => text } });
  const whoami = { ...sh('id -u; cat'), sudo: true, stdin: 'input\n' };
  const as = (user: 'free' | 'asks' | 'stranger', more = {}) => ssh.host({ ...three.hosts[1]!.target(user), ...more });

  it.each([
    ['free', {}],
    ['free', password('not asked for')],
    ['asks', password('right one')],
  ] as const)('%s becomes root', async (user, more) => {
    expect(await as(user, more).run(whoami)).toEqual({ code: 0, stdout: '0\ninput\n', stderr: '' });
  });

  it.each([
    ['asks', {}, 'sudo.password-needed'],
    ['asks', password('wrong'), 'sudo.wrong-password'],
    ['stranger', {}, 'sudo.password-needed'],
    ['stranger', password('any'), 'sudo.wrong-password'],
  ] as const)('%s (%j) does not: %s', async (user, more, id) => {
    await expect(as(user, more).run(whoami)).rejects.toMatchObject({ name: 'UserError', id });
  });

  it('what runs as root ends with its time, all of it', async () => {
    const host = as('asks', password('right one'));
    const result = await host.run({ ...sh('sleep 4321 & sleep 4321; true'), sudo: true, timeoutMs: 500 });
    expect(result.code).toBe(124);
    expect((await host.run(sh('pgrep -c -f "sleep [4]321"'))).stdout).toBe('0\n');
  });

  it('writes files of root', async () => {
    const host = as('asks', password('right one'));
    await host.put('/etc/dd-test', 'secret', { sudo: true, owner: 'root:root' });
    expect((await host.run({ argv: ['stat', '-c', '%a %U', '/etc/dd-test'] })).stdout).toBe('600 root\n');
    await expect(host.read('/etc/dd-test')).rejects.toMatchObject({ id: 'file.read' });
    expect(await host.read('/etc/dd-test', { sudo: true })).toBe('secret');
  });
});

describe('three hosts', () => {
  it('are told apart, at once', async () => {
    const facts =
      'hostname; cat /etc/machine-id; systemctl is-system-running --wait || true; ls /etc/ssh/ssh_host_ed25519_key.pub';
    const hosts = three.hosts.map((machine) => ssh.host(machine.target()));
    const outcomes = await many(hosts, 3, (host) => host.run({ ...sh(facts), timeoutMs: 60_000 }));
    const found = allDone(outcomes).map(({ stdout }) => stdout.split('\n'));
    expect(found.map(([name]) => name)).toEqual(['host-1', 'host-2', 'host-3']);
    expect(new Set(found.map(([, id]) => id)).size).toBe(3);
    expect(found.map(([, , state]) => state)).toEqual(['running', 'running', 'running']);
  });

  it('one that is switched off is told so, the others do their work', async () => {
    const off = three.hosts[2]!;
    const hosts = three.hosts.map((machine) => ssh.host(machine.target()));
    await hosts[2]!.run({ argv: ['systemctl', 'poweroff'] }).catch(() => {});
    for (let i = 0; i < 150 && alive(off.leader); i += 1) await new Promise((resolve) => setTimeout(resolve, 100));
    const patient = openSsh({ ...three.settings, connectTimeoutS: 2 }, process.env);
    try {
      const again = three.hosts.map((machine) => patient.host(machine.target()));
      const outcomes = await many(again, 3, (host) => host.run({ argv: ['hostname'] }));
      expect(outcomes.map(({ state }) => state)).toEqual(['done', 'done', 'failed']);
      expect(outcomes[2]).toMatchObject({ error: { id: expect.stringMatching(/^ssh\.(unreachable|timeout)$/) } });
    } finally {
      await patient.close();
    }
  });
});

describe('afterwards', () => {
  const up = (count: number) =>
    `${import.meta.dirname}/up ${count} ${three.settings.configFile!.replace('ssh_config', 'id.pub')}`;

  /** A shell that holds the other end of its input, and can be killed without a chance to tidy up. */
  const oneMore = async (): Promise<number> => {
    const holder = spawn('bash', ['-c', `sleep 600 | (exec ${up(1)})`], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise<void>((resolve) =>
      holder.stdout!.on('data', (text) => String(text).includes('ready') && resolve()),
    );
    return holder.pid!;
  };

  it('nothing is left when whoever started the hosts is killed', async () => {
    const before = newTraces();
    const holder = await oneMore();
    expect(newTraces().length).toBeGreaterThan(before.length);
    for (const pid of children(holder, '-x', 'sleep')) process.kill(pid, 'SIGKILL');
    for (let i = 0; i < 150 && newTraces().length > before.length; i += 1)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(newTraces()).toEqual(before);
  });

  it('what is left when all of it is killed at once goes with the next that start', async () => {
    const before = newTraces();
    const doomed = family(await oneMore());
    for (const signal of ['SIGSTOP', 'SIGKILL'] as const)
      for (const pid of doomed) if (alive(pid)) process.kill(pid, signal);
    expect(newTraces().length).toBeGreaterThan(before.length);
    spawnSync('bash', ['-c', `sleep 3 | ${up(0)}`]);
    expect(newTraces()).toEqual(before);
  });
});

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function children(parent: number, ...narrower: string[]): number[] {
  const found = spawnSync('pgrep', ['-P', String(parent), ...narrower], { encoding: 'utf8' }).stdout;
  return found.split('\n').filter(Boolean).map(Number);
}

const family = (root: number): number[] => [root, ...children(root).flatMap(family)];
