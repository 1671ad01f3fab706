/** The driver installed for real, of played packages: the host reboots in the middle, and the run goes on, or the next one. */
import { readFileSync, rmSync } from 'node:fs';
import { release } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SshHost } from '../../src/hosts/ssh.js';
import { kubectl } from '../../src/steps/at-node.js';
import { sh } from '../hosts-contract/contract.js';
import { cli, type Told } from './cli.js';
import { brokenCompiler, driverPackages, giveBoards, lazyDkms } from './gpu.js';
import type { Machine } from './machines.js';
import { built, type Stage, stage } from './stage.js';

describe.skipIf(!built)('a control plane, and a worker whose boards have no driver', () => {
  let two: Stage;
  let worker: Machine;
  let host: SshHost;
  let packages: string;
  /** The driver alone, and whole installs. */
  let driverOnly: ReturnType<typeof cli>;

  beforeAll(async () => {
    packages = driverPackages(release());
    two = await stage(2, { settings: 'driver: install', driver: packages });
    [, worker] = two.machines as [Machine, Machine];
    [, host] = two.hosts as [SshHost, SshHost];
    driverOnly = cli(`${import.meta.dirname}/driver-main.ts`, two.folder);
    await giveBoards(host);
  });
  afterAll(async () => {
    await two?.close();
    if (packages) rmSync(packages, { recursive: true, force: true });
  });

  const there = async (script: string): Promise<string> => {
    await host.disconnect();
    return (await host.run({ ...sh(script), sudo: true, timeoutMs: 120_000 })).stdout.trim();
  };
  const answers = (): Promise<string> => there('nvidia-smi -L >/dev/null 2>&1; echo $?');
  const isAway = async (): Promise<void> => {
    const { leader } = worker;
    for (;;) {
      try {
        process.kill(leader, 0);
      } catch {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const shown = (what: string, told: Told): void =>
    console.log(`${what}: ${told.code}, ${(told.ms / 1000).toFixed(1)} s`);

  it('whose next kernel has no headers in the repositories is told so, and not rebooted', async () => {
    await there('touch /boot/vmlinuz-99.9-played');
    const told = await driverOnly('init --yes');
    shown('no headers', told);
    expect(told.text).toContain('the repositories have nothing for its kernel 99.9-played any more');
    expect(told.text).toContain('Upgrade the kernel there and reboot');
    expect(worker.boots).toBe(1);
    await there('rm /boot/vmlinuz-99.9-played');
  }, 200_000);

  it('whose module cannot be built is told so, and not rebooted', async () => {
    await there(`touch ${brokenCompiler}`);
    const told = await driverOnly('init --yes');
    shown('no module', told);
    expect(told.code).toBe(4);
    expect(told.text).toContain(`the driver's module could not be built for the kernel ${release()}`);
    expect(told.text).toContain('Bad return status for module build');
    expect(worker.boots).toBe(1);
    await there(`rm ${brokenCompiler}`);
  }, 200_000);

  it('is rebooted once, though the run is killed while it is away', async () => {
    const killed = await driverOnly('init --yes', { killOnce: isAway() });
    expect(killed.code, killed.text).toBeNull();
    let told = await driverOnly('init --yes');
    // It may still be away; then nothing is touched.
    for (let tries = 0; told.code === 3 && tries < 20; tries += 1) told = await driverOnly('init --yes');
    shown('after the kill', told);
    expect(await answers()).toBe('0');
    expect(worker.boots).toBe(2);
    const again = await driverOnly('init --yes');
    expect(again.text).toContain('Nothing to change.');
    expect(await there('apt-mark showhold')).toMatch(/nvidia-open/);
  }, 300_000);

  it('becomes a GPU node by one run, which goes on by itself after the reboot', async () => {
    // As it was, but for DKMS, which skips the kernel this time.
    await there(`touch ${lazyDkms}; apt-get purge -y --allow-change-held-packages 'nvidia-*' >/dev/null
      rm -rf /var/lib/played-* /etc/modprobe.d/deepseek-deploy*; systemctl daemon-reload`);
    worker.cutPower();
    await worker.powerOn();
    expect(await answers()).toBe('127');
    const { boots } = worker;
    const told = await two.type('init --yes');
    shown('init', told);
    expect(told.code, told.text).toBe(0);
    expect(worker.boots).toBe(boots + 1);
    const gpus = ['get', 'node', 'host-2', '-o', 'jsonpath={.status.allocatable.nvidia\\.com/gpu}'];
    expect((await two.hosts[0]!.run(kubectl(gpus))).stdout).toBe('2');
    const journal = readFileSync(`${two.folder}/home/journal.ndjson`, 'utf8');
    expect(journal).toMatch(/"step":"nvidia.driver","event":"action","action":"wait for the host to start anew/);
    const again = await two.type('init --yes');
    shown('again', again);
    expect(again.text).toContain('Nothing to change.');
    expect(worker.boots).toBe(boots + 1);
  }, 900_000);

  it('whose driver doctor finds well', async () => {
    const { text } = await two.type('doctor --json --only driver,gpu');
    const { hosts } = JSON.parse(text) as { hosts: { name: string; checks: { id: string; state: string }[] }[] };
    const of = hosts.find(({ name }) => name === 'host-2')!.checks;
    expect(of.filter(({ state }) => state === 'failed')).toEqual([]);
    expect(of.find(({ id }) => id === 'driver.built')).toMatchObject({ state: 'ok' });
  }, 120_000);
});
