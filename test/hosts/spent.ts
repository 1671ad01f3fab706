/** What a run took beside its own commands, as its journal tells. */
interface Line {
  readonly at: string;
  readonly pid: number;
  readonly event: string;
  /** Of an action: how long it took, up to `at`. */
  readonly ms?: number;
}

export interface Spent {
  /** From the first step's begin to the last one's end, ms. */
  readonly wallMs: number;
  /** While the command of at least one host ran, ms. */
  readonly busyMs: number;
}

/** Of the last run in the journal. Hosts work beside one another: what overlaps counts once. */
export function spent(journal: string): Spent {
  const all = journal
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  const mine = all.filter(({ pid }) => pid === all.at(-1)!.pid);
  const times = mine.map(({ at }) => Date.parse(at));
  const actions = mine
    .filter(({ event, ms }) => event === 'action' && ms !== undefined)
    .map(({ at, ms }): [number, number] => [Date.parse(at) - ms!, Date.parse(at)])
    .sort(([a], [b]) => a - b);
  let busyMs = 0;
  let until = 0;
  for (const [from, to] of actions) {
    busyMs += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return { wallMs: Math.max(...times) - Math.min(...times), busyMs };
}
