/** The driver's module on its way from packages to an answer: built for the kernel that boots next, loaded by it. */
import { UserError } from '../errors.js';
import { installFailed, ours } from '../install/packages.js';
import { type Action, tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result, World } from '../world.js';
import { ask, asRoot, run } from './at-node.js';

/** 14 says that an info ROM is damaged; its output is whole all the same (NVIDIA's container toolkit guide). */
export const answersScript = `command -v nvidia-smi >/dev/null || exit 127
timeout 60 nvidia-smi -L >/dev/null; code=$?
[ $code = 0 ] || [ $code = 14 ] || exit $code`;

/** Prints the newest kernel that is installed, where /boot tells. */
export const nextKernelScript = `ls /boot 2>/dev/null | sed -n 's,^vmlinuz-,,p' | grep -v rescue | sort -V | tail -n 1`;

/** Of the kernel that the host starts with next: an upgrade may be waiting for that. */
export async function nextKernel(running: string, world: World): Promise<string> {
  return (await ask(world, nextKernelScript)).stdout.trim() || running;
}

const noHeaders =
  /Unable to locate package linux-|Package '?linux-\S+ has no installation candidate|Couldn't find any package.*linux-|Unable to find a match: kernel-|No match for argument: kernel-/;

/** Repositories drop the headers of kernels that are no longer the newest. */
export const driverFailed =
  (name: string, kernel: string) =>
  (result: Result): UserError =>
    noHeaders.test(tail(result))
      ? new UserError(
          'nvidia.headers',
          say(
            `${name}: the repositories have nothing for its kernel ${kernel} any more, so no driver can be built for it.`,
            `${name}：软件源中已没有内核 ${kernel} 对应的软件包，无法为其编译驱动。`,
          ),
          {
            exit: 'unready',
            hint: say(
              'Upgrade the kernel there and reboot, then run this again: apt-get update && apt-get install linux-image-amd64 (Ubuntu: linux-image-generic; RHEL: dnf upgrade kernel)',
              '请在该主机上升级内核并重启，然后重新运行：apt-get update && apt-get install linux-image-amd64（Ubuntu：linux-image-generic；RHEL：dnf upgrade kernel）',
            ),
          },
        )
      : installFailed('nvidia.driver', name)(result);

// $1: the kernel. DKMS skips a kernel whose headers are not there yet, and calls that well.
export const builtScript = `command -v dkms >/dev/null || exit 0
of() { dkms status 2>/dev/null | grep -i nvidia; }
built() { of | grep -F -- ", $1, " | grep -q installed; }
[ -n "$(of)" ] || exit 0
built "$1" || dkms autoinstall -k "$1" 2>&1 || true
built "$1" && exit 0
of; tail -n 8 /var/lib/dkms/nvidia*/*/build/make.log 2>/dev/null; exit 65`;

export const untilBuilt = (name: string, kernel: string): Action =>
  run(asRoot(builtScript, [kernel], 1_200_000), (result) => {
    const said = tail(result);
    return new UserError(
      'nvidia.module',
      say(
        `${name}: the driver's module could not be built for the kernel ${kernel}, so the host was not rebooted:\n${said}`,
        `${name}：无法为内核 ${kernel} 编译驱动模块，因此未重启主机：\n${said}`,
      ),
      {
        hint: say(
          'Headers of that kernel or its compiler are missing, as a rule. See: dkms status; /var/lib/dkms/nvidia/*/build/make.log',
          '通常是缺少该内核的头文件或编译器。查看：dkms status；/var/lib/dkms/nvidia/*/build/make.log',
        ),
      },
    );
  });

/** The boot that the driver was installed in: in another one it is waited for, for it may be loaded late. */
export const rebootMark = `${ours}/driver-reboot`;

// A driver that is loaded late in the boot takes its time; then what is known of why it does not. $1: the mark;
// without it the next run installs and reboots anew.
export const answersAtLastScript = `i=0; until (${answersScript}); do
  i=$((i+1)); [ $i -lt 24 ] || break; sleep 5
done
[ $i -lt 24 ] && exit 0
nvidia-smi -L 2>&1 | tail -n 2
! lsmod | grep -q '^nouveau' || echo 'nouveau is loaded, and holds the cards'
command -v dkms >/dev/null && dkms status | grep -i nvidia
dmesg 2>/dev/null | grep -E 'NVRM|Key was rejected|nouveau' | tail -n 4
rm -f -- "$1"; exit 65`;

export const untilAnswers = (name: string): Action =>
  run(asRoot(answersAtLastScript, [rebootMark], 1_800_000), (result) => {
    const said = tail(result);
    return new UserError(
      'nvidia.driver',
      say(
        `${name}: the driver is installed and the host was rebooted, and the driver does not answer:\n${said}`,
        `${name}：驱动已安装且主机已重启，但驱动无响应：\n${said}`,
      ),
      {
        hint: say(
          'See why: deepseek-deploy doctor --only gpu,driver',
          '查看原因：deepseek-deploy doctor --only gpu,driver',
        ),
      },
    );
  });
