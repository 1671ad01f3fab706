/** Programs that the rest calls, and whatever of them the host lacks. */
import { install, installFailed } from '../install/packages.js';
import { absentScript, packagesFor, programs } from '../install/programs.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { ask, outward, run, systemOf } from './at-node.js';
import { bundleOf } from './bundle.js';
import type { NodeStep } from './machine.js';

const absent = async (world: World): Promise<readonly string[]> =>
  (await ask(world, absentScript, ...programs.map(({ name }) => name))).stdout.split('\n').filter(Boolean);

export const hostPrograms: NodeStep = {
  id: 'host.programs',
  title: say('Programs the cluster needs', '集群所需的基础工具'),
  on: 'every',
  brings: (machine) => ({
    packages: packagesFor(
      programs.map(({ name }) => name),
      systemOf(machine),
    ).map((name) => ({ name })),
  }),
  done: async (_, world) => (await absent(world)).length === 0,
  async apply(machine, world) {
    const system = systemOf(machine);
    const packages = packagesFor(await absent(world), system).map((name) => ({ name }));
    const via = { from: bundleOf(machine), env: outward(machine) };
    return [run(install(system, packages, via), installFailed('host.programs', machine.name))];
  },
  leaves: say('small programs of the system, such as socat and conntrack', '系统小工具，例如 socat、conntrack'),
};
