import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  candidates,
  chooseThreads,
  chunkFor,
  quotaFolders,
  readAllowed,
  readCfs,
  readCpuList,
  readCpuMax,
  usableThreads,
} from '../../src/embedded/threads.js';

describe('what the kernel says', () => {
  it.each([
    ['0-3,8\n', [0, 1, 2, 3, 8]],
    ['5', [5]],
    ['', []],
  ])('CPU list %j', (text, cpus) => expect(readCpuList(text)).toEqual(cpus));

  it('the affinity in /proc/self/status', () => {
    expect(readAllowed('Name:\tnode\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\nMems_allowed:\t1\n')).toEqual([0, 1]);
    expect(readAllowed('Name:\tnode\n')).toEqual([]);
  });

  it.each([
    ['max 100000\n', undefined],
    ['150000 100000\n', 1.5],
    ['50000 100000', 0.5],
  ])('cpu.max %j', (text, cpus) => expect(readCpuMax(text)).toBe(cpus));

  it('the quota of cgroup v1', () => {
    expect(readCfs('-1\n', '100000\n')).toBeUndefined();
    expect(readCfs('400000\n', '100000\n')).toBe(4);
  });

  it('every group that may limit us, up to the root', () => {
    expect(quotaFolders('0::/kubepods/pod1/c2\n').v2).toEqual(['kubepods/pod1/c2', 'kubepods/pod1', 'kubepods', '']);
    const { v1, v2 } = quotaFolders('4:memory:/a\n2:cpu,cpuacct:/docker/x\n1:name=systemd:/\n');
    expect(v2).toEqual([]);
    expect(v1).toEqual(['docker/x', 'docker', '']);
  });
});

describe('how many threads', () => {
  it.each([
    ['all cores but one', { allowed: [0, 1, 2, 3], cores: 4 }, 3],
    ['not the hyperthreads', { allowed: [0, 1, 2, 3, 4, 5], cores: 3 }, 2],
    ['whole CPUs of the quota', { allowed: [0, 1, 2, 3], cores: 4, quota: 3.9 }, 2],
    ['one at the least', { allowed: [0], cores: 1, quota: 0.5 }, 1],
  ])('%s', (_, limits, threads) => expect(usableThreads(limits)).toBe(threads));

  it('candidates rise, end with all and never go beyond', () => {
    expect(candidates(1)).toEqual([1]);
    expect(candidates(2)).toEqual([1, 2]);
    expect(candidates(7)).toEqual([1, 4, 7]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), (usable) => {
        const list = candidates(usable);
        expect(list.at(-1)).toBe(usable);
        expect(list).toEqual([...new Set(list)].sort((a, b) => a - b));
      }),
    );
  });

  it('one thread where a second makes it slower, as on a shared machine', () => {
    const one = { threads: 1, alone: 400, together: 800 };
    expect(chooseThreads([one, { threads: 2, alone: 90, together: 300 }])).toBe(1);
    expect(chooseThreads([one, { threads: 2, alone: 410, together: 830 }])).toBe(1);
    expect(chooseThreads([one, { threads: 2, alone: 700, together: 1500 }])).toBe(2);
  });
});

describe('how much of a prompt is read at once', () => {
  it.each([
    ['a tiny model', 0.7e6, 1, 256],
    ['a model of 100 M', 100e6, 1, 64],
    ['the same with more threads', 100e6, 3, 256],
    ['a model of 7 G', 7e9, 1, 16],
    ['no parameters known', 0, 1, 256],
  ])('%s', (_, parameters, threads, tokens) => expect(chunkFor(parameters, threads)).toBe(tokens));
});
