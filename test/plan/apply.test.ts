import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apply, plan } from '../../src/plan/apply.js';
import { type Action, type Step, show } from '../../src/plan/step.js';
import { say } from '../../src/say.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';

const fileStep = (name: string): Step<null> => ({
  id: `file.${name}`,
  title: say(`Write ${name}`, `写入 ${name}`),
  done: async (_, world) => (await world.files.readIfAny(`/x/${name}`)) === name,
  apply: async () => [
    { kind: 'dir', path: '/x', mode: 0o700 },
    { kind: 'write', path: `/x/${name}.part`, mode: 0o600, content: name },
    { kind: 'move', from: `/x/${name}.part`, to: `/x/${name}` },
  ],
});
const steps = ['a', 'b', 'c'].map(fileStep);

async function applied(world: FakeWorld, list = steps) {
  await world.files.makeDir(world.places.home);
  return apply(list, null, world, await world.ui.tasks(list));
}

const journal = async (world: FakeWorld): Promise<{ step: string; event: string; action?: string }[]> =>
  (await world.files.read(`${world.places.home}/journal.ndjson`))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('apply', () => {
  it('brings all about, then finds nothing to do', async () => {
    const world = fakeWorld();
    expect((await applied(world)).changed).toEqual(['file.a', 'file.b', 'file.c']);
    expect((await applied(world)).changed).toEqual([]);
    expect((await plan(steps, null, world)).every(({ actions }) => actions === undefined)).toBe(true);
  });

  it('does exactly what the plan showed', async () => {
    const world = fakeWorld();
    const planned = (await plan(steps, null, world)).flatMap(({ actions }) => (actions ?? []).map(show));
    await applied(world);
    expect((await journal(world)).filter(({ event }) => event === 'action').map(({ action }) => action)).toEqual(
      planned,
    );
  });

  it('ends in the same state after a kill at any action and a second run', async () => {
    const undisturbed = fakeWorld();
    await applied(undisturbed);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 8 }), async (at) => {
        const world = fakeWorld();
        let left = at;
        const killed = steps.map((step) => ({
          ...step,
          apply: async () => (await step.apply(null, world)).map(guard),
        }));
        const guard = (action: Action): Action =>
          left-- === 0
            ? { kind: 'wait', what: say('x', 'x'), timeoutMs: 0, until: () => Promise.reject(new Error('killed')) }
            : action;
        await applied(world, killed).catch(() => {});
        await applied(world);
        for (const name of ['a', 'b', 'c']) expect(await world.files.read(`/x/${name}`)).toBe(name);
        const state = (one: FakeWorld) => [...one.disk.keys()].filter((path) => path.startsWith('/x/')).sort();
        expect(state(world)).toEqual(state(undisturbed));
      }),
    );
  });

  it('asks again after acting: a step without effect is an error of its own', async () => {
    const world = fakeWorld();
    const vain: Step<null> = {
      id: 'vain',
      title: say('Nothing', '无'),
      done: async () => false,
      apply: async () => [],
    };
    await expect(applied(world, [vain])).rejects.toMatchObject({ id: 'vain.no-effect' });
    expect((await journal(world)).at(-1)).toMatchObject({ step: 'vain', event: 'fail' });
  });

  it('stops between two actions when asked to, and says how to go on', async () => {
    const world = fakeWorld();
    const stop = (): true => {
      world.abort.abort();
      return true;
    };
    const stopping: Step<null> = {
      ...fileStep('s'),
      apply: async () => [
        { kind: 'wait', what: say('x', 'x'), timeoutMs: 1, until: async () => stop() },
        { kind: 'write', path: '/x/never', mode: 0o600, content: '' },
      ],
    };
    await expect(applied(world, [stopping])).rejects.toMatchObject({ id: 'interrupted', exit: 'interrupted' });
    expect(world.disk.has('/x/never')).toBe(false);
  });

  it('shows what a failed command wrote and its status', async () => {
    const world = fakeWorld({ commands: [['apt-get', { code: 100, stderr: 'E: Unable to locate package\n' }]] });
    const failing: Step<null> = {
      ...fileStep('f'),
      apply: async () => [{ kind: 'run', command: { argv: ['apt-get', 'install', 'x'] } }],
    };
    await expect(applied(world, [failing])).rejects.toThrow(/status 100:\nE: Unable to locate package/);
  });

  it('never puts a secret into the plan or the journal', async () => {
    const world = fakeWorld();
    const secret: Step<null> = {
      id: 'secret',
      title: say('Key', '密钥'),
      done: async (_, { files }) => (await files.readIfAny('/x/key')) === 'tops3cret',
      apply: async () => [
        { kind: 'dir', path: '/x', mode: 0o700 },
        { kind: 'write', path: '/x/key', mode: 0o600, content: { name: 'api-key', get: async () => 'tops3cret' } },
      ],
    };
    await applied(world, [secret]);
    expect(await world.files.read(`${world.places.home}/journal.ndjson`)).not.toContain('tops3cret');
    expect((await journal(world)).some(({ action }) => action === 'write /x/key (0600, <api-key>)')).toBe(true);
  });
});
