/** A clock that is kept: certificates of a new cluster are not yet valid for a host that is behind. */
import { install, installFailed } from '../install/packages.js';
import { say } from '../say.js';
import { ask, asRoot, inContainer, outward, run, systemOf } from './at-node.js';
import { bundleOf } from './bundle.js';
import type { NodeStep } from './machine.js';

/** Status 0 where something keeps the clock. */
export const timeScript = `for unit in chronyd chrony systemd-timesyncd ntpd ntpsec; do
  [ "$(systemctl is-active "$unit" 2>/dev/null)" != active ] || exit 0
done
exit 1`;

export const hostTime: NodeStep = {
  id: 'host.time',
  title: say('Time synchronisation', '时间同步'),
  on: 'every',
  brings: () => ({ packages: [{ name: 'chrony' }] }),
  // Its clock is that of the machine below it.
  needed: (machine) => !inContainer(machine),
  done: async (_, world) => (await ask(world, timeScript)).code === 0,
  async apply(machine) {
    const system = systemOf(machine);
    return [
      run(
        install(system, [{ name: 'chrony' }], { from: bundleOf(machine), env: outward(machine) }),
        installFailed('host.time', machine.name),
      ),
      run(asRoot(`systemctl enable --now ${system.family === 'apt' ? 'chrony' : 'chronyd'}`)),
    ];
  },
  leaves: say('chrony', 'chrony'),
};
