import { describe, expect, it } from 'vitest';
import type { NodeView, Survey } from '../../src/checks/node-check.js';
import { clusterState } from '../../src/fleet/state.js';
import { readObjects } from '../../src/probes/node-cluster.js';
import { say } from '../../src/say.js';

interface Seen {
  readonly ready?: boolean;
  readonly drained?: boolean;
  readonly gpus?: number;
}

const items = (nodes: Readonly<Record<string, Seen>>) => ({
  items: Object.entries(nodes).map(([name, { ready = true, drained, gpus }]) => ({
    kind: 'Node',
    metadata: { name },
    spec: { unschedulable: drained },
    status: {
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', message: 'cni plugin not initialized' }],
      nodeInfo: { kubeletVersion: 'v1.36.4' },
      allocatable: gpus === undefined ? {} : { 'nvidia.com/gpu': String(gpus) },
    },
  })),
});

function survey(
  names: readonly string[],
  nodes: Readonly<Record<string, Seen>>,
  api = { ready: true, says: 'ok' },
): Survey {
  const views = names.map((name, at): NodeView => {
    const objects = readObjects(JSON.stringify(items(nodes)))!;
    const facts = at === 0 ? { host: { usable: {} }, api, objects } : { host: { usable: {} } };
    return { name, roles: at === 0 ? ['control-plane'] : ['worker'], facts };
  });
  return { nodes: views, wanted: {} as never, now: 0 };
}

describe('a cluster is', () => {
  it('ready when every machine is, drained ones too', () => {
    const now = clusterState(survey(['cp', 'a'], { cp: {}, a: { drained: true, gpus: 8 } }));
    expect(now).toMatchObject({
      state: 'ready',
      machines: [{ state: 'ready' }, { state: 'drained', gpus: 8, kubelet: '1.36.4' }],
    });
  });

  it('degraded, and says who is not well and why', () => {
    const now = clusterState(survey(['cp', 'a', 'b'], { cp: {}, a: { ready: false } }));
    expect(now.state).toBe('degraded');
    expect(now.reason.en).toBe('Not ready: a, b.');
    expect(now.machines.map(({ state }) => state)).toEqual(['ready', 'not-ready', 'absent']);
    expect(now.machines[1]!.reason?.en).toBe('cni plugin not initialized');
  });

  it('degraded when a machine cannot be reached, whatever the API thinks of it', () => {
    const all = survey(['cp', 'a'], { cp: {}, a: {} });
    const unreachable = { id: 'ssh.timeout', text: say('a: it does not answer in time.', 'a：未应答。') };
    const now = clusterState({ ...all, nodes: [all.nodes[0]!, { ...all.nodes[1]!, unreachable }] });
    expect(now).toMatchObject({ state: 'degraded', machines: [{}, { state: 'unreachable' }] });
  });

  it('down when the API server is not ready, or nobody speaks for it', () => {
    expect(clusterState(survey(['cp'], { cp: {} }, { ready: false, says: 'etcd failed' }))).toMatchObject({
      state: 'down',
      reason: { en: 'The API server is not ready: etcd failed' },
    });
    const silent = { nodes: [{ name: 'cp', roles: [], facts: { host: { usable: {} } } }], wanted: {} as never, now: 0 };
    expect(clusterState(silent)).toMatchObject({ state: 'down', machines: [{ state: 'unknown' }] });
  });
});
