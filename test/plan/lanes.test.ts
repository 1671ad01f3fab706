import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, Supply } from '../../src/command.js';
import { UserError } from '../../src/errors.js';
import { systemClock } from '../../src/hosts/clock.js';
import { hostJournal } from '../../src/plan/journal.js';
import { allLanesDone, applyLanes, type Lane, type LaneStep, planLanes } from '../../src/plan/lanes.js';
import { say } from '../../src/say.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';

interface Log {
  readonly events: string[];
  busy: number;
  busiest: number;
}

const yielded = (turns: number): Promise<void> =>
  turns === 0 ? Promise.resolve() : Promise.resolve().then(() => yielded(turns - 1));

/** A step whose effect is a file; `fails` on the hosts named. */
function step(
  id: string,
  log: Log,
  options: { after?: string[]; fails?: string[]; turns?: number } = {},
): LaneStep<string> {
  const path = (host: string): string => `/state/${host}-${id}`;
  return {
    id,
    title: say(id, id),
    ...(options.after ? { after: options.after } : {}),
    done: async (host, world) => (await world.files.stat(path(host))) !== undefined,
    async apply(host) {
      log.events.push(`${host} begins ${id}`);
      log.busy += 1;
      log.busiest = Math.max(log.busiest, log.busy);
      await yielded(options.turns ?? 3);
      log.busy -= 1;
      if (options.fails?.includes(host)) throw new UserError(`${id}.broken`, say(`${id} broke`, `${id} 出错`));
      log.events.push(`${host} ends ${id}`);
      return [{ kind: 'write', path: path(host), mode: 0o600, content: 'x' }];
    },
  };
}

interface Scene {
  readonly log: Log;
  readonly world: FakeWorld;
  lanes(steps: Readonly<Record<string, readonly LaneStep<string>[]>>): Lane<string>[];
}

function scene(): Scene {
  const world = fakeWorld();
  world.folders.set('/state', 0o700);
  world.folders.set(world.places.home, 0o700);
  const remote = { ...world, places: { ...world.places, home: '/state' } };
  return {
    log: { events: [], busy: 0, busiest: 0 },
    world,
    lanes: (steps) =>
      Object.entries(steps).map(([name, list]) => ({
        name,
        steps: list,
        context: name,
        world: remote,
        journal: hostJournal(name, remote, world, 'me@here'),
      })),
  };
}

describe('lanes', () => {
  it('each go their own way, and wait for one another at the barriers', async () => {
    const { log, world, lanes } = scene();
    const prepare = step('prepare', log);
    const slow = step('prepare', log, { turns: 40 });
    const make = step('make', log, { after: ['prepare'] });
    const join = step('join', log, { after: ['make'] });
    const made = lanes({ cp: [prepare, make], a: [slow, join], b: [prepare, join] });
    const done = allLanesDone(await applyLanes(made, 10, await world.ui.lanes([])));
    expect([...done]).toEqual([
      ['cp', ['prepare', 'make']],
      ['a', ['prepare', 'join']],
      ['b', ['prepare', 'join']],
    ]);
    const at = (event: string): number => log.events.indexOf(event);
    expect(at('cp begins make')).toBeGreaterThan(at('a ends prepare'));
    expect(at('b begins join')).toBeGreaterThan(at('cp ends make'));
    expect(at('b ends prepare')).toBeLessThan(at('a ends prepare'));
  });

  it('when one fails, the others go on as far as they do not wait for it', async () => {
    const { log, world, lanes } = scene();
    const prepare = step('prepare', log, { fails: ['b'] });
    const more = step('more', log);
    const join = step('join', log, { after: ['prepare'] });
    const list = [prepare, more, join];
    const outcomes = await applyLanes(lanes({ a: list, b: list, c: list }), 10, await world.ui.lanes([]));
    expect(outcomes.map(({ state, changed }) => [state, ...changed])).toEqual([
      ['blocked', 'prepare', 'more'],
      ['failed'],
      ['blocked', 'prepare', 'more'],
    ]);
    expect(() => allLanesDone(outcomes)).toThrow(
      expect.objectContaining({
        id: 'prepare.broken',
        text: say('b failed.', 'b 失败。'),
        details: [
          say('b, prepare: prepare broke', 'b, prepare：prepare 出错'),
          say('a waits for b, before join', 'a 在 join 之前等待 b'),
          say('c waits for b, before join', 'c 在 join 之前等待 b'),
        ],
      }),
    );
  });

  it('all failures are told at once', async () => {
    const { log, world, lanes } = scene();
    const prepare = [step('prepare', log, { fails: ['a', 'c'] })];
    const outcomes = await applyLanes(lanes({ a: prepare, b: prepare, c: prepare }), 1, await world.ui.lanes([]));
    expect(() => allLanesDone(outcomes)).toThrow(
      expect.objectContaining({ id: 'hosts.failed', details: [expect.anything(), expect.anything()] }),
    );
  });

  it('some steps are taken one host after the other', async () => {
    const { log, world, lanes } = scene();
    const join: LaneStep<string> = { ...step('join', log), oneAtATime: (host) => host.startsWith('cp') };
    const made = lanes(Object.fromEntries(['cp-1', 'cp-2', 'a', 'cp-3', 'b'].map((name) => [name, [join]])));
    allLanesDone(await applyLanes(made, 10, await world.ui.lanes([])));
    const ofControlPlanes = log.events.filter((event) => event.startsWith('cp'));
    for (let at = 0; at < 6; at += 2)
      expect(ofControlPlanes[at + 1]).toBe(ofControlPlanes[at]!.replace('begins', 'ends'));
    expect(log.busiest).toBe(3);
  });

  it('a wait for a later step of its own is a bug, told at once', async () => {
    const { log, world, lanes } = scene();
    const wrong = lanes({ a: [step('one', log, { after: ['two'] }), step('two', log)] });
    await expect(applyLanes(wrong, 1, await world.ui.lanes([]))).rejects.toThrow('a: one waits for two');
  });

  it('a Ctrl-C stops each at its next action, and the next run carries on', async () => {
    const { log, world, lanes } = scene();
    const stop = step('stop', log);
    const list = [
      step('first', log),
      {
        ...stop,
        apply: async (host: string, its: never) => {
          world.abort.abort(new Error('stopped'));
          return stop.apply(host, its);
        },
      },
      step('last', log),
    ];
    const outcomes = await applyLanes(lanes({ a: list, b: list }), 10, await world.ui.lanes([]));
    expect(outcomes.map(({ state }) => state)).toEqual(['stopped', 'stopped']);
    expect(() => allLanesDone(outcomes)).toThrow(expect.objectContaining({ exit: 'interrupted' }));
    expect(log.events.some((event) => event.includes('last'))).toBe(false);
  });

  it('the plan is empty after an apply, whatever the steps and their barriers', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const shape = fc.record({
      hosts: fc.array(fc.subarray(ids, { minLength: 1 }), { minLength: 1, maxLength: 6 }),
      after: fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 6 }),
      parallel: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ hosts, after, parallel }) => {
        const { log, world, lanes } = scene();
        const all = ids.map((id, at) => {
          const before = after.filter(([later, earlier]) => later === at && earlier < at).map(([, one]) => ids[one]!);
          return step(id, log, { after: before });
        });
        const steps = hosts.map((own, at) => [`h${at}`, all.filter(({ id }) => own.includes(id))] as const);
        const made = lanes(Object.fromEntries(steps));
        const outcomes = await applyLanes(made, parallel, await world.ui.lanes([]));
        expect(outcomes.every(({ state }) => state === 'done')).toBe(true);
        expect(log.busiest).toBeLessThanOrEqual(parallel);
        const left = await planLanes(made, parallel);
        expect(left.flatMap(({ planned }) => planned).every(({ actions }) => actions === undefined)).toBe(true);
        for (const [later, earlier] of after.filter(([one, other]) => other < one)) {
          const first = log.events.findIndex((event) => event.endsWith(`begins ${ids[later]}`));
          const last = log.events.findLastIndex((event) => event.endsWith(`ends ${ids[earlier]}`));
          if (first >= 0 && last >= 0) expect(first).toBeGreaterThan(last);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('the journal', () => {
  const read = (world: FakeWorld, path: string): { host?: string; by?: string; event: string; error?: string }[] =>
    new TextDecoder()
      .decode(world.disk.get(path)?.content)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('is kept here and on the host, and holds no secret', async () => {
    const { world, lanes } = scene();
    const secret = 'abcdef.0123456789abcdef';
    const token = { name: 'join-token', get: async () => secret };
    const leaking: LaneStep<string> = {
      id: 'leak',
      title: say('leak', 'leak'),
      done: async () => false,
      apply: async () => [{ kind: 'run', command: { argv: ['join'], stdin: token } }],
    };
    const host = {
      ...world.host,
      run: async ({ stdin }: Command) => ({
        code: 1,
        stdout: '',
        stderr: `bad token ${await (stdin as Supply).get()}`,
      }),
    };
    const made = lanes({ a: [leaking] }).map((lane) => ({ ...lane, world: { ...lane.world, host } }));
    const outcomes = await applyLanes(made, 1, await world.ui.lanes([]));
    const error = outcomes[0]!.error as UserError;
    expect(error.text.en).toContain('bad token <join-token>');
    const here = read(world, `${world.places.home}/journal.ndjson`);
    expect(here.map(({ host, event }) => [host, event])).toEqual([
      ['a', 'start'],
      ['a', 'action'],
      ['a', 'fail'],
    ]);
    expect(here[1]).toMatchObject({ action: 'join < <join-token>', code: 1, tail: 'bad token <join-token>' });
    expect(read(world, '/state/journal.ndjson')).toMatchObject([{ by: 'me@here' }, { event: 'action' }, {}]);
    const everything = [...world.disk.values()].map(({ content }) => new TextDecoder().decode(content)).join('');
    expect(everything).not.toContain(secret);
  });

  it('reaches the host in few journeys, all of it by the end', async () => {
    const { world, lanes, log } = scene();
    const here = { ...world, clock: systemClock };
    let journeys = 0;
    const files = {
      ...world.files,
      append: (path: string, text: string) => {
        journeys += 1;
        return world.files.append(path, text);
      },
    };
    const steps = ['one', 'two', 'three', 'four'].map((id) => step(id, log));
    const made = lanes({ a: steps }).map((lane) => ({
      ...lane,
      journal: hostJournal('a', { ...world, files, places: { ...world.places, home: '/state' } }, here, 'me'),
    }));
    await applyLanes(made, 1, await world.ui.lanes([]));
    const noted = read(world, `${world.places.home}/journal.ndjson`);
    expect(noted.length).toBeGreaterThan(8);
    expect(read(world, '/state/journal.ndjson')).toHaveLength(noted.length);
    expect(journeys).toBeLessThan(4);
  });

  it('goes on here when the host takes no more', async () => {
    const { world, lanes, log } = scene();
    const files = { ...world.files, append: async () => Promise.reject(new Error('gone')) };
    const made = lanes({ a: [step('one', log)] }).map((lane) => ({
      ...lane,
      journal: hostJournal('a', { ...world, files, places: { ...world.places, home: '/state' } }, world, 'me'),
    }));
    expect((await applyLanes(made, 1, await world.ui.lanes([])))[0]!.state).toBe('done');
    expect(read(world, `${world.places.home}/journal.ndjson`).at(-1)?.event).toBe('done');
  });
});
