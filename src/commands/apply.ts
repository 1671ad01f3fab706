import { resolve } from 'node:path';
import { settingsOf } from '../config/settings.js';
import { UserError } from '../errors.js';
import { type PlanFile, planChanges, planFile, readPlan } from '../fleet/plan-file.js';
import { readyState } from '../fleet/state.js';
import { lanesOf } from '../fleet/work.js';
import { say } from '../say.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import type { Verb } from '../verb.js';
import type { World } from '../world.js';
import { applyTogether, goOn, reachOptions, withCluster } from './cluster.js';
import { nothingToDo, type Plans, showHosts } from './cluster-plan.js';
import { finish, plansOf, record, refuseProblems } from './init-cluster.js';

async function planIn(path: string, world: World): Promise<PlanFile> {
  const text = await world.files.readIfAny(resolve(world.cwd, path));
  if (text !== undefined) return readPlan(text, path);
  throw new UserError('plan.missing', say(`There is no file ${path}.`, `找不到文件 ${path}。`), { exit: 'usage' });
}

/** @throws UserError `plan.changed`, exit 'unready', with all that is otherwise now */
function refuseChanges(before: PlanFile, now: PlanFile): void {
  const changes = planChanges(before, now);
  if (changes.length === 0) return;
  throw new UserError(
    'plan.changed',
    say(
      'The hosts are no longer what the plan was made for; nothing was touched.',
      '主机状态已与计划不符，未做任何更改。',
    ),
    {
      details: changes,
      hint: say(
        'Make a new plan: deepseek-deploy plan --out plan.json',
        '请重新生成：deepseek-deploy plan --out plan.json',
      ),
      exit: 'unready',
    },
  );
}

/** Whether the plan has something to do there: nothing else is done. */
const isPlanned = (plans: Plans, host: string, id: string): boolean =>
  plans.some(({ name, planned }) => name === host && planned.some(({ step, actions }) => step.id === id && actions));

export const verb: Verb = {
  args: [{ name: '<file>', says: say('What `plan --out` wrote', '`plan --out` 写出的文件') }],
  options: reachOptions,
  async run(input, world) {
    const before = await planIn(input.args[0]!, world);
    const { wish } = before;
    const { config } = await settingsOf(world, wish.file, wish.overrides);
    return withCluster(config, input, world, async (gathered) => {
      const [plans, standing] = await Promise.all([plansOf(gathered, world), readyState(gathered)]);
      refuseChanges(before, planFile(gathered.cluster.name, wish, gathered.machines, plans, world.clock.now()));
      const note = () => record(gathered, wish, world);
      if (nothingToDo(plans)) {
        await note();
        return finish(gathered, new Map(), input, world, standing);
      }
      await refuseProblems(gathered);
      if (!input.json) showHosts(gathered, plans, world);
      await goOn(world);
      const lanes = (its: World, by: string) =>
        lanesOf(kubernetesSteps, gathered, its, by).map((lane) => ({
          ...lane,
          steps: lane.steps.filter(({ id }) => isPlanned(plans, lane.name, id)),
        }));
      return finish(gathered, await applyTogether('apply', gathered, world, lanes, note), input, world);
    });
  },
};
