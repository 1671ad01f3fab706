/** `init --kubeconfig` over a cluster that stands already: a real API server, one node that nobody runs. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.js';
import { realWorld } from '../../src/hosts/world.js';
import type { World } from '../../src/world.js';
import { builtPrograms, type ControlPlane, controlPlane, etcdPath } from './control-plane.js';

const programs = builtPrograms();

describe.skipIf(!programs || !etcdPath)('a cluster that others made', () => {
  let plane: ControlPlane;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/dd-existing-`);
    process.env.PATH = `${programs}:${process.env.PATH}`;
    plane = await controlPlane(programs!);
  }, 120_000);
  afterAll(async () => {
    await plane?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function type(line: string): Promise<{ code: number; text: string }> {
    const shown: string[] = [];
    const open = (manner: { lang: 'en' | 'zh'; json: boolean; yes: boolean }): World => {
      const world = realWorld(manner, process.cwd(), new AbortController());
      const keep = (words: string): void => void shown.push(words);
      const line = (words: Parameters<World['ui']['line']>[0] = '') =>
        keep(typeof words === 'string' ? words : world.ui.text(words));
      const places = { ...world.places, home: `${folder}/home` };
      return { ...world, places, cwd: folder, ui: { ...world.ui, interactive: false, line, error: keep, out: keep } };
    };
    return { code: await run(line.split(' '), process.env, open, '0.0.0'), text: shown.join('\n') };
  }

  const status = (ready: boolean): void => {
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False', reason: 'KubeletNotReady', message: 'cni' }];
    const patch = JSON.stringify({
      status: { conditions, capacity: { 'nvidia.com/gpu': '8' }, allocatable: { 'nvidia.com/gpu': '8' } },
    });
    plane.kubectl('patch', 'node', 'gpu-1', '--subresource=status', '--type=merge', '-p', patch);
  };

  it('is looked at, and remembered', async () => {
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    const node = JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'gpu-1' } });
    execFileSync(`${programs}/kubectl`, ['--kubeconfig', plane.kubeconfig, 'create', '-f', '-'], { input: node });
    status(true);
    const told = await type(`init --target kubernetes --kubeconfig ${plane.kubeconfig} --yes`);
    expect(told.text).toMatch(/default \(kubernetes 1\.36\.4\)/);
    expect(told.text).toMatch(/gpu-1 +● ready .*8 GPU/);
    expect(told.text).toContain('nothing is installed on it');
    expect(JSON.parse(readFileSync(`${folder}/home/cluster.json`, 'utf8'))).toMatchObject({
      kubeconfig: plane.kubeconfig,
    });
    expect((await type('init --yes')).text).toContain('gpu-1');
  });

  it('status tells of a node that is not ready', async () => {
    status(false);
    const told = await type('status --json');
    expect(told.code).toBe(1);
    expect(JSON.parse(told.text)).toMatchObject({
      state: 'degraded',
      machines: [{ name: 'gpu-1', state: 'not-ready', gpus: 8 }],
    });
  });

  it('is not ours to change', async () => {
    expect(await type('reset --cluster default --yes')).toMatchObject({ code: 2 });
    expect(await type('node remove gpu-1 --yes')).toMatchObject({ code: 2 });
  });

  it('one that does not answer is told', async () => {
    const told = await type(`init --target kubernetes --kubeconfig ${folder}/none --yes`);
    expect(told).toMatchObject({ code: 2 });
    await plane.close();
    const silent = await type('status');
    expect(silent).toMatchObject({ code: 2 });
  });
});
