/** `init --target kubernetes --kubeconfig FILE`: a cluster that stands already is checked, and nothing is installed. */
import { judge, stands } from '../checks/node.js';
import { surveyExisting } from '../fleet/existing.js';
import { clusterState } from '../fleet/state.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import { recordCluster } from '../targets/cluster-record.js';
import type { Wish } from '../targets/decide.js';
import type { Input } from '../verb.js';
import type { World } from '../world.js';
import { clusterJson, showCluster } from './cluster-state.js';

/** @param kubeconfig absolute */
export async function initExisting(
  kubeconfig: string,
  input: Input,
  { config, remembered }: Wish,
  world: World,
): Promise<'problem' | undefined> {
  const { ui } = world;
  const survey = await ui.wait(say('Looking at the cluster', '正在查看集群'), () =>
    surveyExisting(kubeconfig, config.kubernetes, world),
  );
  const now = clusterState(survey);
  const found = judge(survey).filter(({ host, verdict }) => host === undefined && verdict.state === 'problem');
  const failed = found.some((outcome) => stands(outcome) === 'failed');
  if (!input.options.dryRun)
    await locked(world, 'init', () =>
      recordCluster({ name: config.name, machines: [], wish: remembered, kubeconfig }, world),
    );
  const problems = found.flatMap((outcome) =>
    outcome.verdict.state === 'problem'
      ? [{ id: outcome.check.id, failed: stands(outcome) === 'failed', ...outcome.verdict }]
      : [],
  );
  if (input.json) {
    const told = problems.map(({ id, found, hint }) => ({ id, found: found.en, hint: hint?.en }));
    ui.out(
      `${JSON.stringify({ ...clusterJson(config.name, now), kubeconfig, changed: {}, problems: told }, null, 2)}\n`,
    );
  } else {
    showCluster(config.name, now, world);
    for (const { id, failed, found, hint } of problems) {
      ui.line(`  ${failed ? ui.paint.bad('✗') : ui.paint.warn('!')} ${ui.text(found)}  ${ui.paint.dim(id)}`);
      if (hint) ui.line(`    ${ui.paint.accent('→')} ${ui.text(hint)}`);
    }
    ui.line();
    ui.line(
      say('The cluster was only looked at: nothing is installed on it.', '仅检查了该集群，未在其上安装任何内容。'),
    );
  }
  return now.state === 'ready' && !failed ? undefined : 'problem';
}
