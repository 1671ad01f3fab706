import { expect, it } from 'vitest';
import { overlapping, within } from '../../src/checks/ranges.js';

it.each([
  ['10.0.0.5', '10.0.0.0/24', true, true],
  ['10.0.0.0/24', '10.0.0.0/24', true, true],
  ['10.0.0.0/25', '10.0.0.0/24', true, true],
  ['10.0.0.128/25', '10.0.0.0/24', true, true],
  ['10.0.0.0/24', '10.0.0.0/25', false, true],
  ['10.0.0.0/23', '10.0.0.128/25', false, true],
  ['10.0.1.0/24', '10.0.0.0/24', false, false],
  ['localhost', '0.0.0.0/0', false, false],
  ['10.0.0.1', '::/0', false, false],
])('%s and %s', (inner, outer, inside, meets) => {
  expect(within(inner, outer)).toBe(inside);
  expect(overlapping(inner, outer)).toBe(meets);
  expect(overlapping(outer, inner)).toBe(meets);
});
