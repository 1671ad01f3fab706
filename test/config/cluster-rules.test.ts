import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressNumber, overlap, rangeOf } from '../../src/config/cidr.js';
import { load, merge } from '../../src/config/load.js';

/** The problems as they are told. */
async function problems(text: string): Promise<string[]> {
  const error = await load(`version: 1\n${text}`, 'deepseek.yaml').then(
    () => undefined,
    (thrown: { details: { en: string }[] }) => thrown,
  );
  return error?.details.map(({ en }) => en) ?? [];
}

const two = `hosts:
  machines:
    cp: {address: 10.0.0.1, roles: [control-plane]}
    gpu: {address: 10.0.0.2}
`;

const three = `hosts:
  machines:
    a: {address: 10.0.0.1, roles: [control-plane]}
    b: {address: 10.0.0.2, roles: [control-plane]}
    c: {address: 10.0.0.3, roles: [control-plane]}
`;

describe('what the sections promise one another', () => {
  it.each([
    two,
    'hosts: {}',
    `${two}kubernetes: {podSubnet: 10.128.0.0/9}`,
    `${three}kubernetes: {virtualAddress: 10.0.0.10}`,
    `${three}kubernetes: {endpoint: "api.example:6443"}`,
  ])('%s holds', async (text) => {
    expect(await problems(text)).toEqual([]);
  });

  it.each([
    [
      'hosts: {machines: {gpu: {address: a}}}',
      'deepseek.yaml:2:9 hosts.machines: one machine at least needs the role control-plane',
    ],
    [
      `${two}    again: {address: 10.0.0.1, port: 22}\n`,
      'deepseek.yaml:6:13 hosts.machines.again.address: 10.0.0.1 is the address of cp already',
    ],
    [
      'kubernetes: {podSubnet: 10.96.0.0/16}',
      'deepseek.yaml:2:14 kubernetes.podSubnet: overlaps kubernetes.serviceSubnet (10.96.0.0/12)',
    ],
    [
      'kubernetes: {podSubnet: 10.300.0.0/16}',
      'deepseek.yaml:2:14 kubernetes.podSubnet: is no range of IPv4 addresses',
    ],
    [
      'kubernetes: {serviceSubnet: 10.0.0.0/8}',
      'deepseek.yaml:2:14 kubernetes.serviceSubnet: is too large: /12 at most',
    ],
    [
      'kubernetes: {podSubnet: 10.244.0.0/28}',
      'deepseek.yaml:2:14 kubernetes.podSubnet: is too small: every host takes a /24 of it',
    ],
    [
      `${two}kubernetes: {podSubnet: 10.0.0.0/16}`,
      'deepseek.yaml:6:14 kubernetes.podSubnet: holds the address of cp (10.0.0.1)',
    ],
    [
      'kubernetes: {storage: rook}',
      'deepseek.yaml:2:14 kubernetes.storage: rook needs three machines with the role storage; there are 0',
    ],
    [
      `${two}    disks: {address: 10.0.0.3, roles: [storage]}\nkubernetes: {storage: rook}\n`,
      'deepseek.yaml:7:1 kubernetes.storageDevices.disks: is needed: the disks of this storage host that Ceph may take (ls -l /dev/disk/by-id)',
    ],
    [
      `${two}kubernetes: {storageDevices: {gpu: [/dev/disk/by-id/nvme-1]}}\n`,
      'deepseek.yaml:6:31 kubernetes.storageDevices.gpu: is no machine with the role storage',
    ],
    [
      three,
      'deepseek.yaml:3:3 hosts.machines: 3 machines have the role control-plane: name kubernetes.virtualAddress (a free address, which moves to one that answers) or kubernetes.endpoint (a load balancer of yours); without it all stop with the first',
    ],
    [
      `${three}kubernetes: {virtualAddress: 10.0.0.2}\n`,
      'deepseek.yaml:7:14 kubernetes.virtualAddress: is the address of b: a free one is needed, which no machine has',
    ],
    [
      `${three}kubernetes: {virtualAddress: 10.0.0.300}\n`,
      'deepseek.yaml:7:14 kubernetes.virtualAddress: is no IPv4 address',
    ],
    [
      `${three}kubernetes: {virtualAddress: 10.96.0.10}\n`,
      'deepseek.yaml:7:1 kubernetes.serviceSubnet: holds the address of kubernetes.virtualAddress (10.96.0.10)',
    ],
  ])('%s is refused with its line', async (text, told) => {
    expect(await problems(text)).toContain(told);
  });

  it('a name twice is a problem of the file', async () => {
    expect((await problems('hosts: {machines: {a: {address: x}, a: {address: y}}}'))[0]).toMatch(/2:\d+/);
  });
});

it('a flag may carry whole machines, which take the place of the file’s', async () => {
  const draft = await load(`version: 1\n${two}`, 'deepseek.yaml');
  const value = { a: { address: '10.0.0.9', roles: ['control-plane', 'worker'] } };
  const { config } = merge(draft, [{ path: 'hosts.machines', value, flag: '--host' }]);
  expect(config.hosts.machines).toEqual({ a: expect.objectContaining(value.a) });
});

describe('ranges', () => {
  it('hold their first and last address, and no other', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.integer({ min: 1, max: 32 }), (number, bits) => {
        const address = [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
        expect(addressNumber(address)).toBe(number);
        const { from, to } = rangeOf(`${address}/${bits}`)!;
        expect(to - from + 1).toBe(2 ** (32 - bits));
        expect(from).toBeLessThanOrEqual(number);
        expect(to).toBeGreaterThanOrEqual(number);
        expect(overlap({ from, to }, { from: to + 1, to: to + 1 })).toBe(false);
        expect(overlap({ from, to }, { from: number, to: number })).toBe(true);
      }),
    );
  });

  it.each(['', '10.0.0.0', '10.0.0/8', '256.0.0.0/8', '10.0.0.0/33', 'a.b.c.d/8', '10.0.0.0.0/8'])(
    '%j is none',
    (text) => expect(rangeOf(text)).toBeUndefined(),
  );
});
