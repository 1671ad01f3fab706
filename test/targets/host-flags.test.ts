import { describe, expect, it } from 'vitest';
import { machinesOf, readHost } from '../../src/targets/host-flags.js';

describe('a host', () => {
  it.each([
    ['10.0.0.1', { address: '10.0.0.1' }],
    ['root@10.0.0.1', { user: 'root', address: '10.0.0.1' }],
    ['root@gpu.example:2222', { user: 'root', address: 'gpu.example', port: 2222 }],
    ['gpu-1=ops@10.0.0.1', { name: 'gpu-1', user: 'ops', address: '10.0.0.1' }],
    ['[fd00::1]:22', { address: 'fd00::1', port: 22 }],
    ['root@[fd00::1]', { user: 'root', address: 'fd00::1' }],
    ['fd00::1', { address: 'fd00::1' }],
    ['alias', { address: 'alias' }],
  ])('%s', (text, machine) => expect(readHost(text)).toEqual({ name: undefined, ...machine }));

  it.each(['', 'root@', 'a=', '[fd00::1', 'a:b'])('%j is none', (text) => {
    expect(() => readHost(text)).toThrow(expect.objectContaining({ id: 'hosts.flags', exit: 'usage' }));
  });
});

describe('hosts and their roles', () => {
  it('are paired in order', () => {
    expect(machinesOf(['a@cp', 'b.example'], ['control-plane,storage', 'worker'])).toEqual({
      cp: { user: 'a', address: 'cp', roles: ['control-plane', 'storage'] },
      b: { address: 'b.example', roles: ['worker'] },
    });
  });

  it('alone one is everything, of several the first is the control plane', () => {
    expect(machinesOf(['x'], [])).toEqual({ x: { address: 'x', roles: ['control-plane', 'worker'] } });
    expect(machinesOf(['10.0.0.1', '10.0.0.2'], [])).toEqual({
      'node-1': { address: '10.0.0.1', roles: ['control-plane'] },
      'node-2': { address: '10.0.0.2', roles: ['worker'] },
    });
  });

  it('none are none', () => expect(machinesOf([], [])).toBeUndefined());

  it.each([
    [['a', 'b'], ['worker'], '2 --host and 1 --role'],
    [[], ['worker'], '0 --host and 1 --role'],
    [['a'], ['boss'], 'no role "boss"'],
    [['a.x', 'a.y'], [], 'Two hosts are called a'],
  ])('%j with %j is refused', (hosts, said, words) => expect(() => machinesOf(hosts, said)).toThrow(words));
});
