import { describe, expect, it } from 'vitest';
import { isComplete, readRollout } from '../../src/steps/workloads.js';

const dns = { namespace: 'kube-system', name: 'deployment/coredns' };
const line = (generation: number, replicas: number, status: object): string =>
  `Deployment/coredns\tkube-system\t${generation}\t${replicas}\t${JSON.stringify(status)}\n`;
const status = (replicas: number, updated: number, available: number, observedGeneration = 1) => ({
  observedGeneration,
  replicas,
  updatedReplicas: updated,
  availableReplicas: available,
  readyReplicas: available,
});

/** As `kubectl rollout status` judges (pkg/polymorphichelpers/rollout_status.go). */
describe('a deployment is rolled out', () => {
  it.each([
    ['when all of it is new and takes requests', 2, status(2, 2, 2), true],
    ['not before its controller has seen it', 2, status(2, 2, 2, 0), false],
    ['not with one that takes none yet', 2, status(2, 2, 1), false],
    ['not with one of the state before', 2, status(3, 2, 2), false],
    ['not while some are to come', 3, status(2, 2, 2), false],
    ['when none are wanted', 0, { observedGeneration: 1 }, true],
    ['not when nothing is said of it', 1, {}, false],
  ])('%s', (_, replicas, said, is) => {
    expect(isComplete(readRollout(line(1, replicas, said), dns)!)).toBe(is);
  });
});

describe('a daemon set is rolled out', () => {
  const set = (said: object): string => `DaemonSet/dns\tkube-system\t3\t\t${JSON.stringify(said)}\n`;
  const pods = (desired: number, updated: number, available: number, observedGeneration = 3) => ({
    observedGeneration,
    desiredNumberScheduled: desired,
    updatedNumberScheduled: updated,
    numberAvailable: available,
    numberReady: available,
  });
  it.each([
    ['with a new pod on each node that shall have one', pods(3, 3, 3), true],
    ['not with one that is old', pods(3, 2, 3), false],
    ['not with one that takes no requests', pods(3, 3, 2), false],
    ['not before its controller has seen it', pods(3, 3, 3, 2), false],
    ['where no node shall have one', pods(0, 0, 0), true],
  ])('%s', (_, said, is) => {
    expect(isComplete(readRollout(set(said), { namespace: 'kube-system', name: 'daemonset/dns' })!)).toBe(is);
  });
});

it('it is found among others, by its kind, its name and its name space', () => {
  const text =
    line(1, 1, {}).replace('kube-system', 'other') + line(1, 1, {}).replace('Deployment', 'DaemonSet') + line(1, 4, {});
  expect(readRollout(text, dns)).toMatchObject({ wanted: 4 });
  expect(readRollout('', dns)).toBeUndefined();
  expect(readRollout('Deployment/coredns\tkube-system\t1', dns)).toBeUndefined();
});
