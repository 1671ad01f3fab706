/** Ends a command of this machine together with all it started. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

const graceMs = 5000;

interface Child {
  readonly pid?: number | undefined;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
}

export interface Ending {
  /** Why the command was ended, if it was. */
  why(): 'late' | 'called-off' | undefined;
  /** The command is over: nothing is left to do. */
  over(): void;
}

/**
 * TERM to the command's process group, KILL 5 s later; then its streams are let go, because a process that left the
 * group may hold them for good.
 * @param group whether the child leads a group of its own; else it is sudo, whose child leads one, and only root may end it
 * @param timeoutMs 0 is no limit
 */
export function ending(child: Child, group: boolean, timeoutMs: number, signal: AbortSignal | undefined): Ending {
  let reason: ReturnType<Ending['why']>;
  const timers: NodeJS.Timeout[] = [];
  const later = (ms: number, work: () => void): void => void timers.push(setTimeout(work, ms));
  const end = (why: 'late' | 'called-off'): void => {
    if (reason !== undefined) return;
    reason = why;
    kill(child.pid, group, 'TERM');
    later(graceMs, () => kill(child.pid, group, 'KILL'));
    later(graceMs + 500, () => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
  };
  const onAbort = (): void => end('called-off');
  if (timeoutMs > 0) later(timeoutMs, () => end('late'));
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    why: () => reason,
    over() {
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      // The leader may be gone and others of its group still there.
      if (reason !== undefined) kill(child.pid, group, 'KILL');
    },
  };
}

function kill(pid: number | undefined, group: boolean, signal: 'TERM' | 'KILL'): void {
  if (pid === undefined) return;
  if (group) killGroup(pid, signal);
  else killThroughSudo(pid, signal);
}

function killGroup(pid: number, signal: 'TERM' | 'KILL'): void {
  try {
    process.kill(-pid, `SIG${signal}`);
  } catch {
    // Gone already.
  }
}

/** The child of sudo is `timeout`, which hands TERM on to its group. */
function killThroughSudo(pid: number, signal: 'TERM' | 'KILL'): void {
  const killer = spawn('sudo', ['-n', '--', 'pkill', `-${signal}`, '-P', String(pid)], { stdio: 'ignore' });
  killer.once('error', () => {});
  killer.unref();
}
