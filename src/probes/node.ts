/** A host as a node of a cluster: everything that is asked of it beyond what it is, and the facts of the answers. */
import { type Command, show } from '../command.js';
import type { Clock, Host, World } from '../world.js';
import { askForPlan, askHost, type HostFacts, readHost } from './host.js';
import { api, objects, said } from './node-cluster.js';
import { identity, timeSync } from './node-identity.js';
import { driver, kernelLog, modules, swap, sysctls } from './node-kernel.js';
import { certificates, kubelet, membership, podNetwork } from './node-kubelet.js';
import { addresses, firewall, links, listening, proxies, resolver, routes } from './node-network.js';
import { leftovers, missingPrograms, packages, rooms, selinux, sources } from './node-packages.js';
import { containerd, journal, sockets, toolkit } from './node-runtime.js';
import { type Answers, readTogether, together } from './node-sections.js';
import { ask, type Probe, type Section } from './probe.js';

/** One command each, at once; within a command one after the other. */
export const groups = {
  'node.machine': {
    ...{ identity, timeSync, swap, modules, sysctls, selinux, missingPrograms, rooms, leftovers },
    ...{ addresses, routes, links, listening, resolver, firewall, proxies },
  },
  'node.packages': { sources, packages },
  'node.gpu': { driver, kernelLog },
  'node.runtime': { sockets, containerd, toolkit, journal },
  'node.kubernetes': { kubelet, membership, certificates, podNetwork },
  'node.cluster': { api, objects, said },
} as const;

type Groups = typeof groups;
type AllAnswers = Answers<
  Groups['node.machine'] &
    Groups['node.packages'] &
    Groups['node.gpu'] &
    Groups['node.runtime'] &
    Groups['node.kubernetes'] &
    Groups['node.cluster']
>;

export interface NodeFacts extends AllAnswers {
  readonly host: HostFacts;
  /** Root was reached, or the words of who refused. */
  readonly root?: true | string;
  /** Milliseconds that the host's clock is ahead of ours, and how much of it may be the way there and back. */
  readonly clock?: { readonly aheadMs: number; readonly withinMs: number };
}

const endId = 'node.end';
const end: Section = { id: endId, line: 'end', result: { code: 0, stdout: '', stderr: '' } };

const rootProbe: Probe<true | string | undefined> = {
  id: 'node.root',
  command: { argv: ['id', '-u'], sudo: true, timeoutMs: 10_000 },
  read: ({ code, stdout, stderr }) =>
    code === 0 && stdout.trim() === '0' ? true : stderr.trim().split('\n')[0] || undefined,
};

/** `asked` and `answered` are our own clock before and after, in ms since 1970. */
const clockProbe: Probe<NodeFacts['clock']> = {
  id: 'node.clock',
  command: { argv: ['date', '+%s%3N'], timeoutMs: 5000 },
  read({ stdout }) {
    const [, there, asked, answered] = /^(\d{13})\nasked (\d{13})\nanswered (\d{13})\n/.exec(stdout) ?? [];
    if (there === undefined) return undefined;
    const [from, to] = [Number(asked), Number(answered)];
    return { aheadMs: Math.round(Number(there) - (from + to) / 2), withinMs: Math.ceil((to - from) / 2) };
  },
};

async function askClock(host: Host, clock: Pick<Clock, 'now'>): Promise<Section> {
  const asked = clock.now();
  const result = await ask(host, clockProbe.command);
  const stdout = `${result.stdout.trim()}\nasked ${asked}\nanswered ${clock.now()}\n`;
  return { id: clockProbe.id, line: show(clockProbe.command), result: { ...result, stdout } };
}

type Asker = Pick<World, 'host' | 'places' | 'clock'>;

/** The cluster is asked where there is a kubeconfig for it. Read-only; as root where that is to be had. */
export async function askNode(world: Asker): Promise<Section[]> {
  const { host } = world;
  const section = async (id: string, command: Command): Promise<Section> => ({
    id,
    line: id,
    result: await ask(host, command),
  });
  const clock = await askClock(host, world.clock);
  const root = await section(rootProbe.id, rootProbe.command);
  const asRoot = rootProbe.read(root.result) === true;
  const parts = Object.entries(groups).map(([id, questions]) => section(id, together(questions, asRoot)));
  const [base, ...answers] = await Promise.all([askHost(world), ...parts]);
  return [...base, clock, root, ...answers, end];
}

/** What it is and where it is, and no more: a plan is made on that. Root is reached. */
export async function askPlace({ host }: Pick<World, 'host'>): Promise<Section[]> {
  const id = 'node.machine';
  const [base, result] = await Promise.all([askForPlan(host), ask(host, together({ addresses, routes }, true))]);
  return [...base, { id, line: id, result }, end];
}

/** The last section of a recording that was cut may be a half: it is left out. */
const whole = (sections: readonly Section[]): readonly Section[] =>
  sections.some(({ id }) => id === endId) ? sections : sections.slice(0, -1);

/** What a command that was stopped printed is a half too. */
const finished = ({ id, result }: Section): boolean => id?.startsWith('gpu.') || result.code !== 124;

export function readNode(given: readonly Section[]): NodeFacts {
  const sections = whole(given).filter(finished);
  const textOf = (id: string): string => sections.find((section) => section.id === id)?.result.stdout ?? '';
  const of = <T>(probe: Probe<T>): T | undefined => {
    const section = sections.find(({ id }) => id === probe.id);
    return section && probe.read(section.result);
  };
  const answers = Object.assign(
    {},
    ...Object.entries(groups).map(([id, questions]) => readTogether(questions, textOf(id))),
  ) as AllAnswers;
  const [root, clock] = [of(rootProbe), of(clockProbe)];
  return {
    ...answers,
    host: readHost(sections),
    ...(root === undefined ? {} : { root }),
    ...(clock === undefined ? {} : { clock }),
  };
}
