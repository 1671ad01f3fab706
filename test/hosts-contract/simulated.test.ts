import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/hosts/clock.js';
import { type Call, type Reply, simulatedHost } from '../world/host.js';
import { contract, scripts, sh } from './contract.js';

/** What the contract's scripts do, in the simulated host's own way. */
const programs: Record<string, Reply> = {
  [scripts.emit]: ({ args: [stdout = '', stderr = '', code] }) => ({ stdout, stderr, code: Number(code) }),
  [scripts.variable]: ({ env }) => ({ stdout: env.DD_VALUE ?? '' }),
  [scripts.folder]: ({ cwd }) => ({ stdout: `${cwd}\n` }),
  [scripts.copy]: ({ stdin }) => ({ stdout: stdin }),
  [scripts.count]: ({ stdin }) => ({ stdout: `${Buffer.byteLength(stdin)}\n` }),
  [scripts.die]: { code: 137 },
  [scripts.whoami]: ({ root }) => ({ stdout: root ? '0\n' : '1000\n' }),
  [scripts.slow]: async (call: Call) => {
    call.out('one\n');
    call.err('two\n');
    await call.sleep(Number(call.args[0]) * 1000);
    return { stdout: 'three\n' };
  },
  [scripts.loud]: {
    stdout: Array.from({ length: 20_000 }, (_, i) => `line ${i} of a command that has much to say\n`).join(''),
  },
};

contract('the simulated host', async () => {
  const host = simulatedHost({ clock: systemClock, programs });
  host.folders.set('/tmp/work', 0o700);
  return { host, folder: '/tmp/work', real: false, root: true, slack: 500, close: async () => {} };
});

describe('the simulated host alone', () => {
  const host = (privilege: 'root' | 'sudo' | 'none' = 'root') =>
    simulatedHost({ clock: systemClock, programs, privilege, name: 'w-1' });

  it('does not let a command pass that nobody expects', async () => {
    await expect(host().run({ argv: ['rm', '-rf', '/'] })).rejects.toThrow('nobody expected this command: rm -rf /');
  });

  it('keeps mode and owner of what was put', async () => {
    const one = host();
    await one.put('/etc/a', 'x', { mode: 0o644, owner: 'root:adm' });
    await one.put('/etc/b', 'x');
    expect(one.disk.get('/etc/a')).toMatchObject({ mode: 0o644, owner: 'root:adm' });
    expect(await one.read('/etc/a')).toBe('x');
    expect(one.disk.get('/etc/b')?.mode).toBe(0o600);
  });

  it('fails as a real one does: switched off, cut, without sudo', async () => {
    const one = host();
    one.power = 'off';
    await expect(one.run(sh(scripts.copy))).rejects.toMatchObject({ id: 'ssh.timeout' });
    one.power = 'cut';
    await expect(one.run(sh(scripts.copy))).rejects.toMatchObject({ id: 'ssh.lost' });
    expect((await one.run(sh(scripts.copy))).code).toBe(0);
    await expect(host('none').run({ ...sh(scripts.copy), sudo: true })).rejects.toMatchObject({
      id: 'sudo.not-allowed',
    });
    expect((await host('sudo').run({ ...sh(scripts.whoami), sudo: true })).stdout).toBe('0\n');
    expect((await host('sudo').run(sh(scripts.whoami))).stdout).toBe('1000\n');
  });
});
