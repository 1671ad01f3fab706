/** The program as it is, with small steps in place of the long list: a process of its own, so that it can be killed. */
import { run } from '../../src/cli.js';
import { realWorld } from '../../src/hosts/world.js';
import type { NodeStep } from '../../src/steps/machine.js';
import { kubernetesSteps } from '../../src/targets/kubernetes.js';
import { smallSteps } from './small-steps.js';

(kubernetesSteps as NodeStep[]).splice(0, kubernetesSteps.length, ...smallSteps);

const stop = new AbortController();
process.on('SIGINT', () => stop.abort(new Error('interrupted')));
const root = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');
process.exitCode = await run(process.argv.slice(2), process.env, (manner) => realWorld(manner, root, stop), '0.0.0');
