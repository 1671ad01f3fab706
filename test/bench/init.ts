/**
 * The run of `init --target kubernetes` that has nothing to change, over simulated hosts whose every command takes a
 * while, against what those commands take alone: hosts one beside the other, at most hosts.parallel at once.
 * `-- real`: the install of three real hosts instead; see init-real.ts.
 */
import { run } from '../../src/cli.js';
import type { NodeStep } from '../../src/steps/machine.js';
import { kubernetesSteps } from '../../src/targets/kubernetes.js';
import { hostsLine, simpleSteps, simulation } from '../world/cluster.js';

/** A command over an open ssh connection on a local network, ms. */
const commandMs = 20;
const parallel = 10;

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const startedAt = performance.now();
  return [await work(), performance.now() - startedAt];
}

async function measure(count: number, delayMs: number): Promise<{ ms: number; commands: number }> {
  const names = Array.from({ length: count }, (_, at) => (at === 0 ? 'cp' : `gpu-${at}`));
  let ready = false;
  const one = simulation({ names, latencyMs: () => (ready ? delayMs : 0) });
  const type = (line: string) => run(line.split(' '), one.world.env, () => one.world, '0.0.0');
  const first = await type(`init --target kubernetes --yes ${hostsLine(names)}`);
  if (first !== 0) throw new Error(one.text());
  const before = Object.values(one.hosts).reduce((sum, { calls }) => sum + calls.now, 0);
  ready = true;
  const [code, ms] = await timed(() => type('init --yes'));
  if (code !== 0 || !one.text().includes('Nothing to change.')) throw new Error(one.text());
  const commands = Object.values(one.hosts).reduce((sum, { calls }) => sum + calls.now, 0) - before;
  return { ms, commands: commands / count };
}

async function simulated(): Promise<void> {
  (kubernetesSteps as NodeStep[]).splice(0, kubernetesSteps.length, ...simpleSteps);
  console.log(`init with nothing to change; ${commandMs} ms a command, ${parallel} hosts at once`);
  console.log('hosts  commands/host  wall     own time (commands take none)');
  for (const count of [1, 10, 100]) {
    const own = await measure(count, 0);
    const { ms, commands } = await measure(count, commandMs);
    const row = [String(count).padStart(5), commands.toFixed(0).padStart(13), `${ms.toFixed(0)} ms`.padStart(8)];
    console.log(`${row.join('  ')}  ${own.ms.toFixed(0)} ms (${(own.ms / count).toFixed(1)} ms a host)`);
  }
}

if (process.argv.includes('real')) await (await import('./init-real.js')).real();
else await simulated();
