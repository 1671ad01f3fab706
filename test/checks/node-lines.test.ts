import { expect, it } from 'vitest';
import { judge } from '../../src/checks/node.js';
import { doctorLines } from '../../src/checks/node-lines.js';
import { type Changes, hosts, surveyOf, viewOf } from './node-hosts.js';

const plain = (text: string): string => text;
const paint = { good: plain, bad: plain, warn: plain, dim: plain, strong: plain, accent: plain };

/** Fifty fresh hosts that differ in nothing but what must differ. */
const fifty = (changes: (at: number) => Changes) =>
  surveyOf(
    Array.from({ length: 50 }, (_, at) => ({
      ...viewOf(at === 0 ? hosts.fresh : { ...hosts.fresh, roles: ['worker'] }, {
        identity: (text) =>
          text
            .replace('host: fresh', `host: gpu-${at}`)
            .replace(/machine: \w+/, `machine: ${String(at).padStart(32, 'a')}`)
            .replace(/product: \S+/, `product: 4c4c4544-0042-3510-8054-${String(at).padStart(12, 'a')}`)
            .replace('52:54:00:aa:bb:20', `52:54:00:aa:cc:${at.toString(16).padStart(2, '0')}`),
        ...changes(at),
      }),
      name: `gpu-${at}`,
    })),
  );

const lines = (survey: ReturnType<typeof surveyOf>) =>
  doctorLines(survey, judge(survey), 'docs/doctor.md', { paint, text: ({ en }) => en });

it('fifty hosts that are alike take one line, and one more for what init sees to', () => {
  expect(lines(fifty(() => ({})))).toEqual([
    '✓ 50 hosts: gpu-0, gpu-1, gpu-2, gpu-3, gpu-4, gpu-5 and 44 more',
    '  init sees to: host.programs, host.modules, host.sysctl',
    expect.stringMatching(/^✓ all together {2}\d+ checks well$/),
    '',
    'Each id has its heading in docs/doctor.md',
  ]);
});

it('the one among them that is not stands by itself', () => {
  const shown = lines(fifty((at) => (at === 7 ? { 'host.cgroup': 'type: tmpfs' } : {})));
  expect(shown[0]).toMatch(/^✓ 49 hosts: /);
  expect(shown.slice(2, 4)).toEqual([
    expect.stringMatching(/^✗ gpu-7 /),
    expect.stringMatching(/^ {2}✗ Control groups of version 1/),
  ]);
  expect(shown.length).toBeLessThan(10);
});
