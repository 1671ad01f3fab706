/** The loop: an event comes in, `decide` answers, the report is written, then the actions are done. */
import { systemProcesses } from '../hosts/processes.js';
import { adopt, type Finding } from './adopt.js';
import { Children } from './children.js';
import { decide, type Event, nextWake, type Supervised } from './decide.js';
import { describe } from './describe.js';
import { type Loaded, log, readReport, readStack, stackIsThere, tidy, writeReport } from './disk.js';
import { dropLock, holding, writeLock } from './lock.js';
import { markOf, strays } from './proc.js';
import { type Holder, type Report, supervisorLog } from './report.js';
import { rotate } from './rotate.js';
import { defaultTiming, type Logs } from './stack.js';
import { instanceOf } from './unit.js';

/** Of the supervisor. */
export const exitStatus = { stopped: 0, badStack: 2, busy: 5, bug: 70 } as const;

/** A time of day that was set anew shifts the stamps of the report once, not with each correction by NTP. */
const clockJumpMs = 2000;

const nothing: Loaded = { hash: '', wanted: [], timing: defaultTiming, logs: { maxBytes: 1 << 30, keep: 0 } };

export class Supervisor {
  readonly #home: string;
  readonly #me: Holder & { readonly startedAt: number };
  readonly #children: Children;
  readonly #queue: Event[] = [];
  #busy = false;
  #decidedAt = 0;
  #state: Supervised;
  #offset: number;
  #logs: Logs;
  #stack: string;
  #loads = 1;
  #problems: readonly string[] = [];
  #written = '';
  #timer: NodeJS.Timeout | undefined;
  #beats: NodeJS.Timeout[] = [];

  private constructor(home: string, me: Holder, mark: string, stack: Loaded, found: readonly Finding[]) {
    this.#home = home;
    this.#offset = Date.now() - performance.now();
    this.#me = { ...me, startedAt: Date.now() };
    this.#stack = stack.hash;
    this.#logs = stack.logs;
    const monotonic = (wall: number): number => wall - this.#offset;
    const now = performance.now();
    this.#state = adopt(
      stack.wanted,
      stack.timing,
      { findings: found, strays: strays(mark, `${home}/logs`), monotonic },
      now,
    );
    this.#children = new Children({
      home,
      mark,
      tell: (event) => this.tell(event),
      confirm: () => this.#confirm(),
      now: () => performance.now(),
      wall: () => Date.now(),
      probeMs: () => this.#state.timing.probeMs,
    });
  }

  /**
   * Takes up what lives of the home; the caller holds its lock. Without a stack file all that is found is ended.
   * @returns the problems of a stack file that cannot be understood; nothing was touched then
   */
  static async begin(home: string, me: Holder): Promise<Supervisor | readonly string[]> {
    tidy(home);
    const reading = readStack(home);
    if (reading && 'problems' in reading) return reading.problems;
    const records = readReport(home)?.processes ?? [];
    const found = records.map(async (record): Promise<Finding> => {
      const { pid, identity } = record;
      return { record, alive: pid !== undefined && (await systemProcesses.identity(pid)) === identity };
    });
    const supervisor = new Supervisor(home, me, markOf(home), reading ?? nothing, await Promise.all(found));
    supervisor.#start(reading === undefined);
    return supervisor;
  }

  #start(unwanted: boolean): void {
    const { heartbeatMs, pollMs } = this.#state.timing;
    log('started', { pid: this.#me.pid, processes: this.#state.units.map(({ id, life }) => `${id} ${life.is}`) });
    this.#beats = [setInterval(() => this.#beat(), heartbeatMs), setInterval(() => this.#poll(), pollMs)];
    this.tell({ on: unwanted ? 'stop' : 'tick' });
  }

  /** SIGTERM, or the end of what asked for us. */
  stop(): void {
    log('stop');
    this.tell({ on: 'stop' });
  }

  /** SIGHUP: the stack is read again, and only what differs is touched. */
  reload(): void {
    const reading = readStack(this.#home);
    log('reload', reading && 'problems' in reading ? { problems: reading.problems } : {});
    if (!reading) {
      this.stop();
      return;
    }
    // Nothing is wanted any more; who reads this later starts another supervisor.
    if (this.#state.ending) return;
    this.#stack = reading.hash;
    this.#loads++;
    this.#problems = 'problems' in reading ? reading.problems : [];
    if ('problems' in reading) {
      this.tell({ on: 'tick' });
    } else {
      this.#logs = reading.logs;
      this.tell({ on: 'stack', wanted: reading.wanted, timing: reading.timing });
    }
  }

  tell(event: Event): void {
    this.#queue.push(event);
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) this.#handle(next);
    this.#busy = false;
    this.#arm();
  }

  #handle(event: Event): void {
    this.#decidedAt = performance.now();
    const [state, actions] = decide(this.#state, event, this.#decidedAt);
    this.#state = state;
    this.#write(false);
    for (const action of actions) {
      if (action.do === 'finish') this.#finish();
      else this.#children.perform(action);
    }
  }

  #arm(): void {
    clearTimeout(this.#timer);
    // What was not due at the last decision is due later, even if that is by now.
    const wait = nextWake(this.#state, this.#decidedAt) - performance.now();
    if (wait === Infinity) return;
    this.#timer = setTimeout(() => this.tell({ on: 'tick' }), Math.min(Math.max(wait, 0), 60_000));
  }

  #report(): Report {
    const about = { me: this.#me, stack: this.#stack, loads: this.#loads, problems: this.#problems };
    const wall = (monotonic: number): number => Math.round(monotonic + this.#offset);
    return describe(this.#state, about, wall, performance.now());
  }

  #write(always: boolean): void {
    const report = this.#report();
    const text = JSON.stringify({ ...report, updatedAt: 0 });
    if (text === this.#written && !always) return;
    this.#confirm();
    try {
      writeReport(this.#home, report);
      this.#written = text;
    } catch (error) {
      log('unwritten', { error: (error as Error).message });
    }
  }

  /** Another supervisor has taken over: ours are its own now, and those at their gate leave with us. */
  #confirm(): void {
    const hold = holding(this.#home, this.#me);
    if (hold === 'mine') return;
    if (hold === 'lost') {
      log('superseded');
      process.exit(exitStatus.busy);
    }
    try {
      writeLock(this.#home, this.#me);
    } catch (error) {
      log('unlocked', { error: (error as Error).message });
    }
  }

  #beat(): void {
    const offset = Date.now() - performance.now();
    if (Math.abs(offset - this.#offset) > clockJumpMs) this.#offset = offset;
    this.#write(true);
    if (!this.#state.ending && !stackIsThere(this.#home)) this.stop();
    const logs = this.#state.units.flatMap(({ wanted }) => wanted?.spec.log ?? []);
    for (const path of new Set([...logs, ...(this.#logs.also ?? []), supervisorLog(this.#home)])) this.#rotate(path);
  }

  #rotate(path: string): void {
    try {
      if (rotate(path, this.#logs)) log('rotated', { path });
    } catch (error) {
      log('unrotated', { path, error: (error as Error).message });
    }
  }

  #poll(): void {
    const living = this.#state.units.flatMap((unit) => {
      const instance = instanceOf(unit);
      return instance ? [{ id: unit.id, instance }] : [];
    });
    void this.#children.poll(living);
  }

  #finish(): never {
    for (const beat of this.#beats) clearInterval(beat);
    log('stopped');
    dropLock(this.#home);
    process.exit(exitStatus.stopped);
  }
}
