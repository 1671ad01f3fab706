/**
 * Small models say thousands of tokens a second, and a write for each costs more than the token. What a stream has to
 * say goes out at once when its last write was long enough ago, else with what follows within the interval.
 */
const intervalMs = 2;

const late = new Set<Pacer>();
let armed = false;

/** One timer for all streams, and none while nobody is late. */
function arm(): void {
  if (armed) return;
  armed = true;
  setTimeout(() => {
    armed = false;
    for (const pacer of [...late]) pacer.now();
  }, intervalMs);
}

export class Pacer {
  private writtenAt = Number.NEGATIVE_INFINITY;
  private due = false;

  constructor(private readonly write: () => void) {}

  /** There is something to write. */
  soon(): void {
    if (this.due) return;
    if (performance.now() - this.writtenAt >= intervalMs) this.end();
    else {
      late.add(this);
      arm();
    }
  }

  /** There is something to write, and nothing will follow. What is said in the same breath goes into one write. */
  end(): void {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => this.now());
  }

  now(): void {
    this.due = false;
    late.delete(this);
    this.writtenAt = performance.now();
    this.write();
  }
}
