/** A check of one host: what was found out about it goes in, whether a promise holds comes out. Nothing is asked here. */
import type { Role } from '../config/hosts.js';
import type { Kubernetes } from '../config/kubernetes.js';
import type { NodeFacts } from '../probes/node.js';
import type { Holder } from '../probes/node-holder.js';
import type { Reached } from '../probes/node-peers.js';
import { say, type Text } from '../say.js';
import { type Check, ok, type Severity, type Verdict } from './check.js';
import type { Diagnosis } from './gpu-diagnosis.js';

/** No kubelet yet; one that belongs to no cluster; a member of one. What is missing `before` is no fault. */
export type Phase = 'before' | 'during' | 'after';

export interface NodeView {
  readonly name: string;
  /** Where the other hosts reach it: one of its own addresses. Absent for this machine. */
  readonly address?: string;
  /** The address it is reached by from here, as the configuration has it. */
  readonly given?: string;
  readonly roles: readonly Role[];
  readonly facts: NodeFacts;
  /** Why it could not be asked; the facts are empty then. */
  readonly unreachable?: { readonly id: string; readonly text: Text; readonly hint?: Text };
  readonly reached?: readonly Reached[];
}

/** All that is known of the hosts, and what they shall become. */
export interface Survey {
  readonly nodes: readonly NodeView[];
  readonly wanted: Kubernetes;
  /** Who answers at the virtual address that none of the hosts has, as one of them found; absent where none was asked. */
  readonly holder?: Holder & { readonly askedOn: string };
  /** Milliseconds since 1970. */
  readonly now: number;
  /** An install is to follow: what only it minds counts too. */
  readonly install?: true;
}

export interface Patient extends NodeView {
  readonly survey: Survey;
  /** Undefined where it is not known: then nothing is held against the host that a phase would excuse. */
  readonly phase: Phase | undefined;
  readonly diagnoses: readonly Diagnosis[];
  /** Boards of NVIDIA's on the bus, or seen by nvidia-smi. */
  readonly hasGpu: boolean;
}

export interface Found {
  readonly found: Text;
  readonly hint: Text;
  /** Where it differs from the check's own. */
  readonly severity?: Severity;
  /** `init` sees to it by itself. */
  readonly byInit?: true;
}

/** 'well': it holds. 'aside': it has no meaning here. Undefined: not known, and nothing is claimed. */
export type Look<C> = (context: C) => Found | 'well' | 'aside' | undefined;

export interface NodeVerdict {
  readonly byInit?: true;
}

export interface NodeCheck<C> extends Check<C> {
  look: Look<C>;
}

const unknown = say('not known', '无法得知');
const aside = say('does not apply', '不适用');

export function verdictOf(looked: ReturnType<Look<never>>): Verdict & NodeVerdict {
  if (looked === 'well') return ok();
  if (looked === 'aside' || looked === undefined) return { state: 'skipped', why: looked ? aside : unknown };
  return { state: 'problem', ...looked };
}

/** @param title the promise, as it reads when it is kept */
export function nodeCheck<C>(id: string, severity: Severity, title: Text, look: Look<C>): NodeCheck<C> {
  return { id, severity, title, look, run: async (context) => verdictOf(look(context)) };
}

export function phaseOf({ kubelet, membership }: NodeFacts): Phase | undefined {
  if (membership === undefined || kubelet === undefined) return undefined;
  if (membership.joined) return 'after';
  return kubelet.installed ? 'during' : 'before';
}

/** What would keep an install back is no reason to call a cluster that runs broken. */
export const forInstall = (phase: Phase | undefined): { severity?: Severity } =>
  phase === 'before' || phase === 'during' ? {} : { severity: 'warn' };

/** '1.36.4' < '1.36.10': dotted numbers, compared as far as the second goes. */
export function older(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(/[.-]/).map(Number));
  for (const [at, part] of b!.entries()) {
    if ((a![at] ?? 0) !== part) return (a![at] ?? 0) < part;
  }
  return false;
}

export const listed = (words: readonly string[]): { en: string; zh: string } => ({
  en: words.join(', '),
  zh: words.join('、'),
});
export const isControlPlane = ({ roles, facts }: NodeView): boolean =>
  roles.includes('control-plane') || facts.membership?.controlPlane === true;
