import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Pacer, writeLate } from '../../src/embedded/pacer.js';

const turn = () => Promise.resolve();

describe('the pacer', () => {
  it('writes the first words at once, and what comes soon after in one go', async () => {
    let writes = 0;
    const pacer = new Pacer(() => writes++);
    pacer.soon();
    pacer.soon();
    await turn();
    expect(writes).toBe(1);
    for (let i = 0; i < 5; i++) pacer.soon();
    await turn();
    expect(writes).toBe(1);
    await sleep(10);
    pacer.soon();
    await turn();
    expect(writes).toBe(2);
  });

  it('keeps nobody waiting when no word will follow', async () => {
    const written: string[] = [];
    const [one, two] = ['one', 'two'].map((name) => new Pacer(() => written.push(name))) as [Pacer, Pacer];
    one.soon();
    two.soon();
    await turn();
    one.soon();
    writeLate();
    expect(written).toEqual(['one', 'two', 'one']);
    two.soon();
    two.end();
    await turn();
    expect(written).toEqual(['one', 'two', 'one', 'two']);
    writeLate();
    await turn();
    expect(written).toHaveLength(4);
  });

  it('writes once where both would', async () => {
    let writes = 0;
    const pacer = new Pacer(() => writes++);
    pacer.soon();
    writeLate();
    pacer.now();
    await turn();
    expect(writes).toBe(1);
  });
});
