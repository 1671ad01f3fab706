import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropLock, holding, takeLock, writeLock } from '../../src/supervisor/lock.js';

let home = '';
beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/lock-`);
  mkdirSync(`${home}/run`);
});
afterEach(() => rmSync(home, { recursive: true }));

const a = { pid: 1, identity: 'boot:1' };
const b = { pid: 2, identity: 'boot:2' };
/** A machine on which just these live. */
const living =
  (...holders: (typeof a)[]) =>
  async (pid: number): Promise<string | undefined> =>
    holders.find((holder) => holder.pid === pid)?.identity;

describe('the lock', () => {
  it('is taken when it is free, and left as nothing but itself', async () => {
    expect(holding(home, a)).toBe('none');
    expect(await takeLock(home, a, living(a))).toBeUndefined();
    expect(holding(home, a)).toBe('mine');
    expect(holding(home, b)).toBe('lost');
    expect(readdirSync(`${home}/run`)).toEqual(['supervisor.lock']);
    dropLock(home);
    expect(holding(home, a)).toBe('none');
  });

  it('is not taken from the living', async () => {
    await takeLock(home, a, living(a, b));
    expect(await takeLock(home, b, living(a, b))).toEqual(a);
    expect(holding(home, a)).toBe('mine');
  });

  it('is taken from the dead, also when another has their number now', async () => {
    await takeLock(home, a, living(a));
    expect(await takeLock(home, b, living(b, { pid: 1, identity: 'boot:999' }))).toBeUndefined();
    expect(holding(home, a)).toBe('lost');
  });

  it('that cannot be read belongs to nobody', async () => {
    writeFileSync(`${home}/run/supervisor.lock`, '{"pid":');
    expect(await takeLock(home, a, living(a))).toBeUndefined();
  });

  it('goes to the last of two who both found it free', async () => {
    const first = takeLock(home, a, living(a, b));
    await Promise.resolve();
    writeLock(home, b);
    expect(await first).toEqual(b);
    expect(holding(home, b)).toBe('mine');
  });

  it('goes to exactly one of many', async () => {
    const many = [...Array(20).keys()].map((n) => ({ pid: n + 1, identity: `boot:${n + 1}` }));
    const answers = await Promise.all(many.map((one) => takeLock(home, one, living(...many))));
    expect(answers.filter((holder) => holder === undefined)).toHaveLength(1);
  });
});
