import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { check } from '../../src/config/check.js';
import { distance, nearest } from '../../src/config/near.js';
import * as is from '../../src/config/schema.js';
import type { Problem, Tree } from '../../src/config/tree.js';
import { readUnit, writeUnit } from '../../src/config/unit.js';
import { say } from '../../src/say.js';

const says = say('It.', '它。');
const where = { flag: '--x' };

const tree = (value: unknown): Tree =>
  Array.isArray(value)
    ? { where, value: value.map(tree) }
    : typeof value === 'object' && value !== null
      ? { where, value: new Map(Object.entries(value).map(([key, item]) => [key, { key: where, tree: tree(item) }])) }
      : { where, value: value as string };

const read = (node: is.Node, value: unknown): { readonly value: unknown; readonly problems: readonly string[] } => {
  const problems: Problem[] = [];
  const found = check(node, tree(value), 'at', (problem) => problems.push(problem));
  return { value: found, problems: problems.map(({ path, text }) => `${path}: ${text.en}`) };
};

describe('types', () => {
  test('say what a valid file gives', () => {
    const all = is.object(
      {
        needed: is.string({ says, required: true }),
        maybe: is.integer({ says }),
        settled: is.boolean({ says, initial: false }),
        choice: is.oneOf(['a', 'b'], { says, initial: 'a' }),
        threads: is.either([is.oneOf(['auto'], { says }), is.integer({ says })], { says, initial: 'auto' }),
        hosts: is.list(is.string({ says }), { says, initial: [] }),
        labels: is.map(is.duration({ says }), { says, keys: { regexp: '^[a-z]+$', means: says } }),
        tls: is.object({ key: is.secretFile({ says, required: true }) }, { says, optional: true }),
      },
      { says },
    );
    expectTypeOf<is.Infer<typeof all>>().toEqualTypeOf<{
      readonly needed: string;
      readonly maybe: number | undefined;
      readonly settled: boolean;
      readonly choice: 'a' | 'b';
      readonly threads: 'auto' | number;
      readonly hosts: readonly string[];
      readonly labels: Readonly<Record<string, number>> | undefined;
      readonly tls: { readonly key: string } | undefined;
    }>();
    expect(read(all, { needed: 'x', tls: { key: '/k' }, labels: { a: '2h' }, hosts: ['h'] })).toEqual({
      value: {
        needed: 'x',
        settled: false,
        choice: 'a',
        threads: 'auto',
        hosts: ['h'],
        labels: { a: 7_200_000 },
        tls: { key: '/k' },
      },
      problems: [],
    });
  });
});

describe('each kind', () => {
  test.each<[is.Node, unknown, unknown]>([
    [is.string({ says }), 'x', 'x'],
    [is.number({ says, min: 0, max: 2 }), 0.85, 0.85],
    [is.boolean({ says }), true, true],
    [is.port({ says }), 443, 443],
    [is.duration({ says }), '1.5s', 1500],
    [is.bytes({ says }), '1.5KiB', 1536],
    [is.bytes({ says }), 4096, 4096],
    [is.path({ says }), './a b', './a b'],
    [is.list(is.integer({ says }), { says, max: 3 }), [1, 2], [1, 2]],
  ])('%j takes %j', (node, given, value) => {
    expect(read(node, given)).toEqual({ value, problems: [] });
  });

  test.each<[is.Node, unknown, string]>([
    [is.string({ says, max: 3 }), 'long', '"long" is not allowed here; allowed: text of 1 to 3 characters'],
    [is.string({ says }), '', '"" is not allowed here; allowed: text'],
    [is.number({ says, min: 0 }), -1, '-1 is not allowed here; allowed: a number 0 or more'],
    [is.number({ says, max: 1 }), 2, '2 is not allowed here; allowed: a number up to 1'],
    [is.boolean({ says }), 'true', '"true" is text; take the quotes away'],
    [is.boolean({ says }), 'yes', '"yes" is not allowed here; allowed: true or false'],
    [is.duration({ says }), 30, '30 is not allowed here; allowed: a time such as 500ms, 30s, 5m or 2h'],
    [
      is.duration({ says, max: 60_000 }),
      '2m',
      '"2m" is not allowed here; allowed: a time such as 500ms, 30s, 5m or 2h up to 1m',
    ],
    [
      is.bytes({ says }),
      '10 MB',
      '"10 MB" is not allowed here; allowed: a size such as 64KiB, 10MB or a number of bytes',
    ],
    [is.path({ says }), 'a\0b', '"a\\u0000b" is not allowed here; allowed: a path'],
    [
      is.list(is.port({ says }), { says, min: 1, max: 2 }),
      [],
      'a list of 0 is not allowed here; allowed: a list from 1 to 2',
    ],
    [
      is.oneOf(['best', 'fast'], { says }),
      'fats',
      '"fats" is not allowed here; allowed: one of best, fast; did you mean fast?',
    ],
  ])('%j refuses %j', (node, given, problem) => {
    expect(read(node, given).problems).toEqual([`at: ${problem}`]);
  });

  test('an item of a list and a value of a map are named by where they stand', () => {
    expect(read(is.list(is.port({ says }), { says }), [80, 0]).problems[0]).toMatch(/^at\.1: 0 is not/);
    const labels = is.map(is.boolean({ says }), { says, keys: { regexp: '^[a-z]+$', means: say('words', '词') } });
    expect(read(labels, { A: true, b: 1 }).problems).toEqual([
      'at.A: "A" is not allowed here; allowed: words',
      'at.b: 1 is not allowed here; allowed: true or false',
    ]);
  });

  test('a long text is not repeated in full', () => {
    expect(read(is.boolean({ says }), 'x'.repeat(500)).problems[0]!.length).toBeLessThan(130);
  });
});

test('units are read back as they are written', () => {
  fc.assert(
    fc.property(fc.constantFrom('bytes' as const, 'duration' as const), fc.nat(2 ** 40), (kind, value) => {
      expect(readUnit(kind, writeUnit(kind, value))).toBe(value);
    }),
  );
});

test('a slip of the hand is recognised, another word is not', () => {
  const known = ['gateway', 'engine', 'model', 'maxBodyBytes'];
  expect(nearest('gatewya', known)).toBe('gateway');
  expect(nearest('max_body_bytes', known)).toBe('maxBodyBytes');
  expect(nearest('kubernetes', known)).toBeUndefined();
  expect(nearest('x'.repeat(1000), known)).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      expect(distance(a, b)).toBe(distance(b, a));
      expect(distance(a, b) === 0).toBe(a === b);
      expect(distance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});
