import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';

export interface LocalHolder {
  readonly pid: number;
  readonly identity: string;
  readonly since: string;
  readonly what: string;
}

/** Who is at work in this home now, if anybody is. */
export async function atWorkHere(world: World): Promise<LocalHolder | undefined> {
  const holder = await holderOf(world);
  return holder && (await alive(world, holder)) ? holder : undefined;
}

const lockFile = (world: World): string => `${world.places.home}/lock`;

async function holderOf(world: World): Promise<LocalHolder | undefined> {
  const text = await world.files.readIfAny(lockFile(world));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as LocalHolder;
  } catch {
    // Cut short by a power failure: nobody holds it.
    return undefined;
  }
}

const alive = async (world: World, holder: LocalHolder): Promise<boolean> =>
  (await world.processes.identity(holder.pid)) === holder.identity;

/**
 * Runs the work while nobody else changes this home. A lock whose holder is gone, also by a power cut, is taken over.
 * @throws UserError `lock.held`, exit 'busy', naming who holds it.
 */
export async function locked<T>(world: World, what: string, work: () => Promise<T>): Promise<T> {
  await world.files.makeDir(world.places.home);
  const mine: LocalHolder = {
    pid: world.processes.pid,
    identity: (await world.processes.identity(world.processes.pid)) ?? '',
    since: new Date(world.clock.now()).toISOString(),
    what,
  };
  while (!(await world.files.create(lockFile(world), JSON.stringify(mine)))) {
    const holder = await holderOf(world);
    if (holder && (await alive(world, holder))) throw held(holder);
    await world.files.remove(lockFile(world));
  }
  try {
    return await work();
  } finally {
    if ((await holderOf(world))?.identity === mine.identity) await world.files.remove(lockFile(world));
  }
}

function held(holder: LocalHolder): UserError {
  return new UserError(
    'lock.held',
    say(
      `Another deepseek-deploy (${holder.what}, pid ${holder.pid}) has been at work here since ${holder.since}.`,
      `另一个 deepseek-deploy（${holder.what}，pid ${holder.pid}）自 ${holder.since} 起正在此处工作。`,
    ),
    {
      hint: say(`Wait for it, or stop it: kill -INT ${holder.pid}`, `等它结束，或停止它：kill -INT ${holder.pid}`),
      exit: 'busy',
    },
  );
}
