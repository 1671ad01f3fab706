/**
 * Rotation by copy and truncation: the writers hold their files open in append mode and go on at the new end. What is
 * written between the last read and the truncation is lost; both stand side by side to keep that short.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { Logs } from './stack.js';

const chunk = 1 << 20;

/** @returns whether it was rotated. A file that is not there is small enough. */
export function rotate(path: string, { maxBytes, keep }: Logs): boolean {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return false;
  for (let n = keep; n > 1; n--) {
    if (statSync(`${path}.${n - 1}`, { throwIfNoEntry: false })) renameSync(`${path}.${n - 1}`, `${path}.${n}`);
  }
  const from = openSync(path, 'r+');
  try {
    if (keep > 0) keepCopy(from, `${path}.1`);
    ftruncateSync(from, 0);
  } finally {
    closeSync(from);
  }
  return true;
}

/** On a full disk the bound on our use of it comes before the old lines: no copy then. */
function keepCopy(from: number, path: string): void {
  const to = openSync(path, 'w', 0o600);
  try {
    const buffer = Buffer.allocUnsafe(chunk);
    for (let at = 0; at < fstatSync(from).size; ) {
      const count = readSync(from, buffer, 0, chunk, at);
      if (count === 0) break;
      writeSync(to, buffer, 0, count);
      at += count;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    rmSync(path, { force: true });
  } finally {
    closeSync(to);
  }
}
