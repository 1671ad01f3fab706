import { describe, expect, it } from 'vitest';
import { commandText, type ProcessSpec, parseStack, type Stack } from '../../src/supervisor/stack.js';

const spec = (id: string, more: Partial<ProcessSpec> = {}): ProcessSpec => ({
  id,
  argv: ['/bin/true'],
  log: `/var/log/${id}.log`,
  stop: { signal: 'SIGTERM', graceMs: 1000 },
  ...more,
});
const stack = (...processes: unknown[]): string =>
  JSON.stringify({ version: 1, processes, logs: { maxBytes: 1000, keep: 2 } });
const problems = (text: string): readonly string[] => {
  const parsed = parseStack(text);
  return 'problems' in parsed ? parsed.problems : [];
};

describe('parseStack', () => {
  it('takes a whole stack as it is', () => {
    const whole: Stack = {
      version: 1,
      processes: [
        spec('engine', { env: { A: '1' }, cwd: '/srv' }),
        spec('gateway', {
          after: ['engine'],
          ready: { url: 'http://127.0.0.1:8080/health', everyMs: 1000, withinMs: 5000 },
          stop: { signal: 'SIGQUIT', graceMs: 0 },
        }),
      ],
      logs: { maxBytes: 1, keep: 0, also: ['/var/log/audit.log'] },
      timing: { backoffMs: 10 },
    };
    expect(parseStack(JSON.stringify(whole))).toEqual({ stack: whole });
  });

  it('tells all problems at once, each with its place', () => {
    const text = stack(
      { ...spec('Engine'), argv: [], log: 'engine.log', nice: 3 },
      { ...spec('gateway'), ready: { url: 'https://x', everyMs: 0 }, stop: { signal: 'SIGKILL', graceMs: -1 } },
    );
    expect(problems(text)).toEqual([
      'processes[0].id: must be lower-case letters, digits and dashes',
      'processes[0].argv: must be a list of words, the program first',
      'processes[0].log: must be an absolute path',
      'processes[0].nice: unknown',
      'processes[1].ready.url: must be an http:// URL',
      'processes[1].ready.everyMs: must be a whole number above 0',
      'processes[1].ready.withinMs: must be a whole number above 0',
      'processes[1].stop.signal: must be SIGTERM or SIGQUIT',
      'processes[1].stop.graceMs: must be a whole number',
    ]);
  });

  it.each([
    ['{', /^not JSON: /],
    ['null', /^the file: must be an object/],
    ['[]', /^the file: must be an object/],
    ['{"version":2,"processes":[],"logs":{"maxBytes":1,"keep":1}}', /^version: must be 1/],
    ['{"version":1,"processes":{},"logs":{"maxBytes":1,"keep":1}}', /^processes: must be a list/],
    ['{"version":1,"processes":[]}', /^logs: must be an object/],
    [stack('engine'), /^processes\[0\]: must be an object/],
    [stack({ ...spec('a'), argv: ['a\0b'] }), /^processes\[0\]\.argv/],
    [stack({ ...spec('a'), env: { A: 1 } }), /^processes\[0\]\.env/],
    [stack(spec('a'), { ...spec('a'), log: '/b' }), /'a' is there twice/],
    [stack(spec('a'), { ...spec('b'), log: '/var/log/a.log' }), /'\/var\/log\/a.log' is there twice/],
    [stack(spec('a', { after: ['b'] })), /^a\.after: there is no 'b'/],
    [stack(spec('a', { after: ['a'] })), /^a\.after: goes round in a circle/],
    [
      stack(spec('a', { after: ['b'] }), spec('b', { after: ['c'] }), spec('c', { after: ['b'] })),
      /^b\.after: goes round/,
    ],
  ])('refuses %s', (text, problem) => {
    expect(problems(text)[0]).toMatch(problem);
  });
});

describe('commandText', () => {
  const base = spec('engine', { env: { A: '1', B: '2' } });
  it('changes with what makes another process of it', () => {
    const others = [{ argv: ['/bin/false'] as const }, { env: { A: '1' } }, { cwd: '/' }, { log: '/x' }];
    const texts = [base, ...others.map((more) => ({ ...base, ...more }))].map(commandText);
    expect(new Set(texts).size).toBe(5);
  });

  it('does not change with its watching, its ending, or the order of its variables', () => {
    const other = { ...base, env: { B: '2', A: '1' }, stop: { signal: 'SIGQUIT', graceMs: 9 }, after: ['x'] } as const;
    expect(commandText(other)).toBe(commandText(base));
  });
});
