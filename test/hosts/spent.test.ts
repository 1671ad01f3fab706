import { expect, it } from 'vitest';
import { spent } from './spent.js';

const line = (s: number, event: string, more = {}) =>
  JSON.stringify({ at: new Date(s * 1000).toISOString(), pid: 7, event, ...more });

it('commands that run beside one another count once', () => {
  const journal = [
    JSON.stringify({ at: new Date(0).toISOString(), pid: 6, event: 'start' }),
    line(100, 'start'),
    line(106, 'action', { ms: 5000 }),
    line(107, 'action', { ms: 4000 }),
    line(112, 'action', { ms: 2000 }),
    line(113, 'done', { ms: 13_000 }),
  ].join('\n');
  expect(spent(journal)).toEqual({ wallMs: 13_000, busyMs: 8000 });
});
