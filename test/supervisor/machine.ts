/** A machine of pids for the pure supervisor: it does the actions, and knows what really lives. */
import { adopt } from '../../src/supervisor/adopt.js';
import { type Action, decide, type Event, nextWake, type Supervised } from '../../src/supervisor/decide.js';
import { describe } from '../../src/supervisor/describe.js';
import type { Report } from '../../src/supervisor/report.js';
import type { Timing } from '../../src/supervisor/stack.js';
import type { Instance, Wanted } from '../../src/supervisor/unit.js';

interface Process {
  readonly id: string;
  readonly pid: number;
  readonly command: string;
  /** 0 for a leader, else the pid of the dead one that started it. */
  readonly parent: number;
  gated: boolean;
}

export class Machine {
  readonly processes = new Map<number, Process>();
  readonly #timing: Timing;
  #pid = 1;
  now = 0;
  state: Supervised;
  report: Report;
  wanted: readonly Wanted[] = [];
  /** Decided, not yet done. */
  pending: Action[] = [];
  finished = false;
  broken: string | undefined;

  constructor(timing: Timing) {
    this.#timing = timing;
    this.state = { units: [], timing, ending: false, finished: false };
    this.report = this.#described();
  }

  #described(): Report {
    const me = { pid: 1, identity: 'boot:1', startedAt: 0 };
    return describe(this.state, { me, stack: '', loads: 1, problems: [] }, (time) => time, this.now);
  }

  /** The report is written before anything is done, as the loop does it. */
  tell(event: Event): void {
    if (this.finished) return;
    const [state, actions] = decide(this.state, event, this.now);
    this.state = state;
    this.report = this.#described();
    for (const action of actions) {
      if (action.do === 'finish') this.finished = true;
      else if (action.do === 'release') this.#release(action.pid);
      else this.pending.push(action);
    }
    this.#check();
  }

  #release(pid: number): void {
    const process = this.processes.get(pid);
    if (process) process.gated = false;
  }

  #check(): void {
    for (const { id } of this.state.units) {
      const living = this.ofId(id);
      if (new Set(living.map(({ pid, parent }) => parent || pid)).size > 1) this.broken ??= `two of ${id}`;
    }
    for (const { nextStartAt } of this.state.units) {
      const most = Math.max(this.#timing.backoffMaxMs, this.#timing.retryMs);
      if (nextStartAt - this.now > most) this.broken ??= 'a wait without bound';
    }
  }

  ofId(id: string): Process[] {
    return [...this.processes.values()].filter((process) => process.id === id);
  }

  /** Does the n-th pending action, with what comes of it. */
  perform(n: number, well: boolean): void {
    const [action] = this.pending.splice(n % Math.max(1, this.pending.length), 1);
    if (action?.do === 'spawn') this.#spawn(action.id, action.wanted, well);
    if (action?.do === 'signal' && well) this.#end(action.instance.pid, true);
    if (action?.do === 'kill') this.#sweep(action.id);
    if (action?.do === 'sweep') {
      if (well) this.#sweep(action.id);
      this.tell({ on: 'swept', id: action.id, ...(well ? {} : { left: 'pid 1' }) });
    }
    if (action?.do === 'probe') {
      this.tell({ on: 'probed', id: action.id, pid: action.pid, ...(well ? {} : { failed: 'no' }) });
    }
  }

  #spawn(id: string, { spec, command }: Wanted, well: boolean): void {
    if (!well) {
      this.tell({ on: 'unspawned', id, detail: 'no' });
      return;
    }
    if (this.ofId(id).length > 0) this.broken ??= `${id} started beside another`;
    const pid = ++this.#pid;
    this.processes.set(pid, { id, pid, command, parent: 0, gated: true });
    const { log, stop } = spec;
    const instance: Instance = { pid, identity: `boot:${pid}`, command, log, stop, startedAt: this.now };
    this.tell({ on: 'gated', id, instance });
  }

  #sweep(id: string): void {
    const all = this.ofId(id);
    for (const { pid } of all) this.processes.delete(pid);
    for (const { pid, parent } of all) if (parent === 0) this.#told(id, pid);
  }

  /** @param clean leaves no worker behind */
  #end(pid: number, clean: boolean): void {
    const process = this.processes.get(pid);
    if (process?.parent !== 0) return;
    this.processes.delete(pid);
    if (!clean && !process.gated) {
      const worker = ++this.#pid;
      this.processes.set(worker, { ...process, pid: worker, parent: pid });
    }
    this.#told(process.id, pid);
  }

  #told(id: string, pid: number): void {
    this.tell({ on: 'exited', id, pid, exit: { at: this.now }, lines: [] });
  }

  crash(n: number, clean: boolean): void {
    const leaders = [...this.processes.values()].filter(({ parent }) => parent === 0);
    const victim = leaders[n % Math.max(1, leaders.length)];
    if (victim) this.#end(victim.pid, clean);
  }

  /** What is pending is lost, who waits at a gate leaves; a new supervisor reads the report and looks around. */
  killSupervisor(beforehand: () => void): void {
    this.pending = [];
    this.finished = false;
    for (const { pid, gated } of [...this.processes.values()]) if (gated) this.processes.delete(pid);
    beforehand();
    const findings = this.report.processes.map((record) => ({
      record,
      alive: record.pid !== undefined && this.processes.get(record.pid)?.parent === 0,
    }));
    const strays = new Map([...this.processes.values()].map(({ id }) => [id, undefined]));
    this.state = adopt(this.wanted, this.#timing, { findings, strays, monotonic: (wall) => wall }, this.now);
    this.tell({ on: 'tick' });
  }

  /** An end that nobody is there to notice. */
  dieUnseen(n: number): void {
    const leader = [...this.processes.values()].filter(({ parent }) => parent === 0)[n];
    if (!leader) return;
    this.processes.delete(leader.pid);
    const worker = ++this.#pid;
    this.processes.set(worker, { ...leader, pid: worker, parent: leader.pid });
  }

  stack(wanted: readonly Wanted[]): void {
    this.wanted = wanted;
    this.tell({ on: 'stack', wanted, timing: this.#timing });
  }

  pass(ms: number): void {
    this.now += ms;
    this.tell({ on: 'tick' });
  }

  /** No more faults: all goes well for so long. */
  calm(ms: number): void {
    for (const end = this.now + ms; this.now < end && !this.finished; ) {
      if (this.pending.length > 0) this.perform(0, true);
      else this.pass(Math.max(1, Math.min(nextWake(this.state, this.now), end) - this.now));
    }
    while (this.pending.length > 0) this.perform(0, true);
  }
}
