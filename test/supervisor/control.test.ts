import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/errors.js';
import { startSupervision, stopSupervision } from '../../src/supervisor/control.js';
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

const nothingLeft = (): void => {
  expect([...ground.supervisors(), ...ground.servers('engine'), ...ground.servers('gateway')]).toEqual([]);
  expect(existsSync(`${ground.home}/run/stack.json`)).toBe(false);
  expect(existsSync(`${ground.home}/run/supervisor.lock`)).toBe(false);
};

async function brought() {
  const specs = [await ground.spec('engine'), await ground.spec('gateway', { after: ['engine'] })];
  ground.stack(specs);
  const first = await startSupervision(ground.world);
  await ground.state('ready');
  return { specs, pid: first.supervisor.pid! };
}

describe('startSupervision', () => {
  it('starts a supervisor, and returns when it has taken up the stack', async () => {
    ground.stack([await ground.spec('engine')]);
    const now = await startSupervision(ground.world);
    expect(now.supervisor).toEqual({ state: 'running', pid: ground.supervisors()[0] });
    expect(now.processes.map(({ id }) => id)).toEqual(['engine']);
    await ground.state('ready');
  });

  it('has a living one read the stack again', async () => {
    const { specs, pid } = await brought();
    const [engine] = ground.servers('engine');
    ground.stack([specs[0]!]);
    const now = await startSupervision(ground.world);
    expect(now.supervisor.pid).toBe(pid);
    expect(now.loads).toBe(2);
    await ground.until('no gateway', () => ground.servers('gateway').length === 0);
    expect(ground.servers('engine')).toEqual([engine]);
  });

  it('changes nothing when nothing has changed', async () => {
    const { pid } = await brought();
    const before = [ground.servers('engine'), ground.servers('gateway')];
    const now = await startSupervision(ground.world);
    expect([now.state, now.supervisor.pid]).toEqual(['ready', pid]);
    expect([ground.servers('engine'), ground.servers('gateway')]).toEqual(before);
  });

  it('twice at once makes one supervisor', async () => {
    ground.stack([await ground.spec('engine')]);
    const both = await Promise.all([startSupervision(ground.world), startSupervision(ground.world)]);
    expect(both[0].supervisor.pid).toBe(both[1].supervisor.pid);
    await ground.state('ready');
    expect(ground.servers('engine')).toHaveLength(1);
  });

  it('puts another in the place of one that hangs', async () => {
    const { pid } = await brought();
    const [engine] = ground.servers('engine');
    kill(pid, 'SIGSTOP');
    const old = { ...ground.report, updatedAt: Date.now() - 60_000 };
    writeFileSync(`${ground.home}/run/supervisor.json`, JSON.stringify(old));
    expect(await readSupervision(ground.world)).toMatchObject({ state: 'degraded', supervisor: { state: 'hung' } });
    const now = await startSupervision(ground.world);
    expect(now.supervisor.pid).not.toBe(pid);
    await ground.state('ready');
    expect(ground.servers('engine')).toEqual([engine]);
  });

  it('waits for one that is on its way out', async () => {
    ground.mood('engine', 'stubborn');
    const { specs, pid } = await brought();
    kill(pid, 'SIGTERM');
    await ground.until('stopping', () => ground.report.state === 'stopping');
    ground.stack(specs);
    const now = await startSupervision(ground.world);
    expect(now.supervisor.pid).not.toBe(pid);
    await ground.state('ready');
    expect(ground.servers('engine')).toHaveLength(1);
  });

  it('tells what is wrong with a stack, whoever reads it', async () => {
    const bad = '{"version":1,"processes":[],"logs":{}}';
    writeFileSync(`${ground.home}/run/stack.json`, bad);
    const cold = await startSupervision(ground.world).catch((error: UserError) => error);
    expect(cold).toBeInstanceOf(UserError);
    expect(cold).toMatchObject({ id: 'supervisor.start' });
    expect(JSON.stringify((cold as UserError).details)).toContain('logs.maxBytes');
    await brought();
    writeFileSync(`${ground.home}/run/stack.json`, bad);
    await expect(startSupervision(ground.world)).rejects.toMatchObject({ id: 'supervisor.stack' });
    expect((await readSupervision(ground.world)).problems.join()).toContain('logs.maxBytes');
  });
});

describe('stopSupervision', () => {
  it('of nothing does nothing', async () => {
    expect(await stopSupervision(ground.world)).toBe(false);
    rmSync(`${ground.home}/run`, { recursive: true });
    expect(await stopSupervision(ground.world)).toBe(false);
    expect(existsSync(`${ground.home}/run`)).toBe(false);
  });

  it('ends all, in good order', async () => {
    await brought();
    expect(await stopSupervision(ground.world)).toBe(true);
    nothingLeft();
    expect(readFileSync(`${ground.home}/logs/supervisor.log`, 'utf8')).toContain('"stopped"');
    expect(await stopSupervision(ground.world)).toBe(false);
  });

  it('ends what a dead supervisor has left', async () => {
    const { pid } = await brought();
    kill(pid);
    expect(await stopSupervision(ground.world)).toBe(true);
    nothingLeft();
  });

  it('ends what is on no record', async () => {
    const { pid } = await brought();
    kill(pid);
    for (const name of ['supervisor.json', 'supervisor.lock']) rmSync(`${ground.home}/run/${name}`);
    await stopSupervision(ground.world);
    nothingLeft();
  });

  it('does not wait for a supervisor that hangs', async () => {
    const { pid } = await brought();
    kill(pid, 'SIGSTOP');
    writeFileSync(`${ground.home}/run/supervisor.json`, JSON.stringify({ ...ground.report, updatedAt: 0 }));
    expect(await stopSupervision(ground.world)).toBe(true);
    nothingLeft();
  });

  it('also ends the stubborn', async () => {
    ground.mood('engine', 'stubborn parent');
    await brought();
    await stopSupervision(ground.world);
    nothingLeft();
    expect(ground.servers('engine-child')).toEqual([]);
  });
});
