import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verbs } from '../src/cli.js';
import { exitCode } from '../src/errors.js';

const read = (name: string): string => readFileSync(join(import.meta.dirname, '..', name), 'utf8');

describe.each(['README.md', 'README.zh-CN.md'])('%s', (name) => {
  const text = read(name);

  it('has the table of exit statuses that the program has', () => {
    const rows = [...text.matchAll(/^\| (\d+) \| (\w+) \|/gm)].map(([, code, word]) => [word, Number(code)]);
    expect(Object.fromEntries(rows)).toEqual(exitCode);
  });

  it('names every command, and no other', () => {
    const rows = [...text.matchAll(/^\| `([a-z]+)[^`]*` \|/gm)].map(([, word]) => word);
    expect(rows).toEqual(expect.arrayContaining(verbs.map((verb) => verb.name)));
    for (const word of rows.filter((one) => one !== 'npm')) expect(verbs.map((verb) => verb.name)).toContain(word);
  });

  it('begins with two commands that are there', () => {
    expect(text).toContain('npm ci && npx deepseek-deploy init --target local --model demo --yes');
    expect(read('test/run.sh')).toContain('npm test');
    expect(read('.ci/run')).toContain('bash test/run.sh');
  });
});
