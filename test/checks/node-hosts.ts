/** Recorded hosts, whole or with some answers changed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { judge, type NodeOutcome, stands } from '../../src/checks/node.js';
import type { NodeView, Survey } from '../../src/checks/node-check.js';
import type { Role } from '../../src/config/hosts.js';
import type { Kubernetes } from '../../src/config/kubernetes.js';
import { merge } from '../../src/config/load.js';
import { readNode } from '../../src/probes/node.js';
import type { Section } from '../../src/probes/probe.js';
import { readRecording } from '../../src/probes/recording.js';

const folder = join(import.meta.dirname, '../recordings');
export const recording = (name: string): string => readFileSync(join(folder, name), 'utf8');

export const wanted: Kubernetes = merge(undefined, []).config.kubernetes;

/** Of the day the recordings speak of. */
export const now = Date.UTC(2026, 10, 24, 8);

export type Change =
  | string
  | ((text: string) => string)
  | { readonly code: number; readonly text?: string }
  | undefined;
/** By the id of a section ('host.os', 'gpu.query'), or the name of an answer inside ('swap'). Undefined takes it away. */
export type Changes = Readonly<Record<string, Change>>;

const apply = (change: Exclude<Change, undefined>, before: string): { text: string; code: number } => {
  if (typeof change === 'string') return { text: change, code: 0 };
  if (typeof change === 'function') return { text: change(before), code: 0 };
  return { text: change.text ?? '', code: change.code };
};

function inside(stdout: string, name: string, change: Change): string {
  const answer = new RegExp(`^=== ${name}\\n((?: .*\\n)*)=== /${name} \\d+\\.\\n`, 'm');
  const [, body] = answer.exec(stdout)!;
  if (change === undefined) return stdout.replace(answer, '');
  const before = body!.replace(/^ /gm, '').replace(/\n$/, '');
  const { text, code } = apply(change, before);
  const lines = text === '' ? '' : `${text.replace(/^/gm, ' ')}\n`;
  return stdout.replace(answer, () => `=== ${name}\n${lines}=== /${name} ${code}.\n`);
}

/** @throws Error for a change of what is not there: a test must not pass because nothing was changed */
export function changed(sections: readonly Section[], changes: Changes): Section[] {
  let all = [...sections];
  for (const [name, change] of Object.entries(changes)) {
    const own = all.find(({ id }) => id === name);
    const around = all.find(({ result }) => result.stdout.includes(`=== ${name}\n`));
    if (own && change === undefined) all = all.filter((section) => section !== own);
    else if (own) {
      const { text, code } = apply(change!, own.result.stdout);
      all = all.map((one) =>
        one === own ? { ...one, result: { code, stdout: text === '' ? '' : `${text}\n`, stderr: '' } } : one,
      );
    } else if (around) {
      all = all.map((one) =>
        one === around ? { ...one, result: { ...one.result, stdout: inside(one.result.stdout, name, change) } } : one,
      );
    } else throw new Error(`the recording has no ${name}`);
  }
  return all;
}

const smi = (file: string): Section => ({
  id: 'gpu.query',
  line: 'nvidia-smi -q -x',
  result: { code: 0, stdout: recording(file), stderr: '' },
});

/** The GPU worker's nvidia-smi is a recording of its own. */
export function sectionsOf(name: 'fresh' | 'control-plane' | 'gpu-worker'): Section[] {
  const sections = readRecording(recording(`nodes/${name}.txt`));
  return name === 'gpu-worker' ? [smi('q-x-h200-x2.xml'), ...sections] : sections;
}

interface Host {
  readonly name: string;
  readonly address: string;
  readonly roles: readonly Role[];
  readonly from: Parameters<typeof sectionsOf>[0];
}

export const hosts = {
  cp: { name: 'cp-1', address: '10.0.0.11', roles: ['control-plane'], from: 'control-plane' },
  gpu: { name: 'gpu-1', address: '10.0.0.12', roles: ['worker'], from: 'gpu-worker' },
  fresh: { name: 'fresh', address: '10.0.0.20', roles: ['control-plane', 'worker'], from: 'fresh' },
} as const satisfies Record<string, Host>;

export const viewOf = ({ name, address, roles, from }: Host, changes: Changes = {}): NodeView => ({
  ...{ name, address, given: address, roles },
  facts: readNode(changed(sectionsOf(from), changes)),
});

export const surveyOf = (nodes: readonly NodeView[], more: Partial<Kubernetes> = {}): Survey => ({
  nodes,
  wanted: { ...wanted, ...more },
  now,
});

/** The cluster of two, with changes on one or the other. */
export const cluster = (
  changes: { readonly cp?: Changes; readonly gpu?: Changes } = {},
  more: Partial<Kubernetes> = {},
): Survey => surveyOf([viewOf(hosts.cp, changes.cp), viewOf(hosts.gpu, changes.gpu)], more);

export const problems = (survey: Survey): NodeOutcome[] =>
  judge(survey).filter(({ verdict }) => verdict.state === 'problem');
export const failed = (survey: Survey): string[] =>
  judge(survey)
    .filter((one) => stands(one) === 'failed')
    .map(({ host = '', check }) => `${host}:${check.id}`);

export const fresh = (changes: Changes, more = {}): Survey => surveyOf([viewOf(hosts.fresh, changes)], more);
export const gpu = (changes: Changes, more = {}): Survey => cluster({ gpu: changes }, more);
export const cp = (changes: Changes, more = {}): Survey => cluster({ cp: changes }, more);
export const adding =
  (...lines: readonly string[]) =>
  (text: string): string =>
    [text, ...lines].join('\n').trim();
export const replacing =
  (from: string | RegExp, to: string) =>
  (text: string): string => {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`nothing to replace: ${from}`);
    return changed;
  };

// biome-ignore lint/suspicious/noExplicitAny: what kubectl printed is changed as a test needs it
type Raw = any;
/** The first object of the kind whose name begins so, changed in what kubectl printed. */
export const object = (kind: string, name: string, change: (found: Raw) => void) => ({
  objects: (text: string): string => {
    const list = JSON.parse(text);
    change(list.items.find((one: Raw) => one.kind === kind && one.metadata.name.startsWith(name)));
    return JSON.stringify(list);
  },
});

export const withoutDriver = {
  driver: 'release: 6.8.0-87-generic\ndisk: \nsigner: ',
  modules: replacing('nvidia on', 'nvidia absent'),
  'host.pci': '0000:0a:00.0 0x2335 0x030200 -\n0000:1b:00.0 0x2335 0x030200 -',
  'gpu.query': {
    code: 9,
    text: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
  },
} as const satisfies Changes;

export const reached = (survey: Survey, open: Readonly<Record<'host' | 'pods', boolean>>): Survey => ({
  ...survey,
  nodes: survey.nodes.map(
    (view): NodeView => ({
      ...view,
      reached: survey.nodes
        .filter((other) => other !== view)
        .flatMap(({ name, address }) => [
          { to: name, address: address!, by: 'host', open: open.host },
          { to: name, address: '10.244.1.0', by: 'pods', open: open.pods },
        ]),
    }),
  ),
});

/** What is broken, where, how it is told. */
export type Row = readonly [what: string, survey: () => Survey, id: string, found: RegExp, hint: RegExp];

/** Each row is found, with what to do, in both languages. */
export function told(list: readonly Row[]): void {
  it.each(list)('%s', (_what, survey, id, says, hint) => {
    const all = problems(survey());
    const one = all.find(({ check }) => check.id === id);
    expect(one, `${all.map(({ check }) => check.id)}`).toBeDefined();
    if (one?.verdict.state !== 'problem') throw new Error('no problem');
    expect(one.verdict.found.en).toMatch(says);
    expect(one.verdict.hint?.en).toMatch(hint);
    expect(one.verdict.found.zh).not.toBe(one.verdict.found.en);
  });
}
