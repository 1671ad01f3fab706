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

export const journalFile = (home: string): string => `${home}/journal.ndjson`;

export async function note(world: World, entry: Entry): Promise<void> {
  const line = { at: new Date(world.clock.now()).toISOString(), pid: world.processes.pid, ...entry };
  await world.files.append(journalFile(world.places.home), `${JSON.stringify(line)}\n`);
}
