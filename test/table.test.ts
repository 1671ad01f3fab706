import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { columns, table, wrap } from '../src/table.js';

it.each([
  ['abc', 3],
  ['模型', 4],
  ['GPU、驱动', 9],
  ['\u001b[32mok\u001b[0m', 2],
  ['e\u0301', 1],
  ['✔ yes', 5],
])('%s takes %i columns', (text, width) => {
  expect(columns(text)).toBe(width);
});

it('aligns Chinese and numbers, and leaves nothing behind the last column', () => {
  const rows = [
    ['模型', '12', 'x'],
    ['a', '3', ''],
  ];
  expect(table(rows, [{}, { align: 'right' }], '  ')).toEqual(['  模型  12  x', '  a      3']);
});

it('breaks lines at spaces and between Chinese characters, marks staying with what they belong to', () => {
  expect(wrap('one two three', 7)).toBe('one two\nthree');
  expect(wrap('主机系统，可重复：debian12、debian13（默认）', 12)).toBe(
    '主机系统，可\n重复：\ndebian12、\ndebian13（默\n认）',
  );
  expect(wrap('', 9)).toBe('');
});

it('loses nothing but the spaces it breaks at, and is too long only where one piece is', () => {
  const words = fc.array(fc.constantFrom('a', '主', '机', ' ', '，', '（', '）', '“', 'word', '--flag', '：'), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(words, fc.integer({ min: 10, max: 30 }), (parts, width) => {
      const text = parts.join('').replace(/ +/g, ' ').trim();
      const lines = wrap(text, width).split('\n');
      expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
      for (const line of lines.filter((one) => columns(one) > width)) expect(line).not.toMatch(/\S \S|[主机][主机]/);
    }),
  );
});
