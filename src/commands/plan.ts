import { resolve } from 'node:path';
import { planFile } from '../fleet/plan-file.js';
import { say } from '../say.js';
import { readCluster } from '../targets/cluster-record.js';
import { wishOf } from '../targets/wish.js';
import type { Verb } from '../verb.js';
import { bundleOptions, configOption, hostOptions, reachOptions, withCluster } from './cluster.js';
import { nothingToDo, showPlans } from './cluster-plan.js';
import { plansOf } from './init-cluster.js';

export const verb: Verb = {
  options: [
    configOption,
    ...hostOptions,
    ...reachOptions,
    ...bundleOptions,
    { flags: '--name <name>', says: say('Name of the cluster', '集群名称'), initial: 'default' },
    { flags: '--out <file>', says: say('Keep the plan in a file, for apply', '将计划保存到文件，供 apply 使用') },
  ],
  examples: [
    {
      line: 'deepseek-deploy plan --out plan.json && deepseek-deploy apply plan.json',
      says: say('Look first, then do exactly that', '先查看，再照此执行'),
    },
  ],
  async run(input, world) {
    const { ui } = world;
    const before = await readCluster(world);
    const wish = await wishOf({ ...input.options, target: 'kubernetes' }, before?.wish, world);
    return withCluster(wish.config, input, world, async (gathered) => {
      const plans = await plansOf(gathered, world);
      const file = planFile(gathered.cluster.name, wish.remembered, gathered.machines, plans, world.clock.now());
      const text = `${JSON.stringify(file, null, 2)}\n`;
      const out = input.options.out as string | undefined;
      if (out !== undefined) await world.files.write(resolve(world.cwd, out), text);
      if (input.json) ui.out(text);
      else {
        showPlans(gathered, plans, input.verbose, world);
        if (!input.verbose && !nothingToDo(plans))
          ui.line(say('Every line of every action: --verbose', '显示全部内容：--verbose'));
        if (nothingToDo(plans)) ui.line(say('Nothing to change.', '无需更改。'));
        else if (out !== undefined)
          ui.line(say(`Do exactly this: deepseek-deploy apply ${out}`, `照此执行：deepseek-deploy apply ${out}`));
      }
      return undefined;
    });
  },
};
