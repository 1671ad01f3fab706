/** Test hosts reboot, go and come as machines do: what is tested with them stands on this. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { sh } from '../hosts-contract/contract.js';
import { type Machines, machines } from './machines.js';

let one: Machines;
let ssh: Ssh;
let host: SshHost;

beforeAll(async () => {
  one = await machines(1);
  ssh = openSsh(one.settings, process.env);
  host = ssh.host(one.hosts[0]!.target());
});
afterAll(async () => {
  await ssh?.close();
  await one?.close();
});

const bootId = async (): Promise<string> => (await host.run(sh('cat /proc/sys/kernel/random/boot_id'))).stdout.trim();
const until = async (so: () => boolean): Promise<void> => {
  while (!so()) await new Promise((resolve) => setTimeout(resolve, 100));
};

it('reboots by itself, keeps its files, and has another boot id', async () => {
  const machine = one.hosts[0]!;
  const before = await bootId();
  await host.run(sh('echo kept >/etc/kept; echo gone >/run/gone; (sleep 0.5; systemctl reboot) >/dev/null 2>&1 &'));
  await until(() => machine.boots === 2);
  await host.disconnect();
  expect(await bootId()).not.toBe(before);
  expect((await host.run(sh('cat /etc/kept; ls /run/gone 2>/dev/null'))).stdout).toBe('kept\n');
  expect(
    (await host.run(sh('stat -fc %T /sys/fs/cgroup/memory; systemctl is-system-running --wait'))).stdout,
  ).toContain('running');
});

it('is off after a poweroff or a power cut until it is switched on', async () => {
  const machine = one.hosts[0]!;
  await host.run(sh('(sleep 0.3; systemctl poweroff -ff) >/dev/null 2>&1 &'));
  const off = machine.leader;
  await until(() => {
    try {
      return !process.kill(off, 0);
    } catch {
      return true;
    }
  });
  await host.disconnect();
  await expect(host.connect()).rejects.toMatchObject({ id: expect.stringMatching(/^ssh\./) });
  await machine.powerOn();
  expect((await host.run(sh('cat /etc/kept'))).stdout).toBe('kept\n');
  machine.cutPower();
  await host.disconnect();
  await machine.powerOn();
  expect((await host.run(sh('cat /etc/kept'))).stdout).toBe('kept\n');
  expect(machine.boots).toBe(4);
});
