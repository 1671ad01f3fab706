/** What the steps ask of the API, as a real kubectl prints what a real API server says. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flannel } from '../../src/manifests/flannel.js';
import { localPath } from '../../src/manifests/local-path.js';
import { documentsOf } from '../../src/manifests/object.js';
import { isHeld, manager } from '../../src/steps/held.js';
import { isReady, nodesCommand, readNodes } from '../../src/steps/nodes.js';
import { hasBegun, isComplete, readRollout, workloadsCommand } from '../../src/steps/workloads.js';
import type { World } from '../../src/world.js';
import { builtPrograms, type ControlPlane, controlPlane, etcdPath } from './control-plane.js';

const programs = builtPrograms();

const flannelSet = { namespace: 'kube-flannel', name: 'daemonset/kube-flannel' };
const provisioner = { namespace: 'local-path-storage', name: 'deployment/local-path-provisioner' };

describe.skipIf(!programs || !etcdPath)('a real API server', () => {
  let plane: ControlPlane;
  /** Behind the kubeconfig of the commands. */
  const ask = ({ argv }: typeof nodesCommand): string => plane.kubectl(...argv.slice(3));
  const give = (words: readonly string[], input: string): string =>
    execFileSync(`${programs}/kubectl`, ['--kubeconfig', plane.kubeconfig, ...words], { input, encoding: 'utf8' });

  beforeAll(async () => {
    plane = await controlPlane(programs!);
    const labels = { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/os': 'linux' };
    const taints = [{ key: 'deepseek-deploy.io/storage', effect: 'NoSchedule' }];
    give(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'a', labels } }));
    give(
      ['create', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'b', labels }, spec: { taints } }),
    );
    const capacity = { cpu: '8', memory: '8Gi', pods: '110', 'nvidia.com/gpu': '2' };
    const conditions = [{ type: 'Ready', status: 'True', message: 'a\ttab and\na line end' }];
    const nodeInfo = { machineID: 'id-of-a', kubeletVersion: 'v1.36.4' };
    const status = { capacity, allocatable: capacity, conditions, nodeInfo };
    plane.kubectl('patch', 'node', 'a', '--subresource=status', '-p', JSON.stringify({ status }));
    for (const objects of [flannel({ podSubnet: '10.244.0.0/16', nftables: false }), localPath()])
      give(['apply', '--server-side', manager, '-f', '-'], documentsOf(objects));
  });
  afterAll(() => plane?.close());

  it('says of all at once whether something of it differs', async () => {
    const run = async ({ argv, stdin }: typeof nodesCommand) => {
      const words = ['--kubeconfig', plane.kubeconfig, ...argv.slice(3)];
      const { status, stdout, stderr } = spawnSync(`${programs}/kubectl`, words, {
        input: stdin as string,
        encoding: 'utf8',
      });
      asked += 1;
      return { code: status ?? 255, stdout, stderr };
    };
    let asked = 0;
    const world = { host: { run } } as unknown as World;
    const file = `${plane.folder}/local-path.json`;
    writeFileSync(file, documentsOf(localPath()));
    const network = documentsOf(flannel({ podSubnet: '10.244.0.0/16', nftables: false }));
    const both = () => Promise.all([isHeld({ documents: network }, world), isHeld({ file }, world)]);
    expect([await both(), asked]).toEqual([[true, true], 1]);
    plane.kubectl(
      '-n',
      'kube-flannel',
      'label',
      'configmap',
      'kube-flannel-cfg',
      '--overwrite',
      'app.kubernetes.io/managed-by=x',
    );
    expect(await both()).toEqual([false, true]);
    give(['apply', '--server-side', '--force-conflicts', manager, '-f', '-'], network);
    expect(await both()).toEqual([true, true]);
  });

  it('tells of its nodes', () => {
    const [a, b] = readNodes(ask(nodesCommand));
    expect(a).toMatchObject({ name: 'a', machineId: 'id-of-a', kubelet: '1.36.4', gpus: 2, unschedulable: false });
    expect(a!.labels).toMatchObject({ 'node-role.kubernetes.io/worker': '', 'kubernetes.io/os': 'linux' });
    expect(a!.conditions.find(({ type }) => type === 'Ready')?.message).toBe('a\ttab and\na line end');
    expect([isReady(a!), isReady(b!)]).toEqual([true, false]);
    expect(b!.taints.map(({ key }) => key)).toContain('deepseek-deploy.io/storage');
    plane.kubectl('cordon', 'a');
    expect(readNodes(ask(nodesCommand))[0]!.unschedulable).toBe(true);
  });

  it('tells how far its workloads are', async () => {
    let of = readRollout(ask(workloadsCommand), flannelSet);
    for (let i = 0; i < 100 && of?.wanted !== 2; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      of = readRollout(ask(workloadsCommand), flannelSet);
    }
    // Nobody runs its pods here.
    expect(of).toMatchObject({ wanted: 2, updated: 2, ready: 0, stale: false });
    expect([hasBegun(of!), isComplete(of!)]).toEqual([false, false]);
    const asked = readRollout(ask(workloadsCommand), provisioner);
    expect(asked).toMatchObject({ wanted: 1, available: 0 });
    expect(isComplete(asked!)).toBe(false);
    expect(readRollout(ask(workloadsCommand), { ...provisioner, name: 'deployment/none' })).toBeUndefined();
  });
});
