/** A plan over many hosts for people: who is who, what would be done there, and the very actions. */
import type { Gathered } from '../fleet/gather.js';
import type { LanePlan } from '../plan/lanes.js';
import { type Action, show } from '../plan/step.js';
import { say, type Text } from '../say.js';
import type { Machine } from '../steps/machine.js';
import { table } from '../table.js';
import type { World } from '../world.js';

export type Plans = readonly LanePlan<Machine>[];

const todoOf = ({ planned }: LanePlan<Machine>) => planned.filter(({ actions }) => actions !== undefined);

export const nothingToDo = (plans: Plans): boolean => plans.every((plan) => todoOf(plan).length === 0);

function countOf(plan: LanePlan<Machine>): Text {
  const todo = todoOf(plan).length;
  const all = plan.planned.length;
  return todo === 0
    ? say('nothing to do', '无需更改')
    : say(`${todo} of ${all} steps to do`, `${all} 个步骤中需执行 ${todo} 个`);
}

const gpusOf = ({ facts, gpu }: Machine): string => {
  const gpus = facts.gpu?.picture.gpus ?? [];
  if (!gpu) return '';
  return gpus.length > 0 ? `${gpus.length} × ${gpus[0]!.name ?? 'GPU'}` : 'GPU';
};

/** A line per host, for the summary before the confirm. */
export function showHosts({ machines, cluster }: Gathered, plans: Plans, world: World): void {
  const { ui } = world;
  const { version, network, podSubnet } = cluster.settings;
  ui.line(`  ${ui.paint.strong(cluster.name)}  Kubernetes ${version}, ${network} ${podSubnet}`);
  ui.line();
  const rows = machines.map((machine) => [
    machine.name,
    machine.address,
    machine.roles.join(', '),
    gpusOf(machine),
    ui.paint.dim(ui.text(countOf(plans.find(({ name }) => name === machine.name)!))),
  ]);
  for (const line of table(rows, [], '  ')) ui.line(line);
  ui.line();
}

/** Scripts of many lines are told by their first one, unless all is wanted. */
function actionLines(action: Action, whole: boolean, width: number): string[] {
  const lines = show(action).split('\n');
  if (whole) return lines;
  const first = lines[0]!;
  const cut = first.length > width ? `${first.slice(0, width - 1)}…` : first;
  return [lines.length > 1 && cut === first ? `${first} …` : cut];
}

function planLines(plan: LanePlan<Machine>, whole: boolean, world: World): string[] {
  const { ui } = world;
  const so = plan.planned.filter(({ actions }) => actions === undefined).map(({ step }) => step.id);
  return [
    ...todoOf(plan).flatMap(({ step, actions, after }) => [
      `  ${ui.paint.accent('+')} ${ui.text(step.title)}  ${ui.paint.dim(step.id)}`,
      ...(after ? [`      ${ui.paint.dim(ui.text(say(`known after ${after}`, `在 ${after} 之后确定`)))}`] : []),
      ...(actions ?? []).flatMap((action) => actionLines(action, whole, ui.width - 6).map((line) => `      ${line}`)),
    ]),
    ...(so.length > 0 ? [`  ${ui.paint.dim(`– ${ui.text(say('already so', '已就绪'))}: ${so.join(', ')}`)}`] : []),
  ];
}

/**
 * The actions that would run, host by host; secrets as their names. A host that differs from one before by its name and
 * address alone is told so.
 * @param whole every line of every action
 */
export function showPlans({ machines }: Gathered, plans: Plans, whole: boolean, world: World): void {
  const { ui } = world;
  const seen = new Map<string, string>();
  for (const { name, address, roles } of machines) {
    const lines = planLines(plans.find((one) => one.name === name)!, whole, world);
    const shape = lines.join('\n').replaceAll(address, '@').replaceAll(name, '#');
    const like = seen.get(shape);
    seen.set(shape, like ?? name);
    const as = like === undefined ? '' : `  ${ui.text(say(`as ${like}`, `与 ${like} 相同`))}`;
    ui.line(`${ui.paint.strong(name)} ${ui.paint.dim(`(${address}, ${roles.join(', ')})`)}${as}`);
    if (like === undefined) for (const line of lines) ui.line(line);
    ui.line();
  }
}
