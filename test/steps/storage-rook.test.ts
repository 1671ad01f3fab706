import { expect, it } from 'vitest';
import { readCeph } from '../../src/steps/storage-rook.js';

it.each([
  ['ready, and its operator has seen the newest state', '2 2 Ready: Cluster created successfully', true],
  ['ready in the state before', '3 2 Ready: Cluster created successfully', ''],
  ['ready, by an operator that does not say which state it saw', '3  Ready: Cluster created successfully', true],
  ['on its way', '1  Progressing: Configuring Ceph Mons\n', 'Progressing: Configuring Ceph Mons'],
  ['not looked at', '1  : ', ''],
  ['not there', '', ''],
])('Ceph is %s', (_, stdout, is) => {
  expect(readCeph(stdout)).toBe(is);
});
