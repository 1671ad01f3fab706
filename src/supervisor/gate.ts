/**
 * A start in two steps, so that no process ever runs that is not on record: a shell waits at a gate, its pid is
 * written down, then it is let through and becomes the program. If the supervisor is killed in between, the shell
 * reads the end of its pipe and leaves.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { markName } from './proc.js';
import type { ProcessSpec } from './stack.js';

const script = 'read -r go || exit 75; exec "$@" </dev/null';

/**
 * In a session of its own, both streams appended straight to the log: it needs nothing from us to live on.
 * @throws the system's error when the log or the process cannot be had
 */
export async function spawnGated(spec: ProcessSpec, home: string, mark: string): Promise<ChildProcess> {
  mkdirSync(dirname(spec.log), { recursive: true, mode: 0o700 });
  const log = openSync(spec.log, 'a', 0o600);
  try {
    const child = spawn('/bin/sh', ['-c', script, 'sh', ...spec.argv], {
      detached: true,
      cwd: spec.cwd ?? home,
      env: { ...process.env, ...spec.env, [markName]: mark },
      stdio: ['pipe', log, log],
    });
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    // The reader may be gone already; its exit is told by itself.
    child.stdin?.on('error', () => undefined);
    return child;
  } finally {
    closeSync(log);
  }
}

export const openGate = (child: ChildProcess): void => void child.stdin?.end('go\n');
