import { describe, expect, it } from 'vitest';
import { type PlanFile, planChanges, planFile, readPlan } from '../../src/fleet/plan-file.js';
import type { Action } from '../../src/plan/step.js';
import { say } from '../../src/say.js';
import type { Machine } from '../../src/steps/machine.js';

const machine = (name: string, facts = {}): Machine =>
  ({ name, address: '10.0.0.1', roles: ['worker'], gpu: false, facts: { usable: {}, ...facts }, cluster: {} }) as never;

function plan(actions: Readonly<Record<string, readonly Action[] | undefined>>, facts = {}): PlanFile {
  const planned = Object.entries(actions).map(([id, list]) => ({
    step: { id, title: say(id, id), done: async () => false, apply: async () => [] },
    actions: list,
  }));
  return planFile('prod', { overrides: [] }, [machine('a', facts)], [{ name: 'a', planned }], 0);
}

const write = (content: string): Action => ({ kind: 'write', path: '/etc/x', mode: 0o600, content });
const changes = (before: PlanFile, now: PlanFile): string[] => planChanges(before, now).map(({ en }) => en);

describe('a plan', () => {
  it('that would be made again is the same, also after it was a file', () => {
    const one = plan({ x: [write('a')], y: undefined });
    expect(changes(readPlan(JSON.stringify(one), 'f'), plan({ x: [write('a')], y: undefined }))).toEqual([]);
  });

  it.each([
    ['a file of the same length but another content', { x: [write('b')] }, ['a: x would do something else now']],
    ['a step that is done by now', { x: undefined }, ['a: x is so already']],
    ['a step that is new', { x: [write('a')], z: [] }, ['a: z was not part of it']],
    ['a step that is gone', {}, ['a: x is no longer part of it']],
  ])('%s is told', (_, now, told) => {
    expect(changes(plan({ x: [write('a')] }), plan(now))).toEqual(told);
  });

  it('a step that is undone by now is told', () => {
    expect(changes(plan({ x: undefined }), plan({ x: [write('a')] }))).toEqual(['a: x is to be done now']);
  });

  it('another system, another size, other hosts are told', () => {
    const before = plan({}, { os: { name: 'Debian 12' }, memory: { totalMiB: 100 } });
    expect(changes(before, plan({}, { os: { name: 'Debian 13' } }))).toEqual([
      'a: os Debian 12 → Debian 13',
      'a: memoryMiB 100 → –',
    ]);
    expect(changes(before, { ...before, hosts: [] })).toEqual(['a: is no longer part of it']);
    expect(changes({ ...before, hosts: [] }, before)).toEqual(['a: was not part of it']);
  });

  it('tells no secret', () => {
    const secret = { name: 'token', get: async () => 's3cret' };
    const file = plan({ x: [{ kind: 'run', command: { argv: ['join'], stdin: secret } }] });
    expect(file.hosts[0]!.steps[0]!.actions[0]!.shown).toBe('join < <token>');
  });

  it.each(['', 'x', '[]', '{}', '{"kind":"deepseek-deploy plan","version":2,"hosts":[]}'])('%j is none', (text) => {
    expect(() => readPlan(text, 'f')).toThrow(expect.objectContaining({ id: 'plan.file', exit: 'usage' }));
  });
});
