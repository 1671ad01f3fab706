import { describe, expect, it } from 'vitest';
import { nodeAddress } from '../../src/fleet/node-address.js';

const at = (link: string, address: string, prefix = 24) => ({ link, address, prefix });

describe('the address of a node', () => {
  const addresses = [
    at('lo', '127.0.0.1', 8),
    at('eth0', '192.0.2.7'),
    at('eth1', '10.1.0.7', 16),
    at('eth1', 'fd00::7', 64),
    at('docker0', '172.17.0.1', 16),
    at('wg0', '10.9.0.7'),
  ];
  const routes = [{ to: 'default', link: 'eth0' }];

  it.each([
    ['the one given, when it is its own', '10.1.0.7', [], '10.1.0.7'],
    ['also that of a tunnel, when it is said', '10.9.0.7', [], '10.9.0.7'],
    ['one beside another host’s', 'gpu-1.example', ['10.1.3.4'], '10.1.0.7'],
    ['that of the default route, from behind a router', '203.0.113.9', ['203.0.113.10'], '192.0.2.7'],
    ['never one that containers made', 'alias', ['172.17.0.5'], '192.0.2.7'],
  ])('%s', (_, given, others, found) => {
    expect(nodeAddress({ addresses, routes }, given, others)).toBe(found);
  });

  it('the first there is without a default route', () => {
    expect(nodeAddress({ addresses: addresses.slice(2), routes: [] }, 'alias', [])).toBe('10.1.0.7');
  });

  it('the one given where nothing is known, and none where that is a name', () => {
    expect(nodeAddress({}, '10.0.0.1', [])).toBe('10.0.0.1');
    expect(nodeAddress({}, 'alias', [])).toBeUndefined();
    expect(nodeAddress({ addresses: [at('eth0', 'fd00::1', 64)] }, 'alias', [])).toBeUndefined();
  });
});
