/** Old files of the audit log are removed, and the book keeps how each of them ended. */
import { leastDays } from '../gateway/audit.js';
import { chained, keyOf } from './chain.js';
import { type Log, names, openPath, prunedName, sealedPath } from './files.js';
import { type Closed, readLedger, readPruned } from './ledger.js';

export interface Old extends Closed {
  readonly file: string;
}

const secondsOfDay = 86_400;

/** Sealed files whose last line is older than `days`, at least 180, as of `now` (seconds since 1970). */
export async function oldFiles(log: Log, days: number, now: number): Promise<readonly Old[]> {
  if (days < leastDays) throw new Error(`nothing is pruned before ${leastDays} days`);
  const { files } = await readLedger(log);
  const found: Old[] = [];
  for (const file of await names(log)) {
    const closed = files.get(file)?.closed;
    if (!closed || closed.time > now - days * secondsOfDay) continue;
    if ((await log.files.stat(sealedPath(log, file))) && !(await log.files.stat(openPath(log, file)))) {
      found.push({ file, ...closed });
    }
  }
  return found;
}

/** Written down first, then removed: what a crash between leaves there is removed by the next time. */
export async function prune(log: Log, old: readonly Old[], now: number): Promise<void> {
  const before = await readPruned(log);
  const path = `${log.folder}/${prunedName}`;
  const key = keyOf(log.secret, 'chain', prunedName);
  let text = (await log.files.readIfAny(path)) ?? '';
  text = text.slice(0, text.lastIndexOf('\n') + 1);
  let { link } = before;
  for (const { file, lines, last } of old.filter((one) => !before.files.has(one.file))) {
    const words = JSON.stringify({ kind: 'pruned', file, time: now, lines, last }).slice(0, -1);
    const made = chained(key, link, words);
    link = made.link;
    text += made.line;
  }
  await log.files.write(path, text);
  for (const { file } of old) await log.files.remove(sealedPath(log, file));
}
