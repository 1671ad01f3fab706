/** The docs and the checks name the same ids: whoever reads one in a terminal finds its heading. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { doctorIds, hostChecks, surveyChecks } from '../../src/checks/node.js';

const root = join(import.meta.dirname, '../..');

it('no id is used twice', () => {
  expect(new Set(doctorIds).size).toBe(doctorIds.length);
  for (const { id } of [...hostChecks, ...surveyChecks]) expect(id).toMatch(/^[a-z0-9]+\.[a-z0-9-]+$/);
});

describe.each(['docs/doctor.md', 'docs/doctor.zh-CN.md'])('%s', (name) => {
  const text = readFileSync(join(root, name), 'utf8');
  const headings = [...text.matchAll(/^### (\S+)$/gm)].map(([, id]) => id!);

  it('has a heading for each check, and no other', () => {
    expect([...headings].sort()).toEqual([...doctorIds].sort());
  });

  it('says something under each', () => {
    for (const part of text.split(/^### /m).slice(1)) {
      const words = part
        .split('\n')
        .slice(1)
        .join(' ')
        .replace(/^## .*$/m, '')
        .trim();
      expect(words.length, part.split('\n')[0]).toBeGreaterThan(10);
    }
  });
});

it('the docs are in the package', () => {
  expect(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).files).toContain('docs');
});
