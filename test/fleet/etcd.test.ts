import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forgetMember, isMajority, quorumWithout, readMembers } from '../../src/fleet/etcd.js';
import { show } from '../../src/plan/step.js';
import type { Machine } from '../../src/steps/machine.js';
import { fakeWorld } from '../world/fake.js';

/** As etcdctl 3.6 prints it; the last has never started and is a learner. */
const list = `3f1c2e, started, host-1, https://10.0.0.1:2380, https://10.0.0.1:2379, false
7a90b1, started, host-2, https://10.0.0.2:2380, https://10.0.0.2:2379, false
c04d55, unstarted, , https://10.0.0.3:2380, , true
`;
const machine = {} as Machine;

/** @param well addresses whose etcd answers */
const world = (well: readonly string[], members = list) =>
  fakeWorld({
    commands: [
      [/member list/, { stdout: members }],
      [
        /endpoint health/,
        ({ argv }) => ({ code: well.some((one) => argv.join(' ').includes(`https://${one}:2379`)) ? 0 : 1 }),
      ],
    ],
  });

it('members are read, one that never started too', () => {
  expect(readMembers(list)).toEqual([
    { id: '3f1c2e', name: 'host-1', peer: 'https://10.0.0.1:2380', learner: false, client: 'https://10.0.0.1:2379' },
    { id: '7a90b1', name: 'host-2', peer: 'https://10.0.0.2:2380', learner: false, client: 'https://10.0.0.2:2379' },
    { id: 'c04d55', name: '', peer: 'https://10.0.0.3:2380', learner: true },
  ]);
});

it('two majorities always share a member', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99 }), fc.nat(99), (all, some) => {
      const well = some % (all + 1);
      expect(isMajority(all, well) && isMajority(all, all - well)).toBe(false);
      expect(isMajority(all, well)).toBe(well * 2 > all);
    }),
  );
});

describe('a control plane that leaves', () => {
  it('is let go where the others are a majority', async () => {
    const three = list.replace(
      'unstarted, , https://10.0.0.3:2380, ,',
      'started, host-3, https://10.0.0.3:2380, https://10.0.0.3:2379,',
    );
    expect(await quorumWithout('host-3', 'host-1').done(machine, world(['10.0.0.1', '10.0.0.2'], three))).toBe(true);
    expect(await quorumWithout('host-2', 'host-1').done(machine, world(['10.0.0.1', '10.0.0.3'], three))).toBe(true);
  });

  it('is kept where they are none, and it is said which do not answer', async () => {
    await expect(
      quorumWithout('host-2', 'host-1').done(machine, world(['10.0.0.1', '10.0.0.2'], list.replace('true', 'false'))),
    ).rejects.toMatchObject({
      id: 'etcd.quorum',
      text: { en: expect.stringMatching(/these do not answer or have no vote yet: https:\/\/10\.0\.0\.3:2380\.$/) },
    });
  });

  it('learners have no vote: one that has not caught up keeps nobody, and stands in for nobody', async () => {
    expect(await quorumWithout('host-2', 'host-1').done(machine, world(['10.0.0.1']))).toBe(true);
    const learns = list.replace('10.0.0.2:2379, false', '10.0.0.2:2379, true');
    await expect(
      quorumWithout('host-1', 'host-2').done(machine, world(['10.0.0.1', '10.0.0.2'], learns)),
    ).rejects.toMatchObject({ id: 'etcd.quorum', text: { en: expect.stringContaining('no vote yet: host-2, https') } });
  });

  it('is forgotten by its id, also when it never started; others are not', async () => {
    const lines = async (name: string, address: string) => {
      const step = forgetMember(name, address, 'host-1');
      const it = world([]);
      return (await step.done(machine, it)) ? [] : (await step.apply(machine, it)).map(show);
    };
    expect((await lines('host-2', '10.0.0.2'))[0]).toMatch(/exec etcd-host-1 -- etcdctl .* member remove 7a90b1$/);
    expect((await lines('host-3', '10.0.0.3'))[0]).toMatch(/member remove c04d55$/);
    expect(await lines('host-4', '10.0.0.4')).toEqual([]);
    // The address of one that is lost may be another's by now.
    expect(await lines('host-4', '10.0.0.1')).toEqual([]);
  });

  it('stays where etcd does not answer', async () => {
    const silent = fakeWorld({ commands: [[/member list/, { code: 1, stderr: 'context deadline exceeded' }]] });
    await expect(forgetMember('a', undefined, 'b').done(machine, silent)).rejects.toMatchObject({
      id: 'etcd.members',
    });
  });
});
