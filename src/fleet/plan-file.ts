/** A plan as a file: what would be done on each host, to be looked at, kept, and applied as it is or not at all. */
import { createHash } from 'node:crypto';
import { UserError } from '../errors.js';
import type { LanePlan } from '../plan/lanes.js';
import { type Action, show } from '../plan/step.js';
import type { HostFacts } from '../probes/host.js';
import { say, type Text } from '../say.js';
import type { Machine } from '../steps/machine.js';
import type { RememberedWish } from '../targets/deployment.js';

export interface PlannedAction {
  readonly shown: string;
  /** SHA-256 of all of it that is known now, file contents included: lengths alone may agree by chance. */
  readonly sha256: string;
}

export interface PlannedStep {
  readonly id: string;
  /** The host shows its effect already. */
  readonly done: boolean;
  readonly actions: readonly PlannedAction[];
  /** The step whose effect the actions depend on, where they cannot be told yet. */
  readonly knownAfter?: string;
}

export interface PlannedHost {
  readonly name: string;
  readonly address: string;
  readonly roles: readonly string[];
  /** What the plan was made on: a host that is another now gets another plan. */
  readonly facts: Readonly<Record<string, string | number>>;
  readonly steps: readonly PlannedStep[];
}

export interface PlanFile {
  readonly version: 1;
  readonly kind: 'deepseek-deploy plan';
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly wish: RememberedWish;
  readonly hosts: readonly PlannedHost[];
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function actionOf(action: Action): PlannedAction {
  const shown = show(action);
  const { kind } = action;
  const uploaded = kind === 'upload' ? action.files.map(({ path, content }) => `${content.sha256} ${path}`) : [];
  const more =
    kind === 'write' && typeof action.content === 'string'
      ? action.content
      : kind === 'run' && typeof action.command.stdin === 'string'
        ? action.command.stdin
        : '';
  return { shown, sha256: sha256(JSON.stringify([kind, shown, more, ...uploaded])) };
}

const factsOf = ({ os, kernel, cpu, memory, gpu, pci }: HostFacts): PlannedHost['facts'] => {
  const gpus = gpu?.picture.gpus.length || pci?.filter(({ kind }) => kind === 'gpu').length;
  const all = {
    os: os?.name,
    kernel: kernel?.release,
    arch: kernel?.arch,
    cpus: cpu?.threads,
    memoryMiB: memory?.totalMiB,
    gpus,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as PlannedHost['facts'];
};

export function planFile(
  name: string,
  wish: RememberedWish,
  machines: readonly Machine[],
  plans: readonly LanePlan<Machine>[],
  now: number,
): PlanFile {
  const hosts = machines.map(({ name: host, address, roles, facts }) => ({
    name: host,
    address,
    roles,
    facts: factsOf(facts),
    steps: plans
      .find((plan) => plan.name === host)!
      .planned.map(({ step, actions, after }) => ({
        id: step.id,
        done: actions === undefined,
        actions: (actions ?? []).map(actionOf),
        ...(after === undefined ? {} : { knownAfter: after }),
      })),
  }));
  return { version: 1, kind: 'deepseek-deploy plan', name, createdAt: new Date(now).toISOString(), wish, hosts };
}

/** @throws UserError `plan.file` for what is no plan */
export function readPlan(text: string, path: string): PlanFile {
  let found: Partial<PlanFile> | undefined;
  try {
    found = JSON.parse(text) as Partial<PlanFile>;
  } catch {
    found = undefined;
  }
  if (found?.kind === 'deepseek-deploy plan' && found.version === 1 && Array.isArray(found.hosts))
    return found as PlanFile;
  throw new UserError('plan.file', say(`${path} is no plan.`, `${path} 不是计划文件。`), {
    hint: say('Make one: deepseek-deploy plan --out plan.json', '生成计划：deepseek-deploy plan --out plan.json'),
    exit: 'usage',
  });
}

const both = (text: string): Text => say(text, text);

/** What has changed since the plan was made; none when what would be done now is the very same. */
export function planChanges(before: PlanFile, now: PlanFile): Text[] {
  const names = new Set([...before.hosts, ...now.hosts].map(({ name }) => name));
  return [...names].flatMap((name) => {
    const [was, is] = [before, now].map(({ hosts }) => hosts.find((host) => host.name === name));
    if (!was) return [say(`${name}: was not part of it`, `${name}：原计划中没有`)];
    if (!is) return [say(`${name}: is no longer part of it`, `${name}：现已不在其中`)];
    return hostChanges(was, is);
  });
}

function hostChanges(was: PlannedHost, is: PlannedHost): Text[] {
  const { name } = was;
  const facts: [string, unknown, unknown][] = [
    ['address', was.address, is.address],
    ['roles', was.roles.join(','), is.roles.join(',')],
    ...[...new Set([...Object.keys(was.facts), ...Object.keys(is.facts)])].map((key): [string, unknown, unknown] => [
      key,
      was.facts[key],
      is.facts[key],
    ]),
  ];
  const changed = facts.filter(([, before, now]) => before !== now);
  return [
    ...changed.map(([key, before, now]) => both(`${name}: ${key} ${before ?? '–'} → ${now ?? '–'}`)),
    ...stepChanges(was, is),
  ];
}

function stepChanges(was: PlannedHost, is: PlannedHost): Text[] {
  const ids = [...new Set([...was.steps, ...is.steps].map(({ id }) => id))];
  return ids.flatMap((id) => {
    const [before, now] = [was, is].map(({ steps }) => steps.find((step) => step.id === id));
    if (!before || before.done !== now?.done) return [standing(was.name, id, before, now)];
    const same =
      before.knownAfter === now.knownAfter &&
      JSON.stringify(before.actions.map(({ sha256 }) => sha256)) ===
        JSON.stringify(now.actions.map((one) => one.sha256));
    return same ? [] : [say(`${was.name}: ${id} would do something else now`, `${was.name}：${id} 的操作已不同`)];
  });
}

function standing(host: string, id: string, before: PlannedStep | undefined, now: PlannedStep | undefined): Text {
  if (!now) return say(`${host}: ${id} is no longer part of it`, `${host}：${id} 已不在其中`);
  if (!before) return say(`${host}: ${id} was not part of it`, `${host}：原计划中没有 ${id}`);
  return now.done
    ? say(`${host}: ${id} is so already`, `${host}：${id} 已就绪`)
    : say(`${host}: ${id} is to be done now`, `${host}：${id} 现在需要执行`);
}
