/** Kernels that a driver is bundled for: its module is built on the host, or comes prebuilt for one kernel. */
import { UserError } from '../errors.js';
import type { Distribution } from '../install/distribution.js';
import { say } from '../say.js';

/** @param said 'RELEASE' for every system, or 'SYSTEM=RELEASE' */
export const kernelsOf = ({ id, version }: Pick<Distribution, 'id' | 'version'>, said: readonly string[]): string[] =>
  said.flatMap((one) => {
    const [, system, release] = /^(?:([^=]+)=)?(.+)$/.exec(one)!;
    return system === undefined || system === `${id}${version}` ? [release!] : [];
  });

export const noKernel = (system: string): UserError =>
  new UserError(
    'bundle.kernel',
    say(
      `The NVIDIA driver is made for the kernel of its host; which kernel do the GPU hosts with ${system} run?`,
      `NVIDIA 驱动与主机内核对应；使用 ${system} 的 GPU 主机运行哪个内核？`,
    ),
    {
      exit: 'usage',
      hint: say(
        'Say it, once for each: --kernel RELEASE, as uname -r prints it there. Or --no-gpu, or kubernetes.driver: check',
        '请用 --kernel 指定（可重复），取该主机 uname -r 的输出；或使用 --no-gpu，或设置 kubernetes.driver: check',
      ),
    },
  );
