/** What is not known is not claimed: whatever is missing from a recording, nothing fails that the whole one does not show. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groups, readNode } from '../../src/probes/node.js';
import type { Section } from '../../src/probes/probe.js';
import { readRecording, writeRecording } from '../../src/probes/recording.js';
import { type Changes, changed, failed, hosts, sectionsOf, surveyOf, viewOf } from './node-hosts.js';

const beside = { cp: viewOf(hosts.cp), gpu: viewOf(hosts.gpu) };

type Name = keyof typeof hosts;

const failing = (name: Name, sections: readonly Section[]): string[] => {
  const { from: _, ...host } = hosts[name];
  return failed(surveyOf([{ ...host, facts: readNode(sections) }, name === 'cp' ? beside.gpu : beside.cp]));
};

/** Several things wrong at once, so that a cut could also turn one fault into another. */
const broken: Readonly<Record<string, readonly [Name, Changes]>> = {
  'a healthy control plane': ['cp', {}],
  'a healthy GPU worker': ['gpu', {}],
  'a fresh host': ['fresh', {}],
  'a worker with old control groups, as its configuration allows': [
    'gpu',
    {
      'host.cgroup': 'type: tmpfs',
      kubelet: (text) => text.replace('cgroupDriver: systemd', 'cgroupDriver: cgroupfs'),
      containerd: (text) => text.replaceAll('SystemdCgroup = true', 'SystemdCgroup = false'),
    },
  ],
  'a member on a system that no install knows': [
    'cp',
    { 'host.os': 'ID=sles\nVERSION_ID="15.6"\nPRETTY_NAME="SLES 15 SP6"' },
  ],
  'a fresh host with leftovers': [
    'fresh',
    {
      membership: 'file admin.conf\nfile pki/ca.crt\netcd: yes\nasked',
      listening: 'LISTEN 0 9 *:6443 *:* users:(("k3s",pid=9,fd=9))',
    },
  ],
  'a worker whose GPU is gone': [
    'gpu',
    {
      'gpu.query': {
        code: 15,
        text: 'Unable to determine the device handle for GPU0000:0A:00.0: GPU is lost.  Reboot the system to recover this GPU',
      },
    },
  ],
};

describe.each(Object.entries(broken))('%s', (_, [name, changes]) => {
  const sections = changed(sectionsOf(hosts[name].from), changes);
  const whole = new Set(failing(name, sections));
  const claimsNothingNew = (some: readonly Section[]): void => {
    expect(failing(name, some).filter((id) => !whole.has(id))).toEqual([]);
  };

  it('a recording cut anywhere', () => {
    const text = writeRecording(sections, 'cut');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: text.length }), (at) => claimsNothingNew(readRecording(text.slice(0, at)))),
      { numRuns: 60 },
    );
  });

  it('any of the commands without an answer', () => {
    const some = fc.subarray(sections.filter(({ id }) => id !== 'node.end'));
    fc.assert(
      fc.property(some, (kept) => claimsNothingNew([...kept, sections.find(({ id }) => id === 'node.end')!])),
      { numRuns: 40 },
    );
  });

  it('any of the questions without an answer, or given up', () => {
    const names = Object.values(groups).flatMap((questions) => Object.keys(questions));
    const drop = fc.dictionary(fc.constantFrom(...names), fc.constantFrom(undefined, { code: 124 }, { code: 127 }), {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(drop, (missing) => claimsNothingNew(changed(sections, missing))),
      { numRuns: 60 },
    );
  });

  it('commands that were stopped in the middle', () => {
    const index = fc.integer({ min: 0, max: sections.length - 1 });
    fc.assert(
      fc.property(index, fc.double({ min: 0, max: 1, noNaN: true }), (at, part) => {
        const stopped = sections.map((one, place) =>
          place === at && !one.id?.startsWith('gpu.')
            ? {
                ...one,
                result: {
                  ...one.result,
                  code: 124,
                  stdout: one.result.stdout.slice(0, part * one.result.stdout.length),
                },
              }
            : one,
        );
        claimsNothingNew(stopped);
      }),
      { numRuns: 60 },
    );
  });
});
