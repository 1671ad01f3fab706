/** `init --target kubernetes`: hosts reached over ssh become a cluster. */
import { nodeProblems } from '../checks/node.js';
import { UserError } from '../errors.js';
import { examine } from '../fleet/examine.js';
import { examined, type Gathered } from '../fleet/gather.js';
import { planFile } from '../fleet/plan-file.js';
import { type ClusterState, clusterState, readyState } from '../fleet/state.js';
import { lanesOf, planningLanesOf } from '../fleet/work.js';
import { planLanes } from '../plan/lanes.js';
import { say, type Text } from '../say.js';
import { table } from '../table.js';
import { type ClusterRecord, readCluster, recordCluster } from '../targets/cluster-record.js';
import type { Wish } from '../targets/decide.js';
import type { RememberedWish } from '../targets/deployment.js';
import { askHosts } from '../targets/guide-hosts.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import { wishOf } from '../targets/wish.js';
import type { Input } from '../verb.js';
import type { World } from '../world.js';
import { workOn } from './at-work.js';
import { applyTogether, goOn, lockPlace, withCluster } from './cluster.js';
import { nothingToDo, type Plans, showHosts, showPlans } from './cluster-plan.js';
import { clusterJson, showCluster } from './cluster-state.js';

/** The hosts are asked for where neither flags nor file name any. */
async function wholeWish(input: Input, wish: Wish, before: ClusterRecord | undefined, world: World): Promise<Wish> {
  if (!world.ui.interactive || Object.keys(wish.config.hosts.machines).length > 0) return wish;
  return wishOf({ ...input.options, ...(await askHosts(world)) }, before?.wish, world);
}

/** @throws UserError of what a step refuses already, together with all else that stands against it */
export async function plansOf(gathered: Gathered, world: World): Promise<Plans> {
  const lanes = planningLanesOf(kubernetesSteps, gathered, world);
  try {
    return await world.ui.wait(say('Working out what there is to do', '正在制定计划'), () =>
      planLanes(lanes, gathered.fleet.parallel),
    );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const problems = await problemsOf(gathered);
    if (problems.length === 0) throw error;
    const { text, hint, details } = error;
    throw notReady([...problems, ...(details.length > 0 ? details : [withHint(text, hint)])]);
  }
}

const withHint = (text: Text, hint: Text | undefined): Text =>
  hint ? say(`${text.en}\n→ ${hint.en}`, `${text.zh}\n→ ${hint.zh}`) : text;

const problemsOf = async ({ survey }: Gathered): Promise<Text[]> =>
  nodeProblems(await survey()).map(({ host, check, verdict }): Text => {
    if (verdict.state !== 'problem') return check.title;
    const { found, hint } = verdict;
    const where = host === undefined ? '' : `${host}: `;
    return withHint(say(`${where}${found.en} (${check.id})`, `${where}${found.zh}（${check.id}）`), hint);
  });

const notReady = (problems: readonly Text[]): UserError =>
  new UserError(
    'preflight',
    problems.length === 1
      ? say('The hosts are not ready; nothing was touched.', '主机尚不满足条件，未做任何更改。')
      : say(
          `The hosts are not ready for ${problems.length} reasons; nothing was touched.`,
          `主机有 ${problems.length} 项不满足条件，未做任何更改。`,
        ),
    { details: problems, exit: 'unready' },
  );

/**
 * What stands against it, all of it, before anything is touched.
 * @throws UserError `preflight`, exit 'unready'
 */
export async function refuseProblems(gathered: Gathered): Promise<void> {
  const problems = await problemsOf(gathered);
  if (problems.length > 0) throw notReady(problems);
}

/** Hosts that were part of it and are no longer named: they are not forgotten in silence. */
function tellLeft(before: ClusterRecord | undefined, { machines }: Gathered, world: World): void {
  const left = before?.machines.filter(({ name }) => !machines.some((machine) => machine.name === name)) ?? [];
  for (const { name } of left)
    world.ui.line(
      say(
        `${name} is no longer named, but was made part of the cluster: deepseek-deploy node remove ${name}`,
        `${name} 已不在配置中，但仍属于集群：deepseek-deploy node remove ${name}`,
      ),
    );
}

/** Hosts that are no longer named stay in it until they are removed: they are still part of the cluster. */
export async function record({ cluster, machines }: Gathered, wish: RememberedWish, world: World): Promise<boolean> {
  const named = machines.map(({ name, address, roles }) => ({ name, address, roles }));
  const before = (await readCluster(world))?.machines ?? [];
  const left = before.filter(({ name }) => !named.some((machine) => machine.name === name));
  return recordCluster({ name: cluster.name, machines: [...named, ...left], wish }, world);
}

function next(world: World): void {
  const { ui } = world;
  const rows = [
    ['deepseek-deploy status', ui.text(say('how the cluster stands', '集群状态'))],
    ['deepseek-deploy doctor', ui.text(say('every check of every host', '检查所有主机'))],
    ['deepseek-deploy node add', ui.text(say('one more host', '增加主机'))],
    ['deepseek-deploy reset', ui.text(say('take it away again', '撤销安装'))],
  ];
  ui.line();
  for (const line of table(
    rows.map(([verb, what]) => [verb!, ui.paint.dim(what!)]),
    [],
    '  ',
  ))
    ui.line(line);
}

/**
 * @param changed ids by host; none when there was nothing to do
 * @param standing how the cluster stood a moment ago, where nothing was changed since
 */
export async function finish(
  gathered: Gathered,
  changed: ReadonlyMap<string, readonly string[]>,
  input: Input,
  world: World,
  standing?: ClusterState,
): Promise<'problem' | undefined> {
  const { fleet, cluster } = gathered;
  const something = [...changed.values()].some((ids) => ids.length > 0);
  const now =
    standing ??
    (await readyState(gathered)) ??
    clusterState(await examine(fleet.hosts.map(examined), cluster.settings, fleet.parallel, world));
  if (input.json) {
    const answer = { ...clusterJson(cluster.name, now), changed: Object.fromEntries(changed) };
    world.ui.out(`${JSON.stringify(answer, null, 2)}\n`);
  } else {
    if (!something) world.ui.line(say('Nothing to change.', '无需更改。'));
    world.ui.line();
    showCluster(cluster.name, now, world);
    next(world);
  }
  return now.state === 'ready' ? undefined : 'problem';
}

export async function initCluster(
  input: Input,
  asked: Wish,
  before: ClusterRecord | undefined,
  world: World,
): Promise<'problem' | undefined> {
  const wish = await wholeWish(input, asked, before, world);
  return withCluster(wish.config, input, world, async (gathered) => {
    // What both ask of the API is asked once.
    const [plans, standing, other] = await Promise.all([
      plansOf(gathered, world),
      readyState(gathered),
      workOn(lockPlace(gathered), world),
    ]);
    if (input.options.dryRun) {
      const file = planFile(gathered.cluster.name, wish.remembered, gathered.machines, plans, world.clock.now());
      if (input.json) world.ui.out(`${JSON.stringify({ dryRun: true, ...file }, null, 2)}\n`);
      else showPlans(gathered, plans, true, world);
      return undefined;
    }
    if (!input.json) tellLeft(before, gathered, world);
    if (nothingToDo(plans)) {
      // A run that was killed, or whose host was, leaves the lock: it is taken over, and given back.
      if (other?.state === 'ended') await applyTogether('init', gathered, world, () => []);
      await record(gathered, wish.remembered, world);
      return finish(gathered, new Map(), input, world, standing);
    }
    await refuseProblems(gathered);
    if (!input.json) showHosts(gathered, plans, world);
    await goOn(world);
    const lanes = (its: World, by: string) => lanesOf(kubernetesSteps, gathered, its, by);
    const changed = await applyTogether('init', gathered, world, lanes, () => record(gathered, wish.remembered, world));
    return finish(gathered, changed, input, world);
  });
}
