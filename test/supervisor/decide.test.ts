import { describe, expect, it } from 'vitest';
import { type Action, decide, type Event, initially, nextWake, type Supervised } from '../../src/supervisor/decide.js';
import { defaultTiming, type ProcessSpec } from '../../src/supervisor/stack.js';
import { type Instance, stateOf, type Wanted } from '../../src/supervisor/unit.js';

const url = (id: string): string => `http://${id}/health`;
const wanted = (id: string, more: Partial<ProcessSpec> = {}, command = `${id} 1`): Wanted => ({
  spec: {
    id,
    argv: [id],
    log: `/logs/${id}.log`,
    ready: { url: url(id), everyMs: 1000, withinMs: 60_000 },
    stop: { signal: 'SIGTERM', graceMs: 5000 },
    ...more,
  },
  command,
});
const engine = wanted('engine');
const gateway = wanted('gateway', { after: ['engine'], stop: { signal: 'SIGQUIT', graceMs: 3000 } });

/** A supervisor in a bottle: what was decided at which time. */
class Bench {
  state: Supervised = initially;
  now = 0;
  pid = 100;

  tell(event: Event): readonly Action[] {
    const [state, actions] = decide(this.state, event, this.now);
    this.state = state;
    return actions;
  }

  at(now: number): readonly Action[] {
    this.now = now;
    return this.tell({ on: 'tick' });
  }

  stack(...items: Wanted[]): readonly Action[] {
    return this.tell({ on: 'stack', wanted: items, timing: defaultTiming });
  }

  swept(id: string): readonly Action[] {
    return this.tell({ on: 'swept', id });
  }

  gated({ spec, command }: Wanted): readonly Action[] {
    const pid = ++this.pid;
    const { id, log, stop } = spec;
    const instance: Instance = { pid, identity: `boot:${pid}`, command, log, stop, startedAt: this.now };
    return this.tell({ on: 'gated', id, instance });
  }

  probed(id: string, failed?: string): readonly Action[] {
    const { life } = this.unit(id);
    if (life.is !== 'up') throw new Error(`${id} is ${life.is}`);
    return this.tell({ on: 'probed', id, pid: life.instance.pid, ...(failed === undefined ? {} : { failed }) });
  }

  exits(id: string, how: { code?: number; signal?: string } = { code: 1 }, lines: string[] = []): readonly Action[] {
    const { life } = this.unit(id);
    if (life.is !== 'up' && life.is !== 'stopping') throw new Error(`${id} is ${life.is}`);
    return this.tell({ on: 'exited', id, pid: life.instance.pid, exit: { ...how, at: this.now }, lines });
  }

  unit(id: string) {
    const unit = this.state.units.find((one) => one.id === id);
    if (!unit) throw new Error(`no ${id}`);
    return unit;
  }

  stateOf(id: string) {
    return stateOf(this.unit(id), this.state.timing, this.state.ending);
  }

  /** From nothing to ready. */
  brought(...items: Wanted[]): this {
    this.stack(...items);
    for (const { spec } of items) this.swept(spec.id);
    for (const item of items) {
      this.gated(item);
      this.probed(item.spec.id);
    }
    return this;
  }
}

const kinds = (actions: readonly Action[]): string[] =>
  actions.map((action) => ('id' in action ? `${action.do} ${action.id}` : action.do));

describe('a start', () => {
  it('sweeps, spawns, goes on record, is let through, and is asked', () => {
    const bench = new Bench();
    expect(kinds(bench.stack(engine))).toEqual(['sweep engine']);
    expect(kinds(bench.swept('engine'))).toEqual(['spawn engine']);
    expect(bench.stateOf('engine')).toBe('starting');
    expect(kinds(bench.gated(engine))).toEqual(['release engine', 'probe engine']);
    expect(bench.stateOf('engine')).toBe('starting');
    bench.probed('engine');
    expect(bench.stateOf('engine')).toBe('ready');
  });

  it('waits for those it comes after, until they have been ready', () => {
    const bench = new Bench();
    bench.stack(engine, gateway);
    expect(kinds(bench.swept('gateway'))).toEqual([]);
    expect(bench.unit('gateway').reason).toEqual({ kind: 'waits', detail: 'engine' });
    bench.swept('engine');
    bench.gated(engine);
    expect(kinds(bench.probed('engine', 'refused'))).toEqual([]);
    bench.at(300);
    expect(kinds(bench.probed('engine'))).toEqual(['spawn gateway']);
    expect(bench.unit('gateway').reason).toBeUndefined();
  });

  it('does not wait for one that fails, nor, once it was started, for anybody', () => {
    const bench = new Bench();
    bench.stack(engine, gateway);
    bench.swept('gateway');
    bench.swept('engine');
    bench.gated(engine);
    expect(kinds(bench.exits('engine'))).toEqual(['sweep engine', 'spawn gateway']);
    bench.gated(gateway);
    bench.exits('gateway');
    bench.swept('gateway');
    expect(kinds(bench.at(500))).toEqual(['spawn gateway']);
  });

  it('without a probe is ready when it runs', () => {
    const bench = new Bench();
    const { ready: _, ...spec } = engine.spec;
    const bare: Wanted = { spec, command: 'x' };
    bench.stack(bare);
    bench.swept('engine');
    expect(kinds(bench.gated(bare))).toEqual(['release engine']);
    expect(bench.stateOf('engine')).toBe('ready');
    expect(nextWake(bench.state, bench.now)).toBe(Infinity);
  });

  it('that cannot be made is tried again later', () => {
    const bench = new Bench();
    bench.stack(engine);
    bench.swept('engine');
    bench.tell({ on: 'unspawned', id: 'engine', detail: 'spawn EAGAIN' });
    expect(bench.unit('engine').reason).toEqual({ kind: 'spawn', detail: 'spawn EAGAIN' });
    bench.swept('engine');
    expect(bench.stateOf('engine')).toBe('backoff');
    expect(kinds(bench.at(500))).toEqual(['spawn engine']);
  });

  it('never happens while something of it is left', () => {
    const bench = new Bench();
    bench.stack(engine);
    expect(kinds(bench.tell({ on: 'swept', id: 'engine', left: 'pid 7' }))).toEqual([]);
    expect(bench.unit('engine').reason).toEqual({ kind: 'left', detail: 'pid 7' });
    expect(nextWake(bench.state, bench.now)).toBe(1000);
    expect(kinds(bench.at(1000))).toEqual(['sweep engine']);
    expect(kinds(bench.swept('engine'))).toEqual(['spawn engine']);
  });
});

describe('a crash', () => {
  it('is followed by longer and longer waits, then by a steady one and the word for it', () => {
    const bench = new Bench().brought(engine);
    const waits: number[] = [];
    const states: string[] = [];
    for (let n = 0; n < 7; n++) {
      bench.exits('engine', { code: 1 }, ['boom']);
      bench.swept('engine');
      states.push(bench.stateOf('engine'));
      const wake = nextWake(bench.state, bench.now);
      waits.push(wake - bench.now);
      expect(kinds(bench.at(wake - 1))).toEqual([]);
      expect(kinds(bench.at(wake))).toEqual(['spawn engine']);
      bench.gated(engine);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 30_000, 30_000, 30_000]);
    expect(states).toEqual([...Array(4).fill('backoff'), ...Array(3).fill('crashing')]);
    expect(bench.unit('engine').reason).toEqual({ kind: 'exit', lines: ['boom'] });
    expect(bench.stateOf('engine')).toBe('crashing');
    bench.probed('engine');
    expect(bench.stateOf('engine')).toBe('ready');
    expect(bench.unit('engine')).toMatchObject({ restarts: 7, lastExit: { code: 1 } });
    expect(bench.unit('engine').reason).toBeUndefined();
  });

  it('is forgotten after a minute of readiness, not before', () => {
    const bench = new Bench().brought(engine);
    bench.exits('engine');
    bench.swept('engine');
    bench.at(500);
    bench.gated(engine);
    bench.probed('engine');
    bench.at(60_499);
    expect(bench.unit('engine').failures).toBe(1);
    bench.at(60_500);
    expect(bench.unit('engine').failures).toBe(0);
  });

  it('an end without a fault is one too: it was to stay', () => {
    const bench = new Bench().brought(engine);
    bench.exits('engine', { code: 0 });
    bench.swept('engine');
    expect(bench.stateOf('engine')).toBe('backoff');
  });

  it('need not wait any longer when a person asks', () => {
    const bench = new Bench().brought(engine);
    for (let n = 0; n < 6; n++) {
      bench.exits('engine');
      bench.swept('engine');
      bench.at(nextWake(bench.state, bench.now));
      bench.gated(engine);
    }
    bench.exits('engine');
    bench.swept('engine');
    expect(bench.stateOf('engine')).toBe('crashing');
    expect(kinds(bench.stack(engine))).toEqual(['spawn engine']);
    expect(bench.stateOf('engine')).toBe('starting');
  });
});

describe('a probe', () => {
  it('comes often at first, then as asked for', () => {
    const bench = new Bench();
    bench.stack(engine);
    bench.swept('engine');
    bench.gated(engine);
    bench.probed('engine', 'refused');
    expect(nextWake(bench.state, bench.now)).toBe(200);
    bench.at(200);
    bench.probed('engine');
    expect(nextWake(bench.state, bench.now)).toBe(1200);
    expect(kinds(bench.at(1199))).toEqual([]);
    expect(kinds(bench.at(1200))).toEqual(['probe engine']);
    expect(kinds(bench.at(5000))).toEqual([]);
  });

  it('that fails twice shows, and restarts after half a minute', () => {
    const bench = new Bench().brought(engine);
    bench.at(1000);
    bench.probed('engine', 'timeout');
    expect(bench.stateOf('engine')).toBe('ready');
    for (let now = 2000; now < 31_000; now += 1000) {
      bench.at(now);
      expect(kinds(bench.probed('engine', 'timeout'))).toEqual([]);
      expect(bench.stateOf('engine')).toBe('unhealthy');
    }
    bench.at(31_000);
    expect(kinds(bench.probed('engine', 'timeout'))).toEqual(['signal engine']);
    expect(bench.stateOf('engine')).toBe('stopping');
    expect(kinds(bench.at(35_999))).toEqual([]);
    expect(kinds(bench.at(36_000))).toEqual(['kill engine']);
    expect(kinds(bench.at(37_000))).toEqual(['kill engine']);
    bench.exits('engine', { signal: 'SIGKILL' }, ['stuck']);
    expect(bench.unit('engine')).toMatchObject({
      failures: 1,
      reason: { kind: 'unhealthy', detail: 'timeout', lines: ['stuck'] },
    });
  });

  it('that succeeds in between forgives', () => {
    const bench = new Bench().brought(engine);
    for (const [now, failed] of [
      [1000, 'x'],
      [2000, 'x'],
      [3000, undefined],
      [33_000, 'x'],
    ] as const) {
      bench.at(now);
      expect(kinds(bench.probed('engine', failed))).toEqual([]);
    }
    expect(bench.stateOf('engine')).toBe('ready');
  });

  it('restarts what does not become ready in its time, on a fresh answer only', () => {
    const bench = new Bench();
    bench.stack(engine);
    bench.swept('engine');
    bench.gated(engine);
    bench.probed('engine', 'refused');
    expect(kinds(bench.at(70_000))).toEqual(['probe engine']);
    expect(kinds(bench.probed('engine', 'refused'))).toEqual(['signal engine']);
  });

  it('of an earlier process tells nothing of this one', () => {
    const bench = new Bench().brought(engine);
    const before = bench.state;
    bench.tell({ on: 'probed', id: 'engine', pid: 1, failed: 'x' });
    bench.tell({ on: 'exited', id: 'engine', pid: 1, exit: { at: 0 }, lines: [] });
    bench.swept('engine');
    expect(bench.state).toEqual(before);
  });
});

describe('a new stack', () => {
  it('leaves alone what is the same', () => {
    const bench = new Bench().brought(engine, gateway);
    expect(bench.stack(engine, gateway)).toEqual([]);
  });

  it('replaces what has another command, and only that', () => {
    const bench = new Bench().brought(engine, gateway);
    const other = wanted('engine', { stop: { signal: 'SIGTERM', graceMs: 1 } }, 'engine 2');
    expect(kinds(bench.stack(other, gateway))).toEqual(['signal engine']);
    expect(bench.unit('engine').life).toMatchObject({ is: 'stopping', killAt: 5000 });
    expect(kinds(bench.exits('engine', { code: 0 }))).toEqual(['sweep engine']);
    expect(kinds(bench.swept('engine'))).toEqual(['spawn engine']);
    bench.gated(other);
    bench.probed('engine');
    expect(bench.unit('engine')).toMatchObject({ failures: 0, restarts: 1 });
    expect(bench.stateOf('gateway')).toBe('ready');
  });

  it('takes changed watching as it comes', () => {
    const bench = new Bench().brought(engine);
    const patient = wanted('engine', { ready: { url: url('other'), everyMs: 5000, withinMs: 1 } });
    expect(bench.stack(patient)).toEqual([]);
    expect(bench.at(1000)).toMatchObject([{ do: 'probe', url: url('other') }]);
  });

  it('ends and forgets what is gone from it', () => {
    const bench = new Bench().brought(engine, gateway);
    expect(kinds(bench.stack(engine))).toEqual(['signal gateway']);
    bench.exits('gateway', { code: 0 });
    bench.swept('gateway');
    expect(bench.state.units.map(({ id }) => id)).toEqual(['engine']);
  });

  it('during a start ends what came to be under the old one', () => {
    const bench = new Bench();
    bench.stack(engine);
    bench.swept('engine');
    const other = wanted('engine', {}, 'engine 2');
    bench.stack(other);
    expect(kinds(bench.gated(engine))).toContain('signal engine');
    bench.exits('engine');
    expect(kinds(bench.swept('engine'))).toEqual(['spawn engine']);
  });
});

describe('the end', () => {
  it('comes in the reverse order, with each grace, and last of all finishes', () => {
    const bench = new Bench().brought(engine, gateway);
    expect(bench.tell({ on: 'stop' })).toMatchObject([{ do: 'signal', id: 'gateway', signal: 'SIGQUIT' }]);
    expect(bench.stateOf('engine')).toBe('stopping');
    expect(kinds(bench.at(3000))).toEqual(['kill gateway']);
    bench.exits('gateway', { signal: 'SIGKILL' });
    expect(bench.swept('gateway')).toMatchObject([{ do: 'signal', id: 'engine', signal: 'SIGTERM' }]);
    expect(bench.stateOf('gateway')).toBe('stopped');
    bench.exits('engine', { code: 0 });
    expect(kinds(bench.swept('engine'))).toEqual(['finish']);
    expect(bench.tell({ on: 'tick' })).toEqual([]);
    expect(bench.stack(engine)).toEqual([]);
  });

  it('lets nobody through the gate any more', () => {
    const bench = new Bench();
    bench.stack(engine);
    bench.swept('engine');
    expect(kinds(bench.tell({ on: 'stop' }))).toEqual([]);
    expect(kinds(bench.gated(engine))).toEqual(['signal engine']);
  });

  it('of nothing finishes at once', () => {
    expect(kinds(new Bench().tell({ on: 'stop' }))).toEqual(['finish']);
  });
});
