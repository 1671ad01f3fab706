/** The network of the pods stands for the host that makes the cluster, whatever the others are at. */
import { expect, it } from 'vitest';
import { merge } from '../../src/config/load.js';
import type { Machine } from '../../src/steps/machine.js';
import { networkFlannel } from '../../src/steps/network.js';
import type { World } from '../../src/world.js';

const { kubernetes } = merge(undefined, []).config;
const machine = { cluster: { settings: kubernetes } } as unknown as Machine;
const cluster = (applied: boolean, ready: string): World => {
  const run = async ({ argv }: { argv: readonly string[] }) => {
    if (argv.includes('diff')) return { code: applied ? 0 : 1, stdout: '', stderr: '' };
    if (argv.at(-1) === 'jsonpath={.status.numberReady}') return { code: 0, stdout: ready, stderr: '' };
    throw new Error(`not expected: ${argv.join(' ')}`);
  };
  return { host: { run } } as unknown as World;
};

it.each([
  ['nothing is applied', false, '0', false],
  ['no pod runs yet', true, '0', false],
  ['the API says nothing', true, '', false],
  ['its pod runs', true, '1', true],
  ['one of two runs: the other has just joined', true, '1', true],
])('%s', async (_, applied, ready, stands) => {
  expect(await networkFlannel.done(machine, cluster(applied, ready))).toBe(stands);
});
