import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Timing } from '../../src/supervisor/stack.js';
import { backoff, stateOf, type Wanted } from '../../src/supervisor/unit.js';
import { Machine } from './machine.js';

const timing: Timing = {
  backoffMs: 50,
  backoffMaxMs: 700,
  resetMs: 3000,
  crashes: 4,
  retryMs: 1500,
  unhealthyMs: 900,
  probeMs: 200,
  startProbeMs: 50,
  pollMs: 100,
  heartbeatMs: 500,
};

const ids = ['engine', 'gateway', 'exporter'] as const;
const after = { engine: [], gateway: ['engine'], exporter: ['gateway', 'engine'] } as const;

const wanted = (id: (typeof ids)[number], version: number, present: readonly string[]): Wanted => ({
  spec: {
    id,
    argv: [id],
    log: `/logs/${id}.log`,
    ...(id === 'exporter' ? {} : { ready: { url: `http://${id}/`, everyMs: 300, withinMs: 2000 } }),
    stop: { signal: 'SIGTERM', graceMs: 400 },
    after: after[id].filter((other) => present.includes(other)),
  },
  command: `${id} ${version}`,
});

const stacks = fc
  .tuple(fc.subarray([...ids]), fc.nat(1))
  .map(([present, version]) => present.map((id) => wanted(id, version, present)));

type Step = (machine: Machine) => void;
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.nat(5), fc.boolean()).map(
      ([n, well]): Step =>
        (m) =>
          m.perform(n, well),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.nat(5).map(
      (n): Step =>
        (m) =>
          m.perform(n, true),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.nat(2500).map(
      (ms): Step =>
        (m) =>
          m.pass(ms),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(2), fc.boolean()).map(
      ([n, clean]): Step =>
        (m) =>
          m.crash(n, clean),
    ),
  },
  {
    weight: 2,
    arbitrary: stacks.map(
      (items): Step =>
        (m) =>
          m.stack(items),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.nat(3).map(
      (n): Step =>
        (m) =>
          m.killSupervisor(() => m.dieUnseen(n)),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Step>((m) => m.tell({ on: 'stop' })) },
);

const run = (steps: readonly Step[]): Machine => {
  const machine = new Machine(timing);
  machine.stack(ids.map((id) => wanted(id, 0, ids)));
  for (const one of steps) one(machine);
  return machine;
};

describe('whatever happens', () => {
  const steps = fc.array(step, { maxLength: 60, size: 'max' });

  it('no two of one id ever live, and no wait is without bound', () => {
    fc.assert(
      fc.property(steps, (list) => {
        expect(run(list).broken).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  it('once it is over, exactly what is wanted lives, and is ready', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const machine = run(list);
        if (machine.state.ending) machine.killSupervisor(() => undefined);
        machine.calm(20_000);
        const living = [...machine.processes.values()].map(({ command }) => command).sort();
        expect(living).toEqual(machine.wanted.map(({ command }) => command).sort());
        expect(machine.state.units.map((unit) => stateOf(unit, timing, false))).toEqual(living.map(() => 'ready'));
        expect(machine.broken).toBeUndefined();
      }),
      { numRuns: 400 },
    );
  });

  it('a stop ends all and finishes, also when it is the next supervisor that ends it', () => {
    fc.assert(
      fc.property(steps, fc.boolean(), (list, killed) => {
        const machine = run(list);
        if (killed) machine.killSupervisor(() => undefined);
        machine.tell({ on: 'stop' });
        machine.calm(20_000);
        expect(machine.finished).toBe(true);
        expect([...machine.processes]).toEqual([]);
        expect(machine.report.state).toBe('stopped');
        expect(machine.report.processes.every(({ state, pid }) => state === 'stopped' && !pid)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('backoff', () => {
  it('never shrinks with another failure, and stays within its bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), (failures) => {
        const wait = backoff(failures, timing);
        expect(wait).toBeGreaterThanOrEqual(timing.backoffMs);
        expect(wait).toBeLessThanOrEqual(timing.retryMs);
        expect(backoff(failures + 1, timing)).toBeGreaterThanOrEqual(wait);
      }),
    );
  });
});
