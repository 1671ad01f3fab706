/**
 * Start-up of the CLI beside `node -e 0`, the least that any Node program takes. `npm run bench:startup`.
 *
 * Each command in turn with the bare one, so that a machine that drifts drifts for both; medians and their ratio are told.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { table } from '../../src/table.js';

const rounds = Number(process.env.BENCH_ROUNDS ?? 21);
const bin = join(import.meta.dirname, '../../bin/deepseek-deploy.js');

const commands: readonly (readonly [string, ...string[]])[] = [
  [bin, '--version'],
  [bin, '--help'],
  [bin, 'status'],
];

/** Wall clock, ms. */
function timed(args: readonly string[]): number {
  const begun = performance.now();
  spawnSync(process.execPath, args, { stdio: 'ignore' });
  return performance.now() - begun;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

const rows = commands.map((args) => {
  const pairs = Array.from({ length: rounds }, () => ({ own: timed(args), bare: timed(['-e', '0']) }));
  const own = median(pairs.map((pair) => pair.own));
  const bare = median(pairs.map((pair) => pair.bare));
  const ratio = median(pairs.map((pair) => pair.own / pair.bare));
  return [args.slice(1).join(' '), `${own.toFixed(0)} ms`, `${bare.toFixed(0)} ms`, `${ratio.toFixed(2)}x`];
});

const shape = [{}, { align: 'right' }, { align: 'right' }, { align: 'right' }] as const;
for (const line of table([['command', 'median', 'node -e 0', 'ratio'], ...rows], shape)) console.log(line);
