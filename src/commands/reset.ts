import { settingsOf } from '../config/settings.js';
import { UserError } from '../errors.js';
import { undoLanesOf } from '../fleet/work.js';
import { say } from '../say.js';
import { forgetCluster, needCluster } from '../targets/cluster-record.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';
import { applyTogether, reachOptions, withHosts } from './cluster.js';
import { leavesOf } from './cluster-leaves.js';

/** The name is typed, or given together with --yes. @throws UserError `reset.confirm`, `interrupted` */
async function confirmed(name: string, input: Input, world: World): Promise<void> {
  const { ui } = world;
  const given = input.options.cluster as string | undefined;
  if (given !== undefined && given !== name)
    throw new UserError(
      'reset.name',
      say(`The cluster is called ${name}, not ${given}.`, `集群名为 ${name}，而非 ${given}。`),
      {
        exit: 'usage',
      },
    );
  if (given !== undefined && input.yes) return;
  if (!ui.interactive)
    throw new UserError(
      'reset.confirm',
      say('Resetting a cluster needs its name and a yes.', '重置集群需要提供其名称并确认。'),
      {
        hint: say(
          `Type: deepseek-deploy reset --cluster ${name} --yes`,
          `请输入：deepseek-deploy reset --cluster ${name} --yes`,
        ),
        exit: 'usage',
      },
    );
  const question = say(
    `All of ${name} goes, with its volumes and pods. Type its name`,
    `将撤销整个 ${name}，包括存储卷和 Pod。请输入其名称`,
  );
  if ((await ui.input(question, '')).trim() === name) return;
  throw new UserError('interrupted', say('Nothing was changed.', '未做任何更改。'), { exit: 'interrupted' });
}

export const verb: Verb = {
  options: [
    ...reachOptions,
    { flags: '--cluster <name>', says: say('Its name, together with --yes', '集群名称，与 --yes 一起使用') },
  ],
  async run(input, world) {
    const record = await needCluster(world);
    await confirmed(record.name, input, world);
    const { config } = await settingsOf(world, record.wish.file, record.wish.overrides);
    return withHosts(config, input, world, async (gathered) => {
      const lanes = (its: World, by: string) => undoLanesOf(kubernetesSteps, gathered, its, by);
      const changed = await applyTogether('reset', gathered, world, lanes);
      await forgetCluster(world);
      const leaves = leavesOf(
        kubernetesSteps,
        gathered,
        gathered.machines.map(({ name }) => name),
      );
      if (input.json) {
        const answer = {
          name: record.name,
          state: 'down',
          changed: Object.fromEntries(changed),
          leaves: leaves.map(({ en }) => en),
        };
        world.ui.out(`${JSON.stringify(answer, null, 2)}\n`);
      } else {
        world.ui.line(say(`${record.name} is no more.`, `${record.name} 已撤销。`));
        for (const line of leaves) world.ui.line(line);
      }
      return undefined;
    });
  },
};
