/** What a reset takes of the networks' files, by the script itself, in folders of its own. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { networkFilesScript } from '../../src/steps/kubeadm-init.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/dd-networks-`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const put = (...paths: readonly string[]): void => {
  for (const path of paths) {
    mkdirSync(dirname(`${root}/${path}`), { recursive: true });
    writeFileSync(`${root}/${path}`, '');
  }
};
const reset = (): string =>
  execFileSync('sh', ['-c', networkFilesScript(`${root}/etc`, `${root}/state`, 'echo alone')], { encoding: 'utf8' });
const left = (folder: string): readonly string[] => readdirSync(`${root}/${folder}`, { recursive: true }).map(String);

const own = [
  'etc/10-flannel.conflist',
  'etc/10-calico.conflist',
  'etc/calico-kubeconfig',
  'state/networks/cbr0/10.244.0.2',
  'state/results/cbr0-1-eth0',
  'state/flannel/1',
] as const;

it('takes all where no other network is, but for the folder of the files', () => {
  put(...own, 'state/results/cni-loopback-1-lo');
  expect(reset()).toBe('alone\n');
  expect(left('etc')).toEqual([]);
  expect(existsSync(`${root}/state`)).toBe(false);
});

it('leaves what containers of podman have', () => {
  put(...own, 'etc/87-podman-bridge.conflist', 'state/networks/podman/10.88.0.2', 'state/results/podman-1-eth0');
  expect(reset()).toBe('');
  expect(left('etc')).toEqual(['87-podman-bridge.conflist']);
  expect([...left('state')].sort()).toEqual(
    ['networks', 'networks/podman', 'networks/podman/10.88.0.2', 'results', 'results/podman-1-eth0'].sort(),
  );
});

it('is content with a host where nothing was', () => {
  expect(reset()).toBe('alone\n');
});
