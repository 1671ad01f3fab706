/**
 * Small models say thousands of tokens a second, and a write for each costs more than the token. What a stream has to
 * say goes out at once when its last write was 8 ms ago or more, else with the token that follows. There is no timer (one
 * that is pending makes every sleep of the event loop dearer): whoever knows that no token will follow soon calls
 * `writeLate`.
 */
const intervalMs = 8;

const late = new Set<Pacer>();

/** Nobody's words wait any longer. */
export function writeLate(): void {
  for (const pacer of [...late]) pacer.now();
}

export class Pacer {
  private writtenAt = Number.NEGATIVE_INFINITY;
  private due = false;

  constructor(private readonly write: () => void) {}

  /** There is something to write. */
  soon(): void {
    if (this.due) return;
    if (performance.now() - this.writtenAt >= intervalMs) this.end();
    else late.add(this);
  }

  /** There is something to write, and nothing will follow. What is said in the same breath goes into one write. */
  end(): void {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => {
      if (this.due) this.now();
    });
  }

  now(): void {
    this.due = false;
    late.delete(this);
    this.writtenAt = performance.now();
    this.write();
  }
}
