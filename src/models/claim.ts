import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';

interface Claim {
  readonly pid: number;
  readonly identity: string;
}

async function holderOf(world: World, lock: string): Promise<Claim | undefined> {
  try {
    return JSON.parse((await world.files.readIfAny(lock)) ?? '') as Claim;
  } catch {
    // Cut short by a power failure: nobody holds it.
    return undefined;
  }
}

/**
 * Runs the work while no other deployment of this user fills the same file of the shared cache. A claim whose process is
 * gone is taken over.
 * @throws UserError `download.busy`, exit 'busy'
 */
export async function claimed<T>(world: World, path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const { pid } = world.processes;
  const mine: Claim = { pid, identity: (await world.processes.identity(pid)) ?? '' };
  while (!(await world.files.create(lock, JSON.stringify(mine)))) {
    const holder = await holderOf(world, lock);
    if (holder && (await world.processes.identity(holder.pid)) === holder.identity) throw busy(path, holder.pid);
    await world.files.remove(lock);
  }
  try {
    return await work();
  } finally {
    await world.files.remove(lock);
  }
}

const busy = (path: string, pid: number): UserError =>
  new UserError(
    'download.busy',
    say(
      `Another deepseek-deploy (pid ${pid}) is downloading ${path}.`,
      `另一个 deepseek-deploy（pid ${pid}）正在下载 ${path}。`,
    ),
    { hint: say(`Wait for it, or stop it: kill -INT ${pid}`, `请等它结束，或停止它：kill -INT ${pid}`), exit: 'busy' },
  );
