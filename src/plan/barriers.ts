/** Steps that must be done on every host that has them before another begins. */
export interface Barriers {
  done(lane: string, id: string): void;
  /** The lane has ended: what it had not done will not be done. */
  gone(lane: string): void;
  /** Until all of it is done everywhere, or the lane that will never do it. */
  wait(ids: readonly string[]): Promise<string | undefined>;
  /** The lanes that are waited for. */
  missing(ids: readonly string[]): readonly string[];
}

/** @param lanes each with the ids of its steps */
export function barriers(lanes: readonly { readonly name: string; readonly ids: readonly string[] }[]): Barriers {
  const pending = new Map<string, Set<string>>();
  for (const { name, ids } of lanes) for (const id of ids) pending.set(id, (pending.get(id) ?? new Set()).add(name));
  const ended = new Set<string>();
  let listeners: (() => void)[] = [];
  const changed = (): void => {
    const all = listeners;
    listeners = [];
    for (const listener of all) listener();
  };
  const missing = (ids: readonly string[]): string[] => [...new Set(ids.flatMap((id) => [...(pending.get(id) ?? [])]))];
  return {
    missing,
    done(lane, id) {
      pending.get(id)?.delete(lane);
      changed();
    },
    gone(lane) {
      ended.add(lane);
      changed();
    },
    async wait(ids) {
      for (;;) {
        const open = missing(ids);
        const never = open.find((lane) => ended.has(lane));
        if (open.length === 0 || never !== undefined) return never;
        await new Promise<void>((resolve) => listeners.push(resolve));
      }
    },
  };
}
