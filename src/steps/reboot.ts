/** A restart of a host as two actions: it is told to, and waited for until it runs anew. */
import { UserError } from '../errors.js';
import type { Action } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { ask, asRoot, run } from './at-node.js';

const bootIdScript = 'cat /proc/sys/kernel/random/boot_id';

/** Large GPU machines take ten minutes to their first line. */
const rebootMs = 20 * 60_000;

// The command answers before the machine goes down.
const rebootScript = 'nohup sh -c "sleep 2; systemctl reboot" >/dev/null 2>&1 &';

/** Names the time since the host was started; undefined while it does not answer. */
export async function bootId(world: World): Promise<string | undefined> {
  try {
    const { code, stdout } = await ask(world, bootIdScript);
    return code === 0 ? stdout.trim() : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** A host that is cut off in between, or a run that is, finds itself rebooted and goes on. */
export async function reboot(world: World): Promise<readonly Action[]> {
  const before = await bootId(world);
  return [
    run(asRoot(rebootScript)),
    {
      kind: 'wait',
      what: say('the host to start anew', '主机重启'),
      timeoutMs: rebootMs,
      until: async (again) => {
        const now = await bootId(again);
        return (now !== undefined && now !== before) || say('not back yet', '尚未恢复');
      },
    },
  ];
}
