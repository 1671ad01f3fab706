/** kubeadm itself reads what we tell it, strictly. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import { type ClusterWish, initText, joinText } from '../../src/install/kubeadm.js';
import { builtPrograms } from './control-plane.js';

const programs = builtPrograms();
const { config } = merge(await load('version: 1\n', 'deepseek.yaml'), []);
const wishes: readonly Partial<ClusterWish>[] = [
  {},
  { keepConntrack: true, systemdCgroup: false, settings: { ...config.kubernetes, allowCgroupV1: true } },
  { settings: { ...config.kubernetes, proxyMode: 'nftables' } },
];
const cluster = (wish: Partial<ClusterWish>): ClusterWish => ({
  settings: config.kubernetes,
  endpoint: '10.0.0.1:6443',
  systemdCgroup: true,
  keepConntrack: false,
  ...wish,
});
const node = { name: 'n', address: '10.0.0.1', roles: ['control-plane', 'storage'], open: false } as const;
const secrets = { token: 'abcdef.0123456789abcdef', caCertHash: `sha256:${'a'.repeat(64)}` };

describe.skipIf(!programs)('kubeadm', () => {
  const said = (text: string): string => {
    const folder = mkdtempSync(`${tmpdir()}/dd-kubeadm-`);
    writeFileSync(`${folder}/config`, text);
    const words = ['config', 'validate', '--config', `${folder}/config`];
    const { stdout, stderr } = spawnSync(`${programs}/kubeadm`, words, { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    return stdout + stderr;
  };

  it.each(wishes)('takes our words for init: %j', (wish) => {
    expect(said(initText(node, cluster(wish)))).toBe('ok\n');
  });

  it.each(wishes)('takes our words for join: %j', (wish) => {
    expect(said(joinText(node, cluster(wish), secrets))).toBe('ok\n');
    expect(said(joinText(node, cluster(wish), { ...secrets, certificateKey: 'f'.repeat(64) }))).toBe('ok\n');
  });

  it('would refuse what it does not know', () => {
    expect(said(initText(node, cluster({})).replace('podSubnet', 'podSubnets'))).toMatch(/unknown field/);
  });
});
