/** The network of the pods stands for the host that makes the cluster, whatever the others are at. */
import { expect, it } from 'vitest';
import { merge } from '../../src/config/load.js';
import { flannelName, flannelNamespace } from '../../src/manifests/flannel.js';
import { show } from '../../src/plan/step.js';
import type { Machine } from '../../src/steps/machine.js';
import { networkCalico, networkFlannel } from '../../src/steps/network.js';
import type { World } from '../../src/world.js';

const { kubernetes } = merge(undefined, []).config;
const machine = { cluster: { settings: kubernetes } } as unknown as Machine;
/** The set's generation, and what its controller says: as `kubectl` prints it. */
const set = (generation: number, status: object): string =>
  `DaemonSet/${flannelName}\t${flannelNamespace}\t${generation}\t\t${JSON.stringify(status)}\n`;
const pods = (desired: number, updated: number, ready: number, observed = 1): object => ({
  observedGeneration: observed,
  desiredNumberScheduled: desired,
  updatedNumberScheduled: updated,
  numberReady: ready,
});
const cluster = (applied: boolean, sets: string): World => {
  const run = async ({ argv }: { argv: readonly string[] }) => {
    if (argv.includes('diff')) return { code: applied ? 0 : 1, stdout: '', stderr: '' };
    if (argv.includes('daemonsets,deployments')) return { code: 0, stdout: sets, stderr: '' };
    throw new Error(`not expected: ${argv.join(' ')}`);
  };
  return { host: { run } } as unknown as World;
};

it.each([
  ['nothing is applied', false, set(1, pods(1, 1, 1)), false],
  ['no pod runs yet', true, set(1, pods(1, 1, 0)), false],
  ['the API says nothing', true, '', false],
  ['its controller has not looked yet', true, set(1, {}), false],
  ['its pod runs', true, set(1, pods(1, 1, 1)), true],
  ['one of two runs: the other has just joined', true, set(1, pods(2, 2, 1)), true],
  ['all that runs is of the state before: its controller has not looked', true, set(2, pods(2, 2, 2)), false],
  ['all that runs is of the state before', true, set(2, pods(3, 1, 2, 2)), false],
  ['the first of the newest state runs', true, set(2, pods(3, 1, 3, 2)), true],
])('%s', async (_, applied, sets, stands) => {
  expect(await networkFlannel.done(machine, cluster(applied, sets))).toBe(stands);
});

it('calico is told which address is meant before its pods begin', async () => {
  const sources = { manifests: 'https://raw.example' };
  const actions = await networkCalico.apply(
    { cluster: { settings: kubernetes, sources, machines: [] } } as unknown as Machine,
    cluster(false, ''),
  );
  const first = actions[0]!;
  expect(first.kind === 'run' && first.command.stdin).toContain('"IP_AUTODETECTION_METHOD":"kubernetes-internal-ip"');
  expect(actions.map(show)[2]).toMatch(/apply .*calico/);
});
