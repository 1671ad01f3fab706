import { expect, it } from 'vitest';
import { columns, table } from '../src/table.js';

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
