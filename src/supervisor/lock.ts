/**
 * One supervisor per home. The lock file names its holder; a dead or pre-boot holder is known by its identity. Whoever
 * takes it over replaces the file, waits a moment and looks whether it still names him. A holder looks before it lets
 * a process through its gate, after it has put it on record: so a new holder either finds the record, or the old one
 * finds the lock lost and leaves, and the process with it.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Holder, lockFile, parseHolder } from './report.js';

const settleMs = 50;

export type Hold = 'mine' | 'none' | 'lost';

const read = (home: string): Holder | undefined => {
  try {
    return parseHolder(readFileSync(lockFile(home), 'utf8'));
  } catch {
    return undefined;
  }
};

const same = (a: Holder, b: Holder): boolean => a.pid === b.pid && a.identity === b.identity;

export function holding(home: string, me: Holder): Hold {
  const holder = read(home);
  return !holder ? 'none' : same(holder, me) ? 'mine' : 'lost';
}

export function writeLock(home: string, me: Holder): void {
  const own = `${lockFile(home)}.${me.pid}.tmp`;
  writeFileSync(own, JSON.stringify(me), { mode: 0o600 });
  renameSync(own, lockFile(home));
}

/** Undefined when it was taken, else the living holder. */
export async function takeLock(
  home: string,
  me: Holder,
  identity: (pid: number) => Promise<string | undefined>,
): Promise<Holder | undefined> {
  for (;;) {
    const holder = read(home);
    if (holder && same(holder, me)) return undefined;
    if (holder && (await identity(holder.pid)) === holder.identity) return holder;
    writeLock(home, me);
    await sleep(settleMs);
  }
}

export const dropLock = (home: string): void => rmSync(lockFile(home), { force: true });
