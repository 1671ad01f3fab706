import type { Config } from '../config/config.js';
import type { Plain } from '../config/load.js';
import { settingsOf } from '../config/settings.js';
import { UserError } from '../errors.js';
import { forgetMember, quorumWithout } from '../fleet/etcd.js';
import type { Gathered } from '../fleet/gather.js';
import { deleteOf, drainOf } from '../fleet/leave.js';
import { whoAnswers } from '../fleet/speaker.js';
import { undoLanesOf } from '../fleet/work.js';
import { hostJournal } from '../plan/journal.js';
import type { Lane } from '../plan/lanes.js';
import { say } from '../say.js';
import type { Machine } from '../steps/machine.js';
import { type ClusterRecord, forgetMachine, needCluster } from '../targets/cluster-record.js';
import { hostOverride, machinesOf } from '../targets/host-flags.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import { over } from '../targets/wish.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';
import { absentAs, applyTogether, hostOptions, only, reachOptions, withHosts } from './cluster.js';
import { leavesOf } from './cluster-leaves.js';
import { initCluster } from './init-cluster.js';

const list = (input: Input, name: string): readonly string[] => (input.options[name] as readonly string[]) ?? [];

type Machines = Readonly<Record<string, Plain>>;

/** The wish of before with more machines; where a file names them, that is where they are added. */
function withMore(record: ClusterRecord, input: Input): ClusterRecord['wish'] {
  const { wish, machines } = record;
  const named = wish.overrides.find(({ path }) => path === 'hosts.machines')?.value as Machines | undefined;
  if (named === undefined)
    throw new UserError(
      'node.file',
      say(`The hosts of this cluster are named in ${wish.file}.`, `此集群的主机在 ${wish.file} 中列出。`),
      {
        hint: say(
          'Add it there under hosts.machines, then: deepseek-deploy init',
          '请在其 hosts.machines 中添加，然后执行：deepseek-deploy init',
        ),
        exit: 'usage',
      },
    );
  const taken = new Set(machines.map(({ name }) => name));
  const more = machinesOf(list(input, 'host'), list(input, 'role'), () => ['worker'], taken);
  if (!more)
    throw new UserError('hosts.none', say('No host is named.', '没有指定主机。'), {
      hint: say(
        'As in: deepseek-deploy node add --host root@10.0.0.13',
        '例如：deepseek-deploy node add --host root@10.0.0.13',
      ),
      exit: 'usage',
    });
  return { ...wish, overrides: over(wish.overrides, [hostOverride({ ...named, ...more })]) };
}

const add: Verb = {
  options: [...hostOptions, ...reachOptions],
  examples: [
    { line: 'deepseek-deploy node add --host root@10.0.0.13', says: say('One more worker', '增加一台工作节点') },
  ],
  async run(input, world) {
    const record = await needCluster(world);
    const remembered = withMore(record, input);
    const { config } = await settingsOf(world, remembered.file, remembered.overrides);
    return initCluster(input, { config, remembered, portGiven: false, modelGiven: false }, record, world);
  },
};

const nameArgument = { name: '<name>', says: say('Name of the node', '节点名') };

/** @throws UserError `node.unknown` */
async function known(input: Input, world: World): Promise<{ name: string; record: ClusterRecord; config: Config }> {
  const record = await needCluster(world);
  const name = input.args[0]!;
  const { config } = await settingsOf(world, record.wish.file, record.wish.overrides);
  if (record.machines.some((machine) => machine.name === name)) return { name, record, config };
  const names = record.machines.map((machine) => machine.name);
  throw new UserError('node.unknown', say(`The cluster has no node ${name}.`, `集群中没有节点 ${name}。`), {
    hint: say(`Its nodes: ${names.join(', ')}`, `现有节点：${names.join('、')}`),
    exit: 'usage',
  });
}

type Recorded = ClusterRecord['machines'][number];

const isControlPlane = ({ roles }: Recorded): boolean => roles.includes('control-plane');

async function speakerOf(config: Config, planes: readonly Recorded[], world: World): Promise<Recorded> {
  const name = await whoAnswers(only(config, planes), world);
  return planes.find((one) => one.name === name)!;
}

function firstLane(
  { fleet, machines }: Gathered,
  steps: Lane<Machine>['steps'],
  its: World,
  by: string,
): Lane<Machine> {
  const at = fleet.hosts.findIndex(({ roles }) => roles.includes('control-plane'));
  const { name, world } = fleet.hosts[at]!;
  const there = { ...world, stop: its.stop };
  return { name, steps, context: machines[at]!, world: there, journal: hostJournal(name, there, its, by) };
}

const drain: Verb = {
  args: [nameArgument],
  options: reachOptions,
  async run(input, world) {
    const { name, record, config } = await known(input, world);
    await sure(
      say(`Drain ${name}? Its pods go to other nodes.`, `排空 ${name}？其 Pod 将迁往其他节点。`),
      input,
      world,
    );
    const asked = await speakerOf(config, record.machines.filter(isControlPlane), world);
    return withHosts(only(config, [asked]), input, world, async (gathered) => {
      const lanes = (its: World, by: string) => [firstLane(gathered, [drainOf(name)], its, by)];
      const changed = await applyTogether('node drain', gathered, world, lanes);
      tell(input, world, { name, state: 'drained', changed: Object.fromEntries(changed) }, [
        say(
          `${name} is drained. Back again: kubectl uncordon ${name}`,
          `${name} 已排空。恢复：kubectl uncordon ${name}`,
        ),
      ]);
      return undefined;
    });
  },
};

async function sure(question: ReturnType<typeof say>, input: Input, world: World): Promise<void> {
  if (input.yes || (world.ui.interactive && (await world.ui.confirm(question, false)))) return;
  if (world.ui.interactive)
    throw new UserError('interrupted', say('Nothing was changed.', '未做任何更改。'), { exit: 'interrupted' });
  throw new UserError('node.confirm', say('This needs a yes.', '此操作需要确认。'), {
    hint: say('Add --yes', '请加上 --yes'),
    exit: 'usage',
  });
}

function tell(input: Input, world: World, answer: object, lines: readonly ReturnType<typeof say>[]): void {
  if (input.json) world.ui.out(`${JSON.stringify(answer, null, 2)}\n`);
  else for (const line of lines) world.ui.line(line);
}

const remove: Verb = {
  args: [nameArgument],
  options: [
    ...reachOptions,
    {
      flags: '--lost',
      says: say('The machine is gone for good: nothing is undone there', '主机已不存在：不在其上撤销任何内容'),
    },
  ],
  async run(input, world) {
    const { name, record, config } = await known(input, world);
    const it = record.machines.find((machine) => machine.name === name)!;
    const others = record.machines.filter((machine) => isControlPlane(machine) && machine.name !== name);
    if (others.length === 0) throw isTheOnly(name);
    const lost = input.options.lost === true;
    const question = say(
      `Remove ${name}? Its pods go to other nodes, and what we did there is undone.`,
      `移除 ${name}？其 Pod 将迁往其他节点，并撤销我们在其上的安装。`,
    );
    await sure(question, input, world);
    const asked = await speakerOf(config, others, world);
    const work = async (gathered: Gathered): Promise<undefined> => {
      const lanes = (its: World, by: string) => removalOf(it, asked.name, lost, gathered, its, by);
      const changed = await applyTogether('node remove', gathered, world, lanes, async () => {});
      await forgetMachine(name, record, world);
      const inFile = record.wish.overrides.every(({ path }) => path !== 'hosts.machines');
      const leaves = lost ? [] : leavesOf(kubernetesSteps, gathered, [name]);
      tell(
        input,
        world,
        { name, state: 'removed', changed: Object.fromEntries(changed), leaves: leaves.map(({ en }) => en) },
        [
          say(`${name} is no longer part of the cluster.`, `${name} 已移出集群。`),
          ...leaves,
          ...(inFile
            ? [
                say(
                  `Take it out of ${record.wish.file} too: the next init would bring it back.`,
                  `请同时将其从 ${record.wish.file} 中删除，否则下次 init 会重新加入。`,
                ),
              ]
            : []),
        ],
      );
      return undefined;
    };
    const absent = absentAs(() => `deepseek-deploy node remove ${name} --lost --yes`);
    const spoken = only(config, lost ? [asked] : [asked, it]);
    return withHosts(
      spoken,
      input,
      world,
      work,
      lost ? {} : { absent: (e, names) => (names.includes(name) ? absent(e, names) : e) },
    );
  },
};

/**
 * A machine that is gone is not drained: nobody is there to let its pods go.
 * @param asked the name of the control plane that speaks for the cluster
 */
function removalOf(
  it: Recorded,
  asked: string,
  lost: boolean,
  gathered: Gathered,
  its: World,
  by: string,
): Lane<Machine>[] {
  const { name, address } = it;
  // While it still answers: two members of which one is gone decide nothing.
  const before = [
    ...(isControlPlane(it) && !lost ? [quorumWithout(name, asked)] : []),
    ...(lost ? [] : [drainOf(name)]),
    ...(isControlPlane(it) ? [forgetMember(name, address, asked)] : []),
  ];
  const undo = lost ? [] : undoLanesOf(kubernetesSteps, gathered, its, by, [name]);
  const after = undo.flatMap(({ steps }) => steps.map(({ id }) => id));
  const waiting = undo.map((lane) => ({
    ...lane,
    steps: lane.steps.map((step) => ({ ...step, after: [...(step.after ?? []), ...before.map(({ id }) => id)] })),
  }));
  return [firstLane(gathered, [...before, deleteOf(name, after)], its, by), ...waiting];
}

const isTheOnly = (name: string): UserError =>
  new UserError(
    'node.only',
    say(`${name} is the only control plane of the cluster.`, `${name} 是集群唯一的控制平面。`),
    {
      hint: say('Take all of the cluster away: deepseek-deploy reset', '撤销整个集群：deepseek-deploy reset'),
      exit: 'usage',
    },
  );

export const verb: Verb = {
  verbs: [
    { name: 'add', says: say('Add hosts to the cluster', '向集群增加主机'), verb: add },
    { name: 'drain', says: say('Send the pods of a host elsewhere', '将主机上的 Pod 迁往别处'), verb: drain },
    {
      name: 'remove',
      says: say('Drain a host, undo what we did there, forget it', '排空主机、撤销安装并移出集群'),
      verb: remove,
    },
  ],
};
