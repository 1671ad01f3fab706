import { resolve } from 'node:path';
import { meant } from '../checks/check.js';
import { doctorIds, judge, type NodeOutcome } from '../checks/node.js';
import type { Survey } from '../checks/node-check.js';
import { doctorJson, doctorLines, isWell } from '../checks/node-lines.js';
import type { Config } from '../config/config.js';
import { type Examined, examine } from '../fleet/examine.js';
import { surveyExisting } from '../fleet/existing.js';
import { examined } from '../fleet/gather.js';
import { openHosts } from '../fleet/open.js';
import { sudoPassword } from '../fleet/password.js';
import { say } from '../say.js';
import { type ClusterRecord, readCluster } from '../targets/cluster-record.js';
import { wishOf } from '../targets/wish.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';
import { type Work, workLine, workOn } from './at-work.js';
import { configOption, hostOptions, reachOptions } from './cluster.js';

/** Each host is met by itself: one that cannot be reached is a finding beside the others. */
async function withHosts<T>(
  config: Config,
  input: Input,
  world: World,
  work: (hosts: readonly Examined[], first: World | undefined) => Promise<T>,
): Promise<T> {
  if (Object.keys(config.hosts.machines).length === 0) {
    const name = (await world.host.run({ argv: ['uname', '-n'], timeoutMs: 5000 })).stdout.trim() || 'localhost';
    return work([{ name, roles: ['control-plane', 'worker'], world }], undefined);
  }
  const fleet = await openHosts(config, world, {
    acceptNewHostKeys: input.options.acceptNewHostKeys === true,
    sudoPassword: input.options.askSudoPassword === true ? await sudoPassword(world) : undefined,
  });
  try {
    const first = fleet.hosts.find(({ roles }) => roles.includes('control-plane'));
    return await work(fleet.hosts.map(examined), first?.world);
  } finally {
    await fleet.close();
  }
}

interface Seen {
  readonly survey: Survey;
  readonly outcomes: readonly NodeOutcome[];
  readonly work?: Work | undefined;
}

/** A cluster that others made is asked through its kubeconfig: of its hosts nothing is known but what its API tells. */
async function seen(
  config: Config,
  before: ClusterRecord | undefined,
  only: ReadonlySet<string>,
  input: Input,
  world: World,
): Promise<Seen> {
  const given = input.options.kubeconfig as string | undefined;
  const kubeconfig = given === undefined ? before?.kubeconfig : resolve(world.cwd, given);
  const noHosts = Object.keys(config.hosts.machines).length === 0;
  if (kubeconfig !== undefined && (given !== undefined || noHosts)) {
    const looking = say('Looking at the cluster', '正在查看集群');
    const survey = await world.ui.wait(looking, () => surveyExisting(kubeconfig, config.kubernetes, world));
    return { survey, outcomes: judge(survey, only).filter(({ host }) => host === undefined) };
  }
  return withHosts(config, input, world, async (hosts, first) => {
    const looking = say('Looking at the hosts', '正在查看主机');
    const limit = config.hosts.parallel;
    const [survey, work] = await world.ui.wait(looking, () =>
      Promise.all([examine(hosts, config.kubernetes, limit, world), workOn(first, world)]),
    );
    return { survey, outcomes: judge(survey, only), work };
  });
}

const docs = (world: World): string =>
  `${world.places.package}/docs/${world.ui.lang === 'zh' ? 'doctor.zh-CN.md' : 'doctor.md'}`;

export const verb: Verb = {
  options: [
    configOption,
    ...hostOptions,
    ...reachOptions,
    {
      flags: '--kubeconfig <file>',
      says: say('A cluster that others made, asked through its API alone', '他人创建的集群，仅通过其 API 检查'),
    },
    {
      flags: '--only <ids>',
      says: say('Some checks, by id or by group: cri,host.swap', '只运行部分检查（按编号或分组）：cri,host.swap'),
      kind: 'list',
    },
  ],
  examples: [
    {
      line: 'deepseek-deploy doctor',
      says: say(
        'The hosts of deepseek.yaml or of the cluster, else this machine',
        '检查 deepseek.yaml 或集群中的主机，否则检查本机',
      ),
    },
    {
      line: 'deepseek-deploy doctor --host root@10.0.0.11 --host root@10.0.0.12',
      says: say('Two hosts, and whether they get along', '检查两台主机及其相互关系'),
    },
    { line: 'deepseek-deploy doctor --only gpu,driver', says: say('GPUs and their driver', '只检查 GPU 与驱动') },
  ],
  async run(input, world) {
    const only = meant((input.options.only as readonly string[] | undefined) ?? [], doctorIds, 'doctor');
    const before = await readCluster(world);
    const { config: file, host, role } = input.options;
    const { config } = await wishOf({ config: file, host, role }, before?.wish, world);
    const { survey, outcomes, work } = await seen(config, before, only, input, world);
    if (input.json)
      world.ui.out(`${JSON.stringify({ ...doctorJson(survey, outcomes), work: work ?? null }, null, 2)}\n`);
    else {
      if (work) world.ui.line(world.ui.paint.warn(world.ui.text(workLine(work))));
      for (const line of doctorLines(survey, outcomes, docs(world), world.ui)) world.ui.line(line);
    }
    return isWell(survey, outcomes) ? 'ok' : 'problem';
  },
};
