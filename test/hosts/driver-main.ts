/** The program with nothing in its list but the driver and what it is installed from. */
import { run } from '../../src/cli.js';
import { realWorld } from '../../src/hosts/world.js';
import type { NodeStep } from '../../src/steps/machine.js';
import { kubernetesSteps } from '../../src/targets/kubernetes.js';

const wanted = (kubernetesSteps as NodeStep[]).filter(({ id }) => /^(repositories|nvidia\.driver)$/.test(id));
(kubernetesSteps as NodeStep[]).splice(0, kubernetesSteps.length, ...wanted);

const stop = new AbortController();
const root = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');
process.exitCode = await run(process.argv.slice(2), process.env, (manner) => realWorld(manner, root, stop), '0.0.0');
