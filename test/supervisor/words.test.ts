import { describe, expect, it } from 'vitest';
import type { Exit, Reason } from '../../src/supervisor/report.js';
import { sentence } from '../../src/supervisor/words.js';

describe('sentence', () => {
  it.each<[Reason, Omit<Exit, 'at'> | undefined, RegExp]>([
    [{ kind: 'exit' }, { code: 3 }, /^engine ended with status 3\.$/],
    [{ kind: 'exit' }, { code: 127 }, /program was not found/],
    [{ kind: 'exit' }, { signal: 'SIGSEGV' }, /SIGSEGV/],
    [{ kind: 'exit' }, { signal: 'SIGKILL' }, /want of memory/],
    [{ kind: 'exit' }, {}, /^engine ended\.$/],
    [{ kind: 'spawn', detail: 'EACCES' }, undefined, /could not be started: EACCES/],
    [{ kind: 'unready', detail: 'refused' }, undefined, /in time \(refused\)/],
    [{ kind: 'unhealthy', detail: 'refused' }, undefined, /does not answer \(refused\)/],
    [{ kind: 'waits', detail: 'other' }, undefined, /waits for other/],
    [{ kind: 'left', detail: 'pid 7' }, undefined, /cannot be ended \(pid 7\)/],
  ])('%j %j', (reason, last, words) => {
    const text = sentence('engine', reason, last && { ...last, at: 0 });
    expect(text.en).toMatch(words);
    expect(text.zh).toMatch(/^engine.*[\u4e00-\u9fff]/);
  });
});
