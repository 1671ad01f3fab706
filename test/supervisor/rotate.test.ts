import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rotate } from '../../src/supervisor/rotate.js';

let folder = '';
let log = '';
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/rotate-`);
  log = `${folder}/engine.log`;
});
afterEach(() => rmSync(folder, { recursive: true }));

const content = (path: string): string => readFileSync(path, 'utf8');

describe('rotate', () => {
  it('leaves a small log, and one that is not there, alone', () => {
    expect(rotate(log, { maxBytes: 4, keep: 2 })).toBe(false);
    writeFileSync(log, '1234');
    expect(rotate(log, { maxBytes: 4, keep: 2 })).toBe(false);
    expect(content(log)).toBe('1234');
  });

  it('keeps as many old ones as asked, the youngest first, readable by the owner alone', () => {
    for (const text of ['first', 'second', 'third']) {
      appendFileSync(log, text);
      expect(rotate(log, { maxBytes: 4, keep: 2 })).toBe(true);
    }
    expect(content(log)).toBe('');
    expect(content(`${log}.1`)).toBe('third');
    expect(content(`${log}.2`)).toBe('second');
    expect(existsSync(`${log}.3`)).toBe(false);
    expect(statSync(`${log}.1`).mode & 0o777).toBe(0o600);
  });

  it('keeps none when none is asked for', () => {
    writeFileSync(log, '12345');
    rotate(log, { maxBytes: 4, keep: 0 });
    expect(content(log)).toBe('');
    expect(existsSync(`${log}.1`)).toBe(false);
  });

  it('is followed by a writer that has the log open in append mode, which loses next to nothing', async () => {
    const output = openSync(log, 'a');
    const script = 'let n = 0; const t = setInterval(() => { console.log(n++); if (n === 400) clearInterval(t) }, 1)';
    const writer = spawn(process.execPath, ['-e', script], { stdio: ['ignore', output, 'ignore'] });
    const ended = once(writer, 'exit');
    let rotations = 0;
    while (writer.exitCode === null) {
      if (rotate(log, { maxBytes: 200, keep: 1000 })) rotations++;
      await sleep(5);
    }
    await ended;
    const all = [...Array(rotations).keys()].map((n) => content(`${log}.${n + 1}`)).reverse();
    const numbers = [...all, content(log)].join('').trim().split('\n').map(Number);
    expect(rotations).toBeGreaterThan(2);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(numbers.at(-1)).toBe(399);
    expect(numbers.length).toBeGreaterThanOrEqual(400 - rotations);
  });
});
