/**
 * One deepseek-deploy at a time works on a cluster, wherever it runs: a lock on the first control plane. Its holder
 * touches it now and then; the host's own clock tells how long ago that was, so that no two machines' clocks are
 * compared.
 */
import type { Command } from '../command.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { remotePlaces } from './open.js';

export interface Holder {
  /** Random; names one run. */
  readonly id: string;
  /** 'ops' */
  readonly who: string;
  /** 'laptop' */
  readonly from: string;
  /** Tells machines of one name apart. */
  readonly machine: string;
  /** The state folder of that deepseek-deploy: within it a local lock lets one run at a time. */
  readonly home: string;
  /** 'init' */
  readonly what: string;
  /** ISO 8601, UTC, by the holder's clock. */
  readonly since: string;
}

const beatMs = 15_000;
/** A holder that was not heard for so long is dead: six beats missed. */
const staleS = 90;

/**
 * $1 folder, $2 take, beat or free, $3 our id, $4 seconds until a holder is dead, $5 the id of one that is known to be;
 * ours, in one line, is the input of `take`. 65: another has it, told with the seconds since it was heard.
 */
export const lockScript = `umask 077; mkdir -p -- "$1"; exec 9>"$1/lock.guard"; flock -w 20 9 || exit 75
f=$1/lock; held=$(cat -- "$f" 2>/dev/null) || held=; age=0
[ -z "$held" ] || age=$(( $(date +%s) - $(stat -c %Y -- "$f") )); [ $age -ge 0 ] || age=$(( -age ))
case $held in *'"id":"'"$3"'"'*) ours=1;; *) ours=;; esac
case $2 in
take) IFS= read -r mine
  dead=; [ -z "$5" ] || case $held in *'"id":"'"$5"'"'*) dead=1;; esac
  if [ -n "$held" ] && [ -z "$ours$dead" ] && [ $age -lt "$4" ]; then printf '%s\\n%s\\n' $age "$held"; exit 65; fi
  printf '%s\\n' "$mine" >"$f.new" && mv -f -- "$f.new" "$f"
  [ -z "$held" ] || [ -n "$ours" ] || printf '%s\\n%s\\n' $age "$held";;
beat) [ -n "$ours" ] || { printf '%s\\n%s\\n' $age "$held"; exit 65; }; touch -- "$f";;
free) [ -z "$ours" ] || rm -f -- "$f";;
esac`;

const command = (verb: 'take' | 'beat' | 'free', id: string, dead = '', stdin?: string): Command => ({
  argv: ['sh', '-c', lockScript, 'lock', remotePlaces.home, verb, id, String(staleS), dead],
  sudo: true,
  ...(stdin === undefined ? {} : { stdin }),
});

/** @returns what `lockScript` tells of the other */
function told(stdout: string): { readonly ageS: number; readonly holder: Holder | undefined } {
  const [age, line = ''] = stdout.split('\n');
  try {
    return { ageS: Number(age), holder: JSON.parse(line) as Holder };
  } catch {
    return { ageS: Number(age), holder: undefined };
  }
}

/** Read-only. $1: the folder. */
export const seeLockScript = `[ -s "$1/lock" ] || exit 0
age=$(( $(date +%s) - $(stat -c %Y -- "$1/lock") )); [ $age -ge 0 ] || age=$(( -age ))
echo $age; cat -- "$1/lock"`;

export interface AtWork extends Omit<Holder, 'id' | 'machine' | 'home'> {
  /** Since it was heard. */
  readonly ageS: number;
  /** 'ended': it did not tidy up, so it was killed or cut off. */
  readonly state: 'working' | 'ended';
}

/**
 * Whose lock lies on the cluster; undefined where none does, or where it cannot be seen.
 * @param first the host of the lock
 * @param hereWorks whether a run works in our own home now: one of ours that does not is dead at once
 */
export async function atWorkOn(first: World, here: World, hereWorks: boolean): Promise<AtWork | undefined> {
  const argv = ['sh', '-c', seeLockScript, 'lock', remotePlaces.home] as const;
  const { code, stdout } = await first.host.run({ argv, sudo: true });
  const { ageS, holder } = told(stdout);
  if (code !== 0 || holder === undefined) return undefined;
  const { who, from, what, since } = holder;
  const { machine, home } = await holderHere('', here);
  const ours = holder.machine === machine && holder.home === home;
  const dead = ours ? !hereWorks : ageS >= staleS;
  return { who, from, what, since, ageS, state: dead ? 'ended' : 'working' };
}

export async function holderHere(what: string, here: World): Promise<Holder> {
  const { env, clock, places, files } = here;
  const from = (await here.host.run({ argv: ['uname', '-n'] })).stdout.trim();
  return {
    id: Buffer.from(here.random(12)).toString('hex'),
    who: env.SUDO_USER || env.USER || env.LOGNAME || 'root',
    from,
    machine: (await files.readIfAny('/etc/machine-id'))?.trim() || from,
    home: places.home,
    what,
    since: new Date(clock.now()).toISOString(),
  };
}

/**
 * Runs the work while nobody else works on the cluster; the local lock of our home is to be held already. The signal
 * it is given ends when we are to stop, or when somebody has taken the lock over.
 * @param first the world of the first control plane
 * @throws UserError `cluster.locked`, exit 'busy'; `cluster.lock-lost` when another took it over
 */
export async function lockedCluster<T>(
  mine: Holder,
  first: World,
  here: World,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  await take(mine, first, here);
  const over = new AbortController();
  const lost = new AbortController();
  const beating = beat(mine, first, here, over.signal, lost);
  try {
    return await work(AbortSignal.any([here.stop, lost.signal]));
  } catch (error) {
    throw lost.signal.aborted ? lost.signal.reason : error;
  } finally {
    over.abort(new Error('over'));
    await beating;
    // What cannot be freed now is taken over later.
    await first.host.run(command('free', mine.id)).catch(() => {});
  }
}

async function take(mine: Holder, first: World, here: World): Promise<void> {
  const line = `${JSON.stringify(mine)}\n`;
  let dead = '';
  for (;;) {
    const result = await first.host.run(command('take', mine.id, dead, line));
    const { ageS, holder } = told(result.stdout);
    if (result.code === 0) return holder && here.ui.line(takenOver(holder, ageS, dead === holder.id));
    if (result.code !== 65) throw new Error(`the lock could not be taken: ${result.stderr.trim()}`);
    // Only one run at a time has our home, and that is ours.
    const ghost = holder?.machine === mine.machine && holder.home === mine.home && dead === '';
    if (!ghost) throw held(holder, ageS);
    dead = holder.id;
  }
}

async function beat(mine: Holder, first: World, here: World, over: AbortSignal, lost: AbortController): Promise<void> {
  for (;;) {
    const more = await here.clock.sleep(beatMs, over).then(
      () => true,
      () => false,
    );
    if (!more) return;
    // A host that does not answer (it may be restarting) has taken the lock from nobody.
    const result = await first.host.run(command('beat', mine.id)).catch(() => undefined);
    if (result?.code === 65) return lost.abort(stolen(told(result.stdout).holder));
  }
}

const person = ({ who, from, what, since }: Holder): string => `${who}@${from} (${what}, ${since})`;

const takenOver = (holder: Holder, ageS: number, known: boolean) =>
  known
    ? say(`Took over from a run that ended early: ${person(holder)}.`, `已接管提前结束的运行：${person(holder)}。`)
    : say(
        `Took over from ${person(holder)}: not heard for ${ageS} s.`,
        `已接管 ${person(holder)} 的锁：${ageS} 秒没有消息。`,
      );

function held(holder: Holder | undefined, ageS: number): UserError {
  const by = holder ? person(holder) : '?';
  return new UserError(
    'cluster.locked',
    say(
      `Somebody is at work on this cluster: ${by}, last heard ${ageS} s ago.`,
      `有人正在操作此集群：${by}，${ageS} 秒前仍有响应。`,
    ),
    {
      hint: say(
        `Wait for them. A run that died is taken over ${staleS} s after it was last heard.`,
        `请等待其完成。中断的运行在最后一次响应 ${staleS} 秒后会被接管。`,
      ),
      exit: 'busy',
    },
  );
}

const stolen = (holder: Holder | undefined): UserError =>
  new UserError(
    'cluster.lock-lost',
    holder
      ? say(
          `${person(holder)} has taken over this cluster; we stopped.`,
          `${person(holder)} 已接管此集群；本次运行已停止。`,
        )
      : say('The lock of this cluster is gone; we stopped.', '此集群的锁已消失；本次运行已停止。'),
    { hint: say('Agree with them, then run it again.', '请与对方协商后再次运行。'), exit: 'busy' },
  );
