/** Root of the supervisor: `node supervisor.js <home>`. Keeps what `<home>/run/stack.json` names running. */
import { mkdirSync, realpathSync } from 'node:fs';
import { systemProcesses } from './hosts/processes.js';
import { log, stackIsThere } from './supervisor/disk.js';
import { dropLock, takeLock } from './supervisor/lock.js';
import { exitStatus, Supervisor } from './supervisor/supervise.js';

let supervisor: Supervisor | undefined;
/** What was asked for before there was anybody to ask. */
let early: 'stop' | 'reload' | undefined;

const stop = (): void => {
  early = 'stop';
  supervisor?.stop();
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.on('SIGHUP', () => {
  early ??= 'reload';
  supervisor?.reload();
});
// What it runs lives on, and the next supervisor takes it up.
process.on('uncaughtException', (error) => {
  log('bug', { error: String(error.stack ?? error) });
  process.exit(exitStatus.bug);
});

async function main(folder: string | undefined): Promise<void> {
  if (folder === undefined) throw new Error('usage: supervisor <home>');
  const home = realpathSync(folder);
  mkdirSync(`${home}/run`, { recursive: true, mode: 0o700 });
  const identity = (await systemProcesses.identity(process.pid)) ?? '';
  const me = { pid: process.pid, identity };
  const holder = await takeLock(home, me, systemProcesses.identity).catch((error: unknown) => {
    // A full disk: nothing is started without the lock, but all may be ended, which may be what frees it.
    if (stackIsThere(home)) throw error;
    dropLock(home);
    return undefined;
  });
  if (holder) {
    log('busy', { holder: holder.pid });
    process.exit(exitStatus.busy);
  }
  const begun = await Supervisor.begin(home, me);
  if (!(begun instanceof Supervisor)) {
    log('bad-stack', { problems: begun });
    dropLock(home);
    process.exit(exitStatus.badStack);
  }
  supervisor = begun;
  if (early === 'stop') supervisor.stop();
  if (early === 'reload') supervisor.reload();
}

await main(process.argv[2]);
