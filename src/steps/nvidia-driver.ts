/** The NVIDIA driver: asked for an answer; installed only when the configuration says so, and then with a reboot. */

import { systemId } from '../bundle/manifest.js';
import { lacking } from '../bundle/needs.js';
import { UserError } from '../errors.js';
import { type DriverPlan, driverPackages, nouveauFile, nouveauText } from '../install/nvidia.js';
import { install, onlyOf, ours } from '../install/packages.js';
import type { Action } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { ask, asRoot, outward, outwardly, run, systemOf } from './at-node.js';
import { bundleOf } from './bundle.js';
import type { Machine, NodeStep } from './machine.js';
import { answersScript, driverFailed, nextKernel, rebootMark, untilAnswers, untilBuilt } from './nvidia-module.js';
import { bootId, reboot } from './reboot.js';
import { repositoryFor } from './repositories.js';

const answers = async (world: World): Promise<boolean> => (await ask(world, answersScript)).code === 0;

// $1: the kernel that boots next. Debian's takes the newest by itself.
export const initramfsScript = `if command -v update-initramfs >/dev/null; then update-initramfs -u
elif command -v dracut >/dev/null; then dracut --force --kver "$1"; fi`;

/** User space that is upgraded under a loaded module answers nobody ("Driver/library version mismatch"). */
export const holdScript = `command -v apt-mark >/dev/null || exit 0
dpkg-query -W -f '\${db:Status-Status} \${Package}\\n' '*nvidia*' | sed -n 's/^installed //p' | xargs -r apt-mark hold`;

/** Status 0 where the firmware refuses modules that nobody it knows has signed. */
export const secureBootScript = 'mokutil --sb-state 2>/dev/null | grep -q enabled';

const noDriver = (name: string): UserError =>
  new UserError(
    'nvidia.driver',
    say(`${name}: the NVIDIA driver does not answer (nvidia-smi).`, `${name}：NVIDIA 驱动无响应（nvidia-smi）。`),
    {
      exit: 'unready',
      hint: say(
        'Install it, or have it installed: kubernetes.driver: install (the host is rebooted then).',
        '请自行安装，或设置 kubernetes.driver: install 由本工具安装（主机会重启）。',
      ),
    },
  );

async function refuseSecureBoot(machine: Machine, world: World): Promise<void> {
  // Ubuntu's own modules are signed by Canonical.
  if (systemOf(machine).id === 'ubuntu' || (await ask(world, secureBootScript)).code !== 0) return;
  throw new UserError(
    'nvidia.secure-boot',
    say(
      `${machine.name}: Secure Boot is on, and a module that is built on the host is not signed.`,
      `${machine.name}：已启用安全启动，而在主机上编译的模块未签名。`,
    ),
    {
      exit: 'unready',
      hint: say(
        'Turn it off in the firmware, or install the driver by hand and enrol its key at the console (mokutil --import).',
        '请在固件中关闭安全启动，或手动安装驱动并在控制台登记密钥（mokutil --import）。',
      ),
    },
  );
}

/** Its fabric manager must have the driver's very version, and newer ones a subnet manager: a person decides there. */
function refuseSwitches({ name, facts }: Machine): void {
  if (!facts.pci?.some(({ kind }) => kind === 'switch')) return;
  throw new UserError(
    'nvidia.fabric',
    say(
      `${name} has NVSwitches: its driver needs a fabric manager of the very same version.`,
      `${name} 带有 NVSwitch：驱动需要版本完全相同的 Fabric Manager。`,
    ),
    {
      exit: 'unready',
      hint: say(
        'Install driver and nvidia-fabricmanager by NVIDIA’s guide for this system, then run this again.',
        '请按 NVIDIA 针对该系统的指南安装驱动和 nvidia-fabricmanager，然后重新运行。',
      ),
    },
  );
}

/** The kernel that boots next may be another than the one that runs, which the bundle was held against. */
function refuseOtherKernel(machine: Machine, { packages, first }: DriverPlan, kernel: string): void {
  const { bundle } = machine.cluster;
  if (!bundle) return;
  const needs = { packages: [...first, ...packages], images: [], manifests: [] };
  const lacks = lacking(bundle.manifest, systemId(systemOf(machine)), needs);
  if (lacks.length === 0) return;
  throw new UserError(
    'bundle.lacks',
    say(
      `${machine.name} boots the kernel ${kernel} next, and the bundle lacks its driver.`,
      `${machine.name} 下次启动将使用内核 ${kernel}，而离线包缺少其驱动。`,
    ),
    {
      details: lacks,
      exit: 'unready',
      hint: say(
        `Make one for it: deepseek-deploy bundle create --kernel ${kernel} …`,
        `请为它制作离线包：deepseek-deploy bundle create --kernel ${kernel} …`,
      ),
    },
  );
}

async function installDriver(machine: Machine, world: World): Promise<readonly Action[]> {
  refuseSwitches(machine);
  await refuseSecureBoot(machine, world);
  const [boot, mark] = await Promise.all([bootId(world), world.files.readIfAny(rebootMark)]);
  const answered: readonly Action[] = [untilAnswers(machine.name), { kind: 'remove', path: rebootMark }];
  if (mark !== undefined && boot !== undefined && mark !== boot) return answered;
  const system = systemOf(machine);
  const kernel = await nextKernel(machine.facts.kernel?.release ?? '', world);
  const bundle = bundleOf(machine);
  const from = bundle ?? (system.id === 'ubuntu' ? undefined : repositoryFor('driver', machine));
  const only = onlyOf(system, bundle);
  const steps = driverPackages(system, machine.facts, kernel);
  refuseOtherKernel(machine, steps, kernel);
  return [
    { kind: 'write', path: nouveauFile, mode: 0o644, content: nouveauText },
    ...steps.before.map((script) => run(outwardly(machine, asRoot(script, [only], 600_000)))),
    run(install(system, steps.packages, { from, env: outward(machine) }), driverFailed(machine.name, kernel)),
    run(asRoot(holdScript)),
    untilBuilt(machine.name, kernel),
    run(asRoot(initramfsScript, [kernel], 600_000)),
    run(asRoot('systemctl enable -q nvidia-persistenced 2>/dev/null || true')),
    { kind: 'dir', path: ours, mode: 0o700 },
    { kind: 'write', path: rebootMark, mode: 0o600, content: boot ?? '' },
    ...(await reboot(world)),
    ...answered,
  ];
}

export const nvidiaDriver: NodeStep = {
  id: 'nvidia.driver',
  title: say('NVIDIA driver', 'NVIDIA 驱动'),
  on: 'gpu',
  needed: ({ cluster }) => cluster.settings.gpuLayer !== 'none',
  brings(machine) {
    const { facts, cluster } = machine;
    if (cluster.settings.driver === 'check' || (facts.gpu?.picture.gpus.length ?? 0) > 0) return {};
    const { first, packages } = driverPackages(systemOf(machine), facts, facts.kernel?.release ?? '');
    // A bundle that is looked at without its hosts: of no kernel that is known.
    return { packages: [...first, ...packages].filter(({ name }) => !name.endsWith('-')) };
  },
  done: (_, world) => answers(world),
  async apply(machine, world) {
    if (machine.cluster.settings.driver === 'check') throw noDriver(machine.name);
    return installDriver(machine, world);
  },
  undo: async () => [nouveauFile, rebootMark].map((path): Action => ({ kind: 'remove', path })),
  leaves: say('the NVIDIA driver', 'NVIDIA 驱动'),
};
