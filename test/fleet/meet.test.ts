import { describe, expect, it } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import { meetHosts } from '../../src/fleet/meet.js';
import { type Fleet, openHosts } from '../../src/fleet/open.js';
import { sudoPassword } from '../../src/fleet/password.js';
import { systemClock } from '../../src/hosts/clock.js';
import { type FakeOptions, type FakeWorld, fakeWorld } from '../world/fake.js';
import { type SimulatedOptions, simulatedHost } from '../world/host.js';
import { type Remote, remotes } from '../world/remotes.js';

const { config } = merge(
  await load(
    `version: 1
hosts:
  machines:
    a: {address: 10.0.0.1, roles: [control-plane], user: ops, port: 2222}
    b: {address: 10.0.0.2}
    c: {address: 10.0.0.3, bastion: {address: jump}}
`,
    'f',
  ),
  [],
);

const host = (name: string, privilege: SimulatedOptions['privilege'] = 'root'): Remote => ({
  host: simulatedHost({ name, clock: systemClock, privilege, programs: { 'id -u': { stdout: '0\n' } } }),
});

async function fleetOf(all: Record<string, Remote>, options: FakeOptions = {}): Promise<[Fleet, FakeWorld]> {
  const world = fakeWorld({ ...options, ssh: remotes(all).ssh });
  return [await openHosts(config, world), world];
}

const three = () => ({ '10.0.0.1': host('a'), '10.0.0.2': host('b'), '10.0.0.3': host('c') }) as Record<string, Remote>;

describe('hosts are opened', () => {
  it('as the configuration says, and with the password of sudo', async () => {
    const seen = remotes(three());
    const password = { name: 'sudo-password', get: async () => 'x' };
    const { hosts, parallel } = await openHosts(config, fakeWorld({ ssh: seen.ssh }), { sudoPassword: password });
    expect(parallel).toBe(10);
    expect(hosts.map(({ name, roles }) => [name, ...roles])).toEqual([
      ['a', 'control-plane'],
      ['b', 'worker'],
      ['c', 'worker'],
    ]);
    expect(seen.targets).toEqual([
      { name: 'a', address: '10.0.0.1', user: 'ops', port: 2222, sudoPassword: password },
      { name: 'b', address: '10.0.0.2', sudoPassword: password },
      { name: 'c', address: '10.0.0.3', bastion: { address: 'jump' }, sudoPassword: password },
    ]);
  });

  it('each with a world of its own', async () => {
    const all = three();
    const [{ hosts }] = await fleetOf(all);
    await hosts[1]!.world.files.write('/etc/x', 'here');
    expect(await all['10.0.0.2']!.host.read('/etc/x')).toBe('here');
    expect(hosts[1]!.world.places.home).toBe('/var/lib/deepseek-deploy');
  });
});

describe('the first word', () => {
  it('asks about unknown keys once, all together', async () => {
    const all = three();
    for (const address of ['10.0.0.2', '10.0.0.3']) all[address]!.key = 'strange';
    const [fleet, world] = await fleetOf(all, { interactive: true, answers: { 'the keys of your machines': true } });
    await meetHosts(fleet, world);
    expect(world.shown).toEqual([
      'Met for the first time, with these host keys:',
      '  b  10.0.0.2  ssh-ed25519  SHA256:b',
      '  c  10.0.0.3  ssh-ed25519  SHA256:c',
      '? Are these the keys of your machines?',
    ]);
  });

  it('trusts nobody after a no, nor where nobody can be asked', async () => {
    for (const interactive of [true, false]) {
      const all = three();
      all['10.0.0.2']!.key = 'strange';
      const [fleet, world] = await fleetOf(all, { interactive });
      await expect(meetHosts(fleet, world)).rejects.toMatchObject({
        id: interactive ? 'interrupted' : 'ssh.host-key-unknown',
      });
      expect(all['10.0.0.2']!.key).toBe('strange');
    }
  });

  it('shows the fingerprints where nobody can be asked', async () => {
    const all = three();
    all['10.0.0.2']!.key = 'strange';
    const [fleet, world] = await fleetOf(all);
    await expect(meetHosts(fleet, world)).rejects.toMatchObject({
      details: [{ en: expect.stringContaining('SHA256:b') }],
    });
  });

  const faults: Readonly<Record<string, (all: Record<string, Remote>) => void>> = {
    'ssh.unreachable': (all) => {
      delete all['10.0.0.2'];
    },
    'ssh.denied': (all) => {
      all['10.0.0.2']!.refuses = true;
    },
    'ssh.host-key-changed': (all) => {
      all['10.0.0.2']!.key = 'changed';
    },
    'ssh.timeout': (all) => {
      all['10.0.0.2']!.host.power = 'off';
    },
    'sudo.not-allowed': (all) => {
      all['10.0.0.2'] = host('b', 'none');
    },
  };

  it.each(Object.keys(faults))('%s', async (id) => {
    const all = three();
    faults[id]!(all);
    const [fleet, world] = await fleetOf(all, { interactive: true });
    await expect(meetHosts(fleet, world)).rejects.toMatchObject({ id, exit: 'unready' });
  });

  it('tells all that fail, also those with unknown keys', async () => {
    const all = three();
    all['10.0.0.1']!.refuses = true;
    all['10.0.0.2']!.key = 'strange';
    all['10.0.0.3']!.host.power = 'off';
    const [fleet, world] = await fleetOf(all, { interactive: true });
    await expect(meetHosts(fleet, world)).rejects.toMatchObject({ id: 'hosts.failed', details: { length: 3 } });
    expect(world.shown).toEqual([]);
  });
});

describe('the password of sudo', () => {
  it('is typed, or is the first line of standard input', async () => {
    expect(await (await sudoPassword(fakeWorld({ answers: { Password: 'typed' } }))).get()).toBe('typed');
    expect(await (await sudoPassword(fakeWorld({ stdin: 'piped\nmore' }))).get()).toBe('piped');
    await expect(sudoPassword(fakeWorld())).rejects.toMatchObject({ id: 'sudo.no-password' });
  });
});
