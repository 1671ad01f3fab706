/** The actions on processes, and the events that come of them. */
import type { ChildProcess } from 'node:child_process';
import { systemProcesses } from '../hosts/processes.js';
import { ask } from './ask.js';
import type { Action, Event } from './decide.js';
import { log, sizeOf, tail } from './disk.js';
import { openGate, spawnGated } from './gate.js';
import { clear, signal } from './proc.js';
import type { Exit } from './report.js';
import { tellingLines } from './telling.js';
import { type Instance, type Remains, remainsOf, type Wanted } from './unit.js';

/** How long a sweep insists before it says what is left; `decide` has it repeated. */
const sweepMs = 3000;

export interface Surroundings {
  readonly home: string;
  /** Marks are `<mark>/<id>`. */
  readonly mark: string;
  tell(event: Event): void;
  /** Whether we are (still) the one supervisor of the home; does not return when we are not. */
  confirm(): void;
  /** The supervisor's clock and the time of day, in ms. */
  now(): number;
  wall(): number;
  probeMs(): number;
}

export class Children {
  readonly #around: Surroundings;
  /** Those that we started; the others were adopted. */
  readonly #own = new Map<number, ChildProcess>();
  /** Size of the log when the process was started or adopted, by pid. */
  readonly #logFrom = new Map<number, number>();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  perform(action: Exclude<Action, { do: 'finish' }>): void {
    if (action.do !== 'probe') log(action.do, { id: action.id, ...pidOf(action) });
    void this.#perform(action);
  }

  async #perform(action: Exclude<Action, { do: 'finish' }>): Promise<void> {
    switch (action.do) {
      case 'spawn':
        return this.#spawn(action.id, action.wanted);
      case 'release':
        return this.#release(action.pid);
      case 'signal':
        return this.#signal(action.instance, action.signal);
      case 'kill':
        return this.#kill(action.id, action.instance);
      case 'sweep':
        return this.#sweep(action.id, action.remains);
      case 'probe': {
        const failed = await ask(action.url, this.#around.probeMs());
        const outcome = failed === undefined ? {} : { failed };
        return this.#around.tell({ on: 'probed', id: action.id, pid: action.pid, ...outcome });
      }
    }
  }

  async #spawn(id: string, wanted: Wanted): Promise<void> {
    const { tell, home, now } = this.#around;
    const { spec, command } = wanted;
    const from = sizeOf(spec.log);
    let child: ChildProcess;
    try {
      child = await spawnGated(spec, home, this.#markOf(id));
    } catch (error) {
      return tell({ on: 'unspawned', id, detail: (error as Error).message });
    }
    const pid = child.pid!;
    const identity = await systemProcesses.identity(pid);
    if (identity === undefined) return tell({ on: 'unspawned', id, detail: 'it ended at its gate' });
    this.#own.set(pid, child);
    this.#logFrom.set(pid, from);
    const exited = (code: number | null, by: NodeJS.Signals | null): void => {
      if (!this.#own.delete(pid)) return;
      this.#exited(id, pid, spec.log, { ...(code === null ? {} : { code }), ...(by === null ? {} : { signal: by }) });
    };
    child.once('exit', exited);
    tell({ on: 'gated', id, instance: { pid, identity, command, log: spec.log, stop: spec.stop, startedAt: now() } });
    // It may have ended before we listened.
    if (child.exitCode !== null || child.signalCode !== null) exited(child.exitCode, child.signalCode);
  }

  #exited(id: string, pid: number, path: string, how: Omit<Exit, 'at'>): void {
    const lines = tellingLines(tail(path, this.#logFrom.get(pid) ?? 0));
    this.#logFrom.delete(pid);
    log('exited', { id, pid, ...how, ...(lines.length > 0 ? { lines } : {}) });
    this.#around.tell({ on: 'exited', id, pid, exit: { ...how, at: this.#around.wall() }, lines });
  }

  #release(pid: number): void {
    const child = this.#own.get(pid);
    if (!child) return;
    this.#around.confirm();
    openGate(child);
  }

  async #signal({ pid, identity }: Instance, name: NodeJS.Signals): Promise<void> {
    if (this.#own.has(pid) || (await systemProcesses.identity(pid)) === identity) signal(pid, name);
  }

  /** The group at once, then whatever has left it. */
  async #kill(id: string, instance: Instance): Promise<void> {
    const { pid, identity } = instance;
    if ((await systemProcesses.identity(pid)) === identity) signal(-pid, 'SIGKILL');
    // What it cannot end is found again by the sweep, or by the next kill.
    await clear({ mark: this.#markOf(id), ...remainsOf(instance) }, sweepMs).catch(() => []);
  }

  async #sweep(id: string, remains: Remains): Promise<void> {
    const left = await clear({ mark: this.#markOf(id), ...remains }, sweepMs).then(
      (pids) => (pids.length > 0 ? { left: `pid ${pids.join(' ')}` } : {}),
      (error: Error) => ({ left: error.message }),
    );
    this.#around.tell({ on: 'swept', id, ...left });
  }

  #markOf(id: string): string {
    return `${this.#around.mark}/${id}`;
  }

  /** The kernel tells the end of a process to its parent only: adopted ones have to be looked at. */
  async poll(living: readonly { readonly id: string; readonly instance: Instance }[]): Promise<void> {
    for (const { id, instance } of living) {
      const { pid, identity, log } = instance;
      if (this.#own.has(pid)) continue;
      if (!this.#logFrom.has(pid)) this.#logFrom.set(pid, sizeOf(log));
      if ((await systemProcesses.identity(pid)) !== identity) this.#exited(id, pid, log, {});
    }
  }
}

const pidOf = (action: Action): { pid?: number } =>
  'pid' in action ? { pid: action.pid } : 'instance' in action ? { pid: action.instance.pid } : {};
