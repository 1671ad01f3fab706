/** The programs that `test/kube/build` makes are a real control plane. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtPrograms, type ControlPlane, controlPlane, etcdPath } from './control-plane.js';

const programs = builtPrograms();
const missing = [
  ...(programs ? [] : ['Kubernetes: test/kube/build']),
  ...(etcdPath ? [] : ['etcd: apt-get install etcd-server']),
];
if (missing.length > 0) console.warn(`\n*** the control plane did not run; missing: ${missing.join('; ')} ***\n`);

/** A node nobody runs, with GPUs. */
const node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'gpu-1' },
};

const pod = (name: string, gpus: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'none', resources: { limits: { 'nvidia.com/gpu': gpus } } }] },
});

describe.skipIf(missing.length > 0)('a control plane', () => {
  let plane: ControlPlane;
  beforeAll(async () => {
    plane = await controlPlane(programs!);
    console.log(`the API server is ready after ${Math.round(plane.readyMs / 100) / 10} s`);
  }, 120_000);
  afterAll(async () => plane?.close());

  const create = (body: unknown): string => {
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    return execFileSync(`${programs}/kubectl`, ['--kubeconfig', plane.kubeconfig, 'create', '-f', '-'], {
      input: JSON.stringify(body),
      encoding: 'utf8',
    });
  };
  const soon = async (what: () => string, wanted: string): Promise<string> => {
    for (let i = 0; i < 150 && what() !== wanted; i += 1) await new Promise((resolve) => setTimeout(resolve, 200));
    return what();
  };

  it('says which version it is', async () => {
    expect(await plane.get('/readyz')).toEqual({ status: 200, body: 'ok' });
    expect(JSON.parse((await plane.get('/version')).body)).toMatchObject({
      gitVersion: 'v1.36.4',
      major: '1',
      minor: '36',
    });
  });

  it('its controller manager makes what belongs to a name space', async () => {
    plane.kubectl('create', 'namespace', 'deepseek');
    const account = () =>
      plane.kubectl('-n', 'deepseek', 'get', 'serviceaccount', '--ignore-not-found', '-o', 'name', 'default').trim();
    expect(await soon(account, 'serviceaccount/default')).toBe('serviceaccount/default');
  });

  it('its scheduler gives a node with GPUs what it can carry', async () => {
    create(node);
    const capacity = { 'nvidia.com/gpu': '8', cpu: '64', memory: '512Gi', pods: '110' };
    const status = { capacity, allocatable: capacity, conditions: [{ type: 'Ready', status: 'True' }] };
    plane.kubectl('patch', 'node', 'gpu-1', '--subresource=status', '-p', JSON.stringify({ status }));
    const taints = () => plane.kubectl('get', 'node', 'gpu-1', '-o', 'jsonpath={.spec.taints}');
    expect(await soon(taints, '')).toBe('');
    await soon(
      () => plane.kubectl('get', 'serviceaccount', '--ignore-not-found', '-o', 'name', 'default').trim(),
      'serviceaccount/default',
    );
    create(pod('fits', '8'));
    create(pod('waits', '1'));
    const at = (name: string) => plane.kubectl('get', 'pod', name, '-o', 'jsonpath={.spec.nodeName}');
    expect(await soon(() => at('fits'), 'gpu-1')).toBe('gpu-1');
    const why = () => plane.kubectl('get', 'pod', 'waits', '-o', 'jsonpath={.status.conditions[0].message}');
    for (let i = 0; i < 100 && !why(); i += 1) await new Promise((resolve) => setTimeout(resolve, 200));
    expect(why()).toContain('Insufficient nvidia.com/gpu');
  });
});
