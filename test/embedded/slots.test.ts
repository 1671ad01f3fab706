import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Job, pickSlot, type Slot } from '../../src/embedded/slots.js';

const busy = {} as Job;
const slot = (id: number, more: Partial<Slot> = {}): Slot => ({ id, job: undefined, tokens: [], usedBy: -1, ...more });
const prompt = Uint32Array.from({ length: 40 }, (_, i) => i);

describe('the sequence for a prompt', () => {
  it('closes a gap before it stands beside, and stands beside before it stands alone', () => {
    const slots = [slot(0), slot(1, { job: busy }), slot(2, { usedBy: 9 }), slot(3, { job: busy }), slot(4), slot(5)];
    expect(pickSlot(prompt, slots, false)?.slot.id).toBe(2);
    slots[2]!.job = busy;
    expect(pickSlot(prompt, slots, false)?.slot.id).toBe(0);
    slots[0]!.job = busy;
    expect(pickSlot(prompt, slots, false)?.slot.id).toBe(4);
  });

  it('is the one unused for longest when all are free', () => {
    expect(
      pickSlot(prompt, [slot(0, { usedBy: 5 }), slot(1, { usedBy: 3 }), slot(2, { usedBy: 4 })], false)?.slot.id,
    ).toBe(1);
  });

  it('is the one with the longest beginning in common, if that may be used again', () => {
    const slots = [
      slot(0, { tokens: [...prompt.slice(0, 10)] }),
      slot(1, { tokens: [...prompt.slice(0, 30), 99] }),
      slot(2, { tokens: [...prompt, 1, 2] }),
      slot(3, { job: busy, tokens: [...prompt] }),
    ];
    expect(pickSlot(prompt, slots, true)).toMatchObject({ slot: { id: 2 }, kept: 39 });
    expect(pickSlot(prompt, slots.slice(0, 2), true)).toMatchObject({ slot: { id: 1 }, kept: 30 });
    expect(pickSlot(prompt, slots.slice(0, 1), true)).toMatchObject({ kept: 0 });
    expect(pickSlot(prompt, slots, false)).toMatchObject({ kept: 0 });
  });

  it('is none when none is free', () => {
    expect(pickSlot(prompt, [slot(0, { job: busy })], true)).toBeUndefined();
  });

  it('keeps those who come one after the other side by side', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(20), { minLength: 8, maxLength: 8 }),
        fc.integer({ min: 1, max: 8 }),
        (used, count) => {
          const slots = used.map((usedBy, id) => slot(id, { usedBy }));
          for (let i = 0; i < count; i++) pickSlot(prompt, slots, false)!.slot.job = busy;
          const ids = slots.filter(({ job }) => job === busy).map(({ id }) => id);
          expect(ids.at(-1)! - ids[0]! + 1).toBe(count);
        },
      ),
    );
  });
});
