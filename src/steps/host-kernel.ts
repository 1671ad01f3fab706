/** Kernel modules and settings that pods need, now and after the next boot. */
import {
  modules,
  modulesFile,
  modulesText,
  readSysctls,
  sysctlFile,
  sysctlScript,
  sysctls,
  sysctlText,
  wrong,
} from '../install/kernel.js';
import { installFailed, onlyOf } from '../install/packages.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { ask, asRoot, inContainer, outwardly, run, systemOf } from './at-node.js';
import { bundleOf } from './bundle.js';
import type { NodeStep } from './machine.js';

const settings = async (world: World): Promise<ReadonlyMap<string, number>> =>
  readSysctls((await ask(world, sysctlScript, ...sysctls.map(({ key }) => key))).stdout);

/** What is built in cannot be loaded, and need not be: the settings tell. */
const load = 'for module; do modprobe "$module" 2>/dev/null || true; done';

// Images of RHEL 10 for clouds come without the package that has them. $1: options of dnf.
const extraScript = `for module in br_netfilter xt_comment xt_conntrack vxlan; do
  modprobe -n -q "$module" || { dnf $1 install -y "kernel-modules-extra-$(uname -r)"; exit; }
done`;

export const hostKernel: NodeStep = {
  id: 'host.kernel',
  title: say('Kernel modules and settings', '内核模块与参数'),
  on: 'every',
  async done(_, world) {
    const [is, text, kept] = await Promise.all([
      settings(world),
      world.files.readIfAny(modulesFile),
      world.files.stat(sysctlFile),
    ]);
    // Values that are right by chance now are not so after the next boot.
    return wrong(is).length === 0 && text === modulesText && kept !== undefined;
  },
  async apply(machine, world) {
    const bare = systemOf(machine).family === 'dnf' && !inContainer(machine);
    const extra = asRoot(extraScript, [onlyOf(systemOf(machine), bundleOf(machine))], 600_000);
    return [
      ...(bare ? [run(outwardly(machine, extra), installFailed('host.kernel', machine.name))] : []),
      { kind: 'write', path: modulesFile, mode: 0o644, content: modulesText },
      run(asRoot(load, modules)),
      { kind: 'write', path: sysctlFile, mode: 0o644, content: sysctlText(await settings(world)) },
      run(asRoot('sysctl -q -p "$1"', [sysctlFile])),
    ];
  },
  undo: async () => [
    { kind: 'remove', path: sysctlFile },
    { kind: 'remove', path: modulesFile },
  ],
  leaves: say('kernel settings in effect until the next boot', '内核参数在下次重启前仍有效'),
};
