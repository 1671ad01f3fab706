import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSupervision } from '../../src/supervisor/status.js';
import { build, Ground, kill } from './ground.js';

let built = '';
let ground: Ground;
beforeAll(() => {
  built = build();
});
afterAll(() => rmSync(built, { recursive: true }));
beforeEach(() => {
  ground = new Ground(built);
});
afterEach(() => ground.clean());

const both = async (g = ground) => [await g.spec('engine'), await g.spec('gateway', { after: ['engine'] })];

async function brought(g = ground) {
  const specs = await both(g);
  g.stack(specs);
  const supervisor = g.start();
  await g.state('ready');
  return { specs, supervisor };
}

const one = (id: string): number => {
  const pids = ground.servers(id);
  expect(pids).toHaveLength(1);
  return pids[0]!;
};

describe('a supervisor', () => {
  it('brings its processes up in order, tells the truth about them, and ends them in reverse', async () => {
    const { supervisor } = await brought();
    expect(ground.pidOf('engine')).toBe(one('engine'));
    expect(ground.process('gateway').startedAt).toBeGreaterThanOrEqual(ground.process('engine').readySince!);
    for (const name of ['run/supervisor.json', 'run/supervisor.lock', 'logs/engine.log', 'logs/supervisor.log']) {
      expect(statSync(`${ground.home}/${name}`).mode & 0o777, name).toBe(0o600);
    }
    kill(supervisor.pid, 'SIGTERM');
    expect(await supervisor.ended).toBe(0);
    expect([...ground.servers('engine'), ...ground.servers('gateway')]).toEqual([]);
    expect(ground.report.state).toBe('stopped');
    expect(readdirSync(`${ground.home}/run`).sort()).toEqual(['stack.json', 'supervisor.json']);
    const ends = ground.events().filter(({ event }) => event === 'exited');
    expect(ends.map(({ id }) => id)).toEqual(['gateway', 'engine']);
    expect((await readSupervision(ground.world)).state).toBe('down');
  });

  it('reports again and again', async () => {
    await brought();
    const { updatedAt } = ground.report;
    await ground.until('a heartbeat', () => ground.report.updatedAt > updatedAt);
  });

  it('restarts what was killed, and nothing else', async () => {
    await brought();
    const [engine, gateway] = [one('engine'), one('gateway')];
    kill(engine);
    await ground.until('a restart', () => ground.process('engine').restarts === 1);
    await ground.state('ready');
    expect(one('engine')).not.toBe(engine);
    expect(one('gateway')).toBe(gateway);
    expect(ground.process('engine').lastExit).toMatchObject({ signal: 'SIGKILL' });
  });

  it('says why something keeps crashing, and has it back once that is mended', async () => {
    ground.mood('engine', 'crash');
    ground.stack(await both());
    ground.start();
    await ground.until('crashing', () => ground.process('engine').state === 'crashing');
    const { processes, reason, state } = await ground.state('degraded');
    expect(state).toBe('degraded');
    expect(reason.en).toBe('engine ended with status 3.');
    expect(processes[0]).toMatchObject({ id: 'engine', state: 'crashing', lines: ['Error: no such model'] });
    ground.mood('engine', '');
    await ground.state('ready');
    expect(one('engine')).toBeGreaterThan(0);
  });

  it('says when there is no such program', async () => {
    ground.stack([await ground.spec('engine', { argv: ['/nowhere/llama'] })]);
    ground.start();
    await ground.until('crashing', () => ground.process('engine').state === 'crashing');
    expect(ground.process('engine').reason?.lines?.join()).toContain('/nowhere/llama');
    expect((await readSupervision(ground.world)).reason.en).toBe('engine: its program was not found.');
  });

  it('restarts what does not answer any more', async () => {
    await brought();
    const engine = one('engine');
    kill(engine, 'SIGSTOP');
    await ground.until('unhealthy', () => ground.process('engine').state === 'unhealthy');
    await ground.until('a restart', () => ground.process('engine').restarts === 1);
    await ground.state('ready');
    expect(one('engine')).not.toBe(engine);
  });

  it('restarts what does not become ready in time', async () => {
    ground.mood('engine', 'sick');
    const { ready, ...spec } = await ground.spec('engine');
    ground.stack([{ ...spec, ready: { ...ready!, withinMs: 600 } }]);
    ground.start();
    await ground.until('a restart for its answer', () => {
      const { restarts, reason } = ground.process('engine');
      return restarts > 0 && reason?.kind === 'unready' && reason.detail?.includes('answered 503') === true;
    });
    ground.mood('engine', '');
    await ground.state('ready');
  });

  it('ends the stubborn, with its children, those in a session of their own too', async () => {
    ground.mood('engine', 'stubborn parent');
    const { supervisor } = await brought();
    await ground.until('children', () => ground.servers('engine-child').length === 2);
    kill(supervisor.pid, 'SIGTERM');
    expect(await supervisor.ended).toBe(0);
    expect([...ground.servers('engine'), ...ground.servers('engine-child')]).toEqual([]);
    expect(ground.log('engine')).toContain('no\n');
  });

  it('sweeps the children of what was killed before it starts it again', async () => {
    ground.mood('engine', 'parent');
    await brought();
    const engine = one('engine');
    await ground.until('children', () => ground.servers('engine-child').length === 2);
    const before = ground.servers('engine-child');
    kill(engine);
    await ground.until('a restart', () => ground.process('engine').restarts === 1);
    await ground.until('children', () => ground.servers('engine-child').length === 2);
    expect(ground.servers('engine-child').filter((pid) => before.includes(pid))).toEqual([]);
  });

  it('rotates the logs of its processes and its own', async () => {
    ground.mood('engine', 'chatter');
    ground.stack([await ground.spec('engine')], { logs: { maxBytes: 2000, keep: 2 } });
    ground.start();
    await ground.until('three rotations', () => ground.events().filter(({ event }) => event === 'rotated').length >= 3);
    expect(statSync(`${ground.home}/logs/engine.log.1`).mode & 0o777).toBe(0o600);
    expect(readFileSync(`${ground.home}/logs/engine.log.1`, 'utf8')).toMatch(/x{200}\n/);
    expect(existsSync(`${ground.home}/logs/engine.log.3`)).toBe(false);
    // The writer goes on at the new end: a hole of zeroes would tell that it was not in append mode.
    expect(ground.log('engine')).not.toContain('\0');
  });

  it('lives in a long home with odd letters in its name', async () => {
    ground.clean();
    ground = new Ground(built, `${'long '.repeat(40)}/家 "quoted" $HOME`);
    const { supervisor } = await brought();
    kill(supervisor.pid);
    ground.start();
    await ground.until('an adoption', () => ground.report.supervisor.pid !== supervisor.pid);
    one('engine');
    await ground.state('ready');
  });

  it.skipIf(process.geteuid?.() !== 0)('does not need root', async () => {
    const nobody = { uid: 65_534, gid: 65_534 };
    chmodSync(built, 0o755);
    chmodSync(dirname(ground.home), 0o755);
    for (const path of ['', '/run', '/logs']) chownSync(`${ground.home}${path}`, nobody.uid, nobody.gid);
    ground.stack(await both());
    chownSync(`${ground.home}/run/stack.json`, nobody.uid, nobody.gid);
    ground.start(nobody).ended.catch(() => undefined);
    chownSync(`${ground.home}/logs/supervisor.log`, nobody.uid, nobody.gid);
    await ground.state('ready');
    const [engine, gateway] = [one('engine'), one('gateway')];
    kill(ground.report.supervisor.pid);
    kill(engine);
    ground.start(nobody);
    await ground.until('a new engine', () => ground.servers('engine').some((pid) => pid !== engine));
    await ground.state('ready');
    expect(one('gateway')).toBe(gateway);
    expect(statSync(`/proc/${one('engine')}`).uid).toBe(nobody.uid);
  });
});

describe('a second supervisor', () => {
  it('beside a living one leaves at once', async () => {
    await brought();
    const before = ground.report;
    const second = ground.start();
    expect(await second.ended).toBe(5);
    expect(ground.report.supervisor).toEqual(before.supervisor);
    one('engine');
  });

  it('of several that start at once, one stays', async () => {
    ground.stack(await both());
    const all = [1, 2, 3, 4].map(() => ground.start());
    await ground.state('ready');
    await ground.until('one supervisor', () => ground.supervisors().length === 1);
    const ended = all.filter(({ pid }) => pid !== ground.supervisors()[0]);
    expect(await Promise.all(ended.map((child) => child.ended))).toEqual([5, 5, 5]);
    one('engine');
    one('gateway');
  });

  it('after a killed one takes up what lives, and notices when that ends', async () => {
    const { supervisor } = await brought();
    const [engine, gateway] = [one('engine'), one('gateway')];
    kill(supervisor.pid);
    await supervisor.ended;
    expect((await ground.state('degraded')).supervisor.state).toBe('gone');
    ground.start();
    await ground.state('ready');
    expect([one('engine'), one('gateway')]).toEqual([engine, gateway]);
    kill(engine);
    await ground.until('a restart', () => ground.process('engine').restarts === 1);
    await ground.state('ready');
    expect(one('engine')).not.toBe(engine);
    expect(one('gateway')).toBe(gateway);
  });

  it('replaces what is to run with another command, ends what is not wanted, keeps the rest', async () => {
    const extra = await ground.spec('extra');
    const [engine, gateway] = await both();
    ground.stack([engine!, gateway!, extra]);
    const supervisor = ground.start();
    await ground.state('ready');
    const before = [one('engine'), one('gateway')];
    kill(supervisor.pid);
    ground.stack([{ ...engine!, env: { LEVEL: '2' } }, gateway!]);
    ground.start();
    await ground.until('no extra', () => ground.servers('extra').length === 0 && one('engine') !== before[0]);
    await ground.state('ready');
    expect(one('gateway')).toBe(before[1]);
  });

  it('finds them without any record', async () => {
    const { supervisor } = await brought();
    kill(supervisor.pid);
    for (const name of ['supervisor.json', 'supervisor.lock']) rmSync(`${ground.home}/run/${name}`);
    const before = one('engine');
    ground.start();
    await ground.state('ready');
    expect(one('engine')).not.toBe(before);
    one('gateway');
  });

  it('after a power cut harms nobody who was given an old number', async () => {
    const innocent = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
    try {
      const { supervisor } = await brought();
      kill(supervisor.pid, 'SIGTERM');
      await supervisor.ended;
      const stale = { pid: innocent.pid!, identity: '00000000-0000-4000-8000-000000000000:42' };
      const { processes, ...report } = ground.report;
      const ran = processes.map((record) => ({ ...record, ...stale, state: 'ready', startedAt: 1, readySince: 2 }));
      const cut = { ...report, state: 'running', supervisor: { ...stale, startedAt: 0 }, processes: ran };
      writeFileSync(`${ground.home}/run/supervisor.json`, JSON.stringify(cut));
      writeFileSync(`${ground.home}/run/supervisor.lock`, JSON.stringify(stale));
      expect(await readSupervision(ground.world)).toMatchObject({ state: 'down', supervisor: { state: 'gone' } });
      ground.start();
      await ground.state('ready');
      expect(innocent.exitCode ?? innocent.signalCode).toBeNull();
    } finally {
      innocent.kill('SIGKILL');
    }
  });
});

describe('the stack file', () => {
  it('read again on SIGHUP: the difference, and no more', async () => {
    const { specs, supervisor } = await brought();
    const [engine, gateway] = specs;
    const before = [one('engine'), one('gateway')];
    ground.stack([engine!, { ...gateway!, argv: [...gateway!.argv, 'more'] }, await ground.spec('extra')]);
    kill(supervisor.pid, 'SIGHUP');
    await ground.until('a second load', () => ground.report.loads === 2);
    await ground.state('ready');
    expect(one('engine')).toBe(before[0]);
    expect(one('gateway')).not.toBe(before[1]);
    one('extra');
    ground.stack([engine!]);
    kill(supervisor.pid, 'SIGHUP');
    await ground.until('only one left', () => ground.report.processes.length === 1);
    expect([...ground.servers('gateway'), ...ground.servers('extra')]).toEqual([]);
    expect(one('engine')).toBe(before[0]);
  });

  it('that cannot be understood changes nothing, and that is said', async () => {
    const { supervisor, specs } = await brought();
    const before = one('engine');
    writeFileSync(`${ground.home}/run/stack.json`, '{"version":1,"processes":[{}]}');
    kill(supervisor.pid, 'SIGHUP');
    await ground.until('problems', () => (ground.report.problems ?? []).length > 0);
    expect(ground.report.problems).toContain('logs: must be an object');
    expect(one('engine')).toBe(before);
    kill(supervisor.pid);
    expect(await ground.start().ended).toBe(2);
    expect(one('engine')).toBe(before);
    ground.stack(specs);
    ground.start();
    await ground.until('a new supervisor', () => ground.report.problems === undefined);
    expect(one('engine')).toBe(before);
  });

  it('taken away means that nothing is wanted', async () => {
    const { supervisor } = await brought();
    rmSync(`${ground.home}/run/stack.json`);
    expect(await supervisor.ended).toBe(0);
    expect([...ground.servers('engine'), ...ground.servers('gateway')]).toEqual([]);
  });

  it('as well as the whole home: nothing is left that nobody could find', async () => {
    const { supervisor } = await brought();
    rmSync(ground.home, { recursive: true, force: true });
    expect(await supervisor.ended).toBe(0);
    expect([...ground.servers('engine'), ...ground.servers('gateway')]).toEqual([]);
    expect(existsSync(ground.home)).toBe(false);
  });
});

describe('killed at any moment', () => {
  it('there is one of each afterwards, and all is ready', async () => {
    ground.mood('engine', 'parent');
    ground.stack(await both());
    let seed = 20_260_101;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
      return (seed >> 8) % below;
    };
    for (let round = 0; round < 25; round++) {
      ground.start();
      await sleep(random(400));
      const victims = [ground.supervisors(), ground.servers('engine'), ground.servers('gateway')];
      for (const [n, pids] of victims.entries()) if (random(3) > 0 || n === 0) for (const pid of pids) kill(pid);
    }
    ground.start();
    await ground.state('ready');
    await ground.until('the children', () => ground.servers('engine-child').length === 2);
    expect(ground.supervisors()).toHaveLength(1);
    one('engine');
    one('gateway');
  });
});
