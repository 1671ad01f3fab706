import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { kubernetesSteps } from '../../src/targets/kubernetes.js';

test.each(['docs/install.md', 'docs/install.zh-CN.md'])('%s has the list as it is', (name) => {
  const text = readFileSync(join(import.meta.dirname, '../..', name), 'utf8');
  const ids = [...text.matchAll(/^\| `([a-z.-]+)` \|/gm)].map(([, id]) => id);
  expect(ids).toEqual(kubernetesSteps.map(({ id }) => id));
});

test.each(['docs/install.md', 'docs/install.zh-CN.md'])(
  '%s: a step whose row has a dash takes nothing away',
  (name) => {
    const text = readFileSync(join(import.meta.dirname, '../..', name), 'utf8');
    for (const { id, undo, leaves } of kubernetesSteps) {
      const row = text.split('\n').find((line) => line.startsWith(`| \`${id}\` |`))!;
      expect(`${id}: ${row.endsWith('| – |')}`).toBe(`${id}: ${undo === undefined && leaves === undefined}`);
    }
  },
);
