import { describe, expect, it } from 'vitest';
import type { ProcessReport, Report, State } from '../../src/supervisor/report.js';
import { type Evidence, judge } from '../../src/supervisor/status.js';

const me = { pid: 10, identity: 'boot:10', startedAt: 0 };
const record = (id: string, state: State, more: Partial<ProcessReport> = {}): ProcessReport => ({
  id,
  state,
  command: 'c',
  log: `/logs/${id}.log`,
  stop: { signal: 'SIGTERM', graceMs: 1 },
  after: [],
  restarts: 0,
  ...more,
});
const running = (id: string, state: State, pid: number, more: Partial<ProcessReport> = {}): ProcessReport =>
  record(id, state, { pid, identity: `boot:${pid}`, startedAt: 100, ...more });
const report = (processes: readonly ProcessReport[], more: Partial<Report> = {}): Report => ({
  version: 1,
  supervisor: me,
  state: 'running',
  updatedAt: 1000,
  stack: 'hash',
  loads: 1,
  processes,
  ...more,
});
const evidence = (
  processes: readonly ProcessReport[],
  alive: readonly number[],
  more: Partial<Evidence> = {},
): Evidence => ({
  report: report(processes),
  supervisor: me,
  alive: new Set(alive),
  now: 2000,
  ...more,
});

const engine = running('engine', 'ready', 11, { readySince: 200 });
const gateway = running('gateway', 'ready', 12, { readySince: 300 });
const crashing = record('engine', 'crashing', {
  restarts: 6,
  lastExit: { code: 1, at: 900 },
  nextStartAt: 9000,
  reason: { kind: 'exit', lines: ['boom'] },
});

describe('judge', () => {
  it.each<[string, Evidence, string, string, RegExp]>([
    [
      'nothing was ever started',
      { report: undefined, supervisor: undefined, alive: new Set(), now: 0 },
      'down',
      'none',
      /^Nothing is running/,
    ],
    [
      'a supervisor that has not reported',
      { report: undefined, supervisor: me, alive: new Set(), now: 0 },
      'starting',
      'running',
      /^The supervisor is starting/,
    ],
    ['all is ready', evidence([engine, gateway], [11, 12]), 'ready', 'running', /^Everything is ready/],
    [
      'one is starting',
      evidence([running('engine', 'starting', 11), gateway], [11, 12]),
      'starting',
      'running',
      /^engine is starting/,
    ],
    [
      'one waits for another',
      evidence(
        [
          running('engine', 'starting', 11),
          record('gateway', 'starting', { reason: { kind: 'waits', detail: 'engine' } }),
        ],
        [11],
      ),
      'starting',
      'running',
      /^engine is starting/,
    ],
    [
      'one does not answer',
      evidence(
        [running('engine', 'unhealthy', 11, { reason: { kind: 'unhealthy', detail: 'refused' } }), gateway],
        [11, 12],
      ),
      'degraded',
      'running',
      /^engine runs but does not answer \(refused\)/,
    ],
    [
      'one keeps crashing, the other works',
      evidence([crashing, gateway], [12]),
      'degraded',
      'running',
      /^engine ended with status 1/,
    ],
    ['the only one keeps crashing', evidence([crashing], []), 'down', 'running', /^engine ended with status 1/],
    ['one was killed just now', evidence([engine, gateway], [12]), 'degraded', 'running', /^engine has just ended/],
    [
      'the supervisor is gone, the others live',
      evidence([engine, gateway], [11, 12], { supervisor: undefined }),
      'degraded',
      'gone',
      /^The supervisor is gone; engine, gateway still running/,
    ],
    [
      'all are gone',
      evidence([engine, gateway], [], { supervisor: undefined }),
      'down',
      'gone',
      /all of its processes are gone/,
    ],
    [
      'it was stopped in good order',
      evidence([], [], { supervisor: undefined, report: report([record('engine', 'stopped')], { state: 'stopped' }) }),
      'down',
      'none',
      /^Nothing is running/,
    ],
    [
      'it is being stopped',
      evidence([], [11], {
        report: report([running('engine', 'stopping', 11), record('gateway', 'stopped')], { state: 'stopping' }),
      }),
      'down',
      'stopping',
      /^engine is stopping/,
    ],
    [
      'the supervisor does not report any more',
      evidence([engine, gateway], [11, 12], { now: 40_000 }),
      'degraded',
      'hung',
      /has not reported/,
    ],
    [
      'a new supervisor has the lock, the report is the old one',
      evidence([engine], [11], { supervisor: { pid: 20, identity: 'boot:20' } }),
      'ready',
      'running',
      /ready/,
    ],
  ])('%s', (_, given, state, supervisor, reason) => {
    const verdict = judge(given);
    expect([verdict.state, verdict.supervisor.state]).toEqual([state, supervisor]);
    expect(verdict.reason.en).toMatch(reason);
    expect(verdict.reason.zh).toMatch(/[\u4e00-\u9fff]/);
  });

  it('names no pid, start or readiness of what does not live, and no next start that nobody will make', () => {
    const [gone] = judge(evidence([engine], [])).processes;
    expect(gone).toEqual({ id: 'engine', state: 'gone', log: '/logs/engine.log', restarts: 0, lines: [] });
    const [waiting] = judge(evidence([crashing], [])).processes;
    expect(waiting).toMatchObject({ state: 'crashing', nextStartAt: 9000, lines: ['boom'], restarts: 6 });
    const [forsaken] = judge(evidence([crashing], [], { supervisor: undefined })).processes;
    expect(forsaken?.state).toBe('gone');
    expect(forsaken).not.toHaveProperty('nextStartAt');
  });

  it('knows the stack only of the living supervisor', () => {
    expect(judge(evidence([engine], [11]))).toMatchObject({ stack: 'hash', loads: 1 });
    const other = judge(evidence([engine], [11], { supervisor: { pid: 20, identity: 'boot:20' } }));
    expect(other).not.toHaveProperty('stack');
    expect(other.loads).toBe(0);
  });
});
