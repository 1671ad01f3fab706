/** A plan over many hosts for people: who is who, what would be done there, and the very actions. */
import type { Gathered } from '../fleet/gather.js';
import type { LanePlan } from '../plan/lanes.js';
import { show } from '../plan/step.js';
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

/** The very actions that would run, host by host; secrets as their names. */
export function showPlans({ machines }: Gathered, plans: Plans, world: World): void {
  const { ui } = world;
  for (const { name, address, roles } of machines) {
    const plan = plans.find((one) => one.name === name)!;
    ui.line(`${ui.paint.strong(name)} ${ui.paint.dim(`(${address}, ${roles.join(', ')})`)}`);
    const so = plan.planned.filter(({ actions }) => actions === undefined).map(({ step }) => step.id);
    for (const { step, actions, after } of todoOf(plan)) {
      ui.line(`  ${ui.paint.accent('+')} ${ui.text(step.title)}  ${ui.paint.dim(step.id)}`);
      if (after) ui.line(`      ${ui.paint.dim(ui.text(say(`known after ${after}`, `在 ${after} 之后确定`)))}`);
      for (const action of actions ?? []) for (const line of show(action).split('\n')) ui.line(`      ${line}`);
    }
    if (so.length > 0) ui.line(`  ${ui.paint.dim(`– ${ui.text(say('already so', '已就绪'))}: ${so.join(', ')}`)}`);
    ui.line();
  }
}
