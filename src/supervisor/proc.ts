/** Which processes of this machine are ours, however they came to be. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Every process that we start carries `<mark of the home>/<id>` in this variable, and so do its children. */
export const markName = 'DEEPSEEK_DEPLOY_PROCESS';

export const markOf = (home: string): string =>
  createHash('sha256').update(realpathSync(home)).digest('hex').slice(0, 16);

export interface Sought {
  /** `<mark of the home>/<id>` */
  readonly mark: string;
  /** The process that was started: a session and group leader, dead or alive. */
  readonly leader?: { readonly pid: number; readonly identity: string };
  readonly log?: string;
}

interface Row {
  readonly pid: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot. */
  readonly startedAt: number;
}

const readOr = (path: string, otherwise: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return otherwise;
  }
};

/** proc(5): the name in field 2 may hold anything, so fields are counted from the last ')'. */
export function parseStat(pid: number, text: string): Row | undefined {
  const [state, , group, session, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (!state || state === 'Z' || state === 'X') return undefined;
  return { pid, group: Number(group), session: Number(session), startedAt: Number(rest[15]) };
}

const isLinux = process.platform === 'linux';

const linuxRows = (): Row[] =>
  readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    const row = pid > 0 && pid !== process.pid ? parseStat(pid, readOr(`/proc/${pid}/stat`, '')) : undefined;
    return row ? [row] : [];
  });

/** Without /proc only the group tells; its number outlives the leader as long as it has members. */
function otherRows(): Row[] {
  const { stdout } = spawnSync('ps', ['-axo', 'pid=,pgid=,stat='], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((line) => {
    const [pid, group, state] = line.trim().split(/\s+/);
    const row = { pid: Number(pid), group: Number(group), session: Number(group), startedAt: 0 };
    return !state || state.startsWith('Z') || row.pid === process.pid ? [] : [row];
  });
}

/** `blank`: unreadable to us, or overwritten by the program, as nginx does to show its title. */
function environment(pid: number, mark: string): 'ours' | 'blank' | 'foreign' {
  const text = readOr(`/proc/${pid}/environ`, '');
  if (`\0${text}\0`.includes(`\0${markName}=${mark}\0`)) return 'ours';
  return text.includes('=') ? 'foreign' : 'blank';
}

function linkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/1`);
  } catch {
    return undefined;
  }
}

/** The kernel shows the path of an open file without links. */
function unlinked(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** The boot and the start of a leader, as `Processes.identity` gives them on Linux: '<boot id>:<ticks>'. */
function bornBefore(leader: NonNullable<Sought['leader']>, row: Row): boolean {
  const [boot, ticks] = leader.identity.split(':');
  return boot === readOr('/proc/sys/kernel/random/boot_id', '').trim() && row.startedAt >= Number(ticks);
}

/**
 * The living processes of one id. The kernel gives no number to a new process while a session or group of that number
 * has members, so the members of a dead leader's session are its children still; a number that was used again in
 * between shows by a foreign environment.
 */
export function find({ mark, leader, log }: Sought): number[] {
  if (!isLinux) {
    const group = leader?.pid;
    return group === undefined ? [] : otherRows().flatMap((row) => (row.group === group ? [row.pid] : []));
  }
  const output = log === undefined ? undefined : unlinked(log);
  return linuxRows().flatMap((row) => {
    const kind = environment(row.pid, mark);
    const member = leader !== undefined && (row.session === leader.pid || row.group === leader.pid);
    const ours =
      kind === 'ours' ||
      (kind === 'blank' &&
        ((member && bornBefore(leader, row)) || (output !== undefined && linkOf(row.pid) === output)));
    return ours ? [row.pid] : [];
  });
}

/**
 * The ids of all living processes that carry the mark of a home, and of those that overwrote their environment and
 * write to a log in its folder, `<id>.log`: with that log. What remains when the records are lost.
 */
export function strays(homeMark: string, logs: string): ReadonlyMap<string, string | undefined> {
  if (!isLinux) return new Map();
  const pattern = new RegExp(`(?:^|\\0)${markName}=${homeMark}/([^\\0]+)`);
  const folder = `${unlinked(logs)}/`;
  const found = linuxRows().map(({ pid }): [string | undefined, string | undefined] => {
    const text = readOr(`/proc/${pid}/environ`, '');
    const output = text.includes('=') ? undefined : linkOf(pid);
    return output?.startsWith(folder)
      ? [output.slice(folder.length).replace(/\.log$/, ''), output]
      : [pattern.exec(text)?.[1], undefined];
  });
  return new Map(found.filter((pair): pair is [string, string | undefined] => pair[0] !== undefined));
}

/** False when there is no such process, or none of ours: only root's may belong to others. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH' || code === 'EPERM') return false;
    throw error;
  }
}

/** Kills what is found until nothing is; resolves to what could not be killed within the time. */
export async function clear(sought: Sought, withinMs: number): Promise<number[]> {
  for (const end = performance.now() + withinMs; ; ) {
    const pids = find(sought).filter((pid) => signal(pid, 'SIGKILL'));
    if (pids.length === 0 || performance.now() > end) return pids;
    await sleep(20);
  }
}
