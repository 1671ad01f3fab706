import { describe, expect, it } from 'vitest';
import { all, type Check, ok, runChecks, skipped, standing, type Verdict } from '../../src/checks/check.js';
import { outcomePrinter, sumLine } from '../../src/checks/lines.js';
import { UserError } from '../../src/errors.js';
import { say } from '../../src/say.js';
import { fakeWorld } from '../world/fake.js';

const check = (id: string, verdict: Verdict | Error, more: Partial<Check<string>> = {}): Check<string> => ({
  id,
  title: say(`The ${id}`, `检查 ${id}`),
  severity: 'fail',
  async run() {
    if (verdict instanceof Error) throw verdict;
    return verdict;
  },
  ...more,
});

const broken: Verdict = { state: 'problem', found: say('it is broken', '坏了'), hint: say('mend it', '修好它') };
const states = async (checks: readonly Check<string>[]) =>
  (await runChecks(checks, 'context', fakeWorld().clock)).map(standing);

describe('checks', () => {
  it('run one after the other, each with the context, and are told as they go', async () => {
    const told: string[] = [];
    const context: string[] = [];
    const checks = ['a', 'b'].map((id) =>
      check(id, ok(), {
        async run(given) {
          context.push(`${id} of ${given}`);
          return ok();
        },
      }),
    );
    await runChecks(checks, 'c', fakeWorld().clock, {
      start: ({ id }) => told.push(`start ${id}`),
      end: (outcome) => told.push(`end ${outcome.check.id} ${standing(outcome)}`),
    });
    expect(told).toEqual(['start a', 'end a ok', 'start b', 'end b ok']);
    expect(context).toEqual(['a of c', 'b of c']);
  });

  it('count by their severity, or by that of what was found', async () => {
    const only: Verdict = { ...broken, severity: 'warn' };
    const worse: Verdict = { ...broken, severity: 'fail' };
    expect(
      await states([
        check('a', broken),
        check('b', broken, { severity: 'warn' }),
        check('c', only),
        check('d', worse, { severity: 'warn' }),
        check('e', skipped('no', '否')),
      ]),
    ).toEqual(['failed', 'warned', 'warned', 'failed', 'skipped']);
  });

  it('behind a gate that failed are skipped, behind one that warned are not', async () => {
    expect(await states([check('gate', broken, { gate: true }), check('a', ok())])).toEqual(['failed', 'skipped']);
    const warned = check('gate', { ...broken, severity: 'warn' }, { gate: true });
    expect(await states([warned, check('a', ok())])).toEqual(['warned', 'ok']);
  });

  it('that throw what a user can mend found a problem; a bug is a bug', async () => {
    const [outcome] = await runChecks(
      [check('a', new UserError('x', say('no answer', '没有响应'), { hint: say('look', '查看') }))],
      'c',
      fakeWorld().clock,
    );
    expect(outcome!.verdict).toEqual({
      state: 'problem',
      found: say('no answer', '没有响应'),
      hint: say('look', '查看'),
    });
    await expect(states([check('a', new TypeError('x is undefined'))])).rejects.toThrow('x is undefined');
  });

  it('all: names each promise that does not hold', () => {
    expect(all([[true, say('a', '甲')]])).toEqual(ok());
    expect(
      all([
        [false, say('a', '甲')],
        [true, say('b', '乙')],
        [false, say('c', '丙')],
      ]),
    ).toEqual({
      state: 'problem',
      found: say('a; c', '甲；丙'),
    });
  });
});

describe('their lines', () => {
  const checks = [
    check('first', ok(say('of its own accord', '自行'))),
    check('second.long', broken),
    check('x', skipped('why', '原因')),
  ];

  it.each([
    [
      'en',
      [
        '  ✓ The first        0 ms, of its own accord',
        '  ✗ The second.long  0 ms',
        '      it is broken (second.long)',
        '      → mend it',
        '  – The x            why',
      ],
      '1 passed, 1 failed, 1 skipped',
    ],
    [
      'zh',
      [
        '  ✓ 检查 first        0 ms，自行',
        '  ✗ 检查 second.long  0 ms',
        '      坏了 (second.long)',
        '      → 修好它',
        '  – 检查 x            原因',
      ],
      '1 项通过，1 项失败，1 项跳过',
    ],
  ] as const)('in %s', async (lang, wanted, sum) => {
    const { ui, clock } = fakeWorld({ lang });
    const print = outcomePrinter(checks, ui);
    const outcomes = await runChecks(checks, 'c', clock);
    expect(outcomes.flatMap(print)).toEqual(wanted);
    expect(sumLine({ ok: 1, failed: 1, warned: 0, skipped: 1 }, ui)).toBe(sum);
  });
});
