import type { World } from '../world.js';

/** One line of `<home>/journal.ndjson`: what was done, when, with which result. It explains; it never decides. */
export interface Entry {
  readonly step: string;
  readonly event: 'start' | 'skip' | 'action' | 'done' | 'fail';
  /** The action as the dry run shows it. */
  readonly action?: string;
  readonly code?: number;
  readonly ms?: number;
  readonly error?: string;
  /** The last lines a failed command wrote. */
  readonly tail?: string;
}

/** What is written down by one lane, for its host and for us. */
export interface Journal {
  add(entry: Entry): Promise<void>;
  /** Until all of it is on the host, or it is plain that the host takes no more. */
  flush(): Promise<void>;
}

export const journalFile = (home: string): string => `${home}/journal.ndjson`;

export async function note(world: World, entry: Entry): Promise<void> {
  const line = { at: new Date(world.clock.now()).toISOString(), pid: world.processes.pid, ...entry };
  await world.files.append(journalFile(world.places.home), `${JSON.stringify(line)}\n`);
}

/** Entries of so long travel to the host together: each journey is a session and processes over there, ms. */
const togetherMs = 500;

/**
 * Kept twice: here at once, with the host's name; on the host beside the work and a moment later, so that nobody waits
 * for it. A host that is gone takes no more entries; ours has them.
 * @param by who works on it, from where: 'ops@laptop'
 */
export function hostJournal(name: string, host: World, here: World, by: string): Journal {
  let pending: string[] = [];
  let writing = Promise.resolve();
  let pause: AbortController | undefined;
  const write = async (): Promise<void> => {
    pause = undefined;
    const lines = pending.join('');
    pending = [];
    if (lines === '') return;
    const { files, places } = host;
    await files.append(journalFile(places.home), lines).catch(async () => {
      await files.makeDir(places.home);
      await files.append(journalFile(places.home), lines);
    });
  };
  return {
    async add(entry) {
      const line = { at: new Date(here.clock.now()).toISOString(), ...entry };
      pending.push(`${JSON.stringify({ ...line, by })}\n`);
      if (!pause) {
        pause = new AbortController();
        const { signal } = pause;
        const over = () => here.clock.sleep(togetherMs, signal).catch(() => {});
        writing = writing
          .then(over)
          .then(write)
          .catch(() => {});
      }
      await here.files.append(
        journalFile(here.places.home),
        `${JSON.stringify({ ...line, host: name, pid: here.processes.pid })}\n`,
      );
    },
    flush() {
      pause?.abort();
      return writing;
    },
  };
}
