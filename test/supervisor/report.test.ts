import { describe, expect, it } from 'vitest';
import { parseHolder, parseReport } from '../../src/supervisor/report.js';

const whole = JSON.stringify({ version: 1, supervisor: { pid: 1, identity: 'x' }, processes: [] });

describe('parseReport', () => {
  it('takes a whole report', () => {
    expect(parseReport(whole)?.supervisor.pid).toBe(1);
  });

  it.each([undefined, '', 'null', '1', '[]', '{}', whole.slice(0, -1), whole.replace('1', '2')])(
    'takes nothing else: %s',
    (text) => {
      expect(parseReport(text)).toBeUndefined();
    },
  );
});

describe('parseHolder', () => {
  it('needs a pid and an identity', () => {
    expect(parseHolder('{"pid":7,"identity":"boot:1"}')).toEqual({ pid: 7, identity: 'boot:1' });
    for (const text of [undefined, '', '{}', '{"pid":7}', '{"pid":"7","identity":"x"}', 'null']) {
      expect(parseHolder(text)).toBeUndefined();
    }
  });
});
