import { resolve } from 'node:path';
import { refuseLackingHere } from '../bundle/here.js';
import type { Bundle } from '../bundle/open.js';
import { preflight } from '../checks/preflight.js';
import { UserError } from '../errors.js';
import { bundleOf } from '../fleet/bundle.js';
import { type Applied, apply, type Planned, plan } from '../plan/apply.js';
import { locked } from '../plan/lock.js';
import { needed, show } from '../plan/step.js';
import { type HostFacts, probeHost } from '../probes/host.js';
import { say } from '../say.js';
import { endpointOf } from '../steps/record.js';
import type { Setup } from '../steps/setup.js';
import { firstKeyFile } from '../steps/setup.js';
import { table } from '../table.js';
import { chooseModel } from '../targets/choose.js';
import { type ClusterRecord, readCluster } from '../targets/cluster-record.js';
import { decide, type Wish } from '../targets/decide.js';
import { type Deployment, needDeployment, readDeployment } from '../targets/deployment.js';
import { guide } from '../targets/guide.js';
import { localSteps } from '../targets/local.js';
import { localState } from '../targets/state.js';
import { wishOf } from '../targets/wish.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';
import { bundleOptions, configOption, goOn, hostOptions, reachOptions } from './cluster.js';
import { showReady } from './init-ready.js';
import { smokeOf } from './smoke.js';
import { stateJson } from './status.js';

type Plan = readonly Planned<Setup>[];

const options: Verb['options'] = [
  configOption,
  {
    flags: '--target <target>',
    says: say('Where it runs: this machine, or a cluster made of hosts', '运行目标：本机，或由主机组成的集群'),
    choices: ['local', 'kubernetes'],
    initial: 'local',
  },
  ...hostOptions,
  ...reachOptions,
  {
    flags: '--kubeconfig <file>',
    says: say('A cluster that stands already: it is only checked', '已有的集群：仅检查，不安装'),
  },
  ...bundleOptions,
  { flags: '--name <name>', says: say('Name of the deployment', '部署名称'), initial: 'default' },
  { flags: '--model <id>', says: say('Model of the catalogue, or demo', '目录中的模型，或 demo') },
  { flags: '--model-file <file>', says: say('A GGUF file of your own', '自备的 GGUF 文件') },
  {
    flags: '--hub <hub>',
    says: say(
      'Where models come from: huggingface, modelscope, or the address of a mirror',
      '模型来源：huggingface、modelscope 或镜像地址',
    ),
    initial: 'huggingface',
  },
  { flags: '--listen <address>', says: say('Address of the API', 'API 监听地址'), initial: '127.0.0.1' },
  {
    flags: '--port <number>',
    says: say('Port of the API', 'API 端口'),
    kind: 'integer',
    min: 1,
    max: 65_535,
    initial: 8080,
  },
  {
    flags: '--tls <mode>',
    says: say('HTTPS with a CA of its own', '使用自建 CA 的 HTTPS'),
    choices: ['own-ca'],
  },
  { flags: '--dry-run', says: say('Print what would be done, and do nothing', '只打印将执行的操作，不做任何更改') },
  { flags: '--no-smoke', says: say('Leave out the smoke test at the end', '跳过最后的冒烟测试') },
];

/** What this machine is, for the questions and the summary; a deployment that stands asks neither. */
async function look(before: Deployment | undefined, world: World): Promise<HostFacts | undefined> {
  if (before) return undefined;
  return world.ui.wait(say('Looking at this machine', '正在查看本机'), () => probeHost(world));
}

async function setupOf(
  input: Input,
  wish: Wish,
  before: Deployment | undefined,
  facts: HostFacts | undefined,
  bundle: Bundle | undefined,
  world: World,
): Promise<Setup> {
  const asked = world.ui.interactive && facts !== undefined;
  const answers = asked ? await guide(wish, (facts.usable.memoryMiB ?? 0) * 2 ** 20, world) : {};
  const full = asked ? await wishOf({ ...input.options, ...answers }, before?.wish, world) : wish;
  const setup = await decide(full, chooseModel(full.config, world, bundle), before, world);
  return bundle ? { ...setup, bundle } : setup;
}

/** The very actions that would run; secrets as their names. */
function showPlan(planned: Plan, world: World): void {
  const { ui } = world;
  for (const { step, actions, after } of planned) {
    const title = `${ui.text(step.title)}  ${ui.paint.dim(step.id)}`;
    if (actions === undefined) {
      ui.line(`${ui.paint.dim('–')} ${title}  ${ui.paint.dim(ui.text(say('already so', '已就绪')))}`);
      continue;
    }
    ui.line(`${ui.paint.accent('+')} ${title}`);
    if (after) ui.line(`    ${ui.paint.dim(ui.text(say(`known after ${after}`, `在 ${after} 之后确定`)))}`);
    for (const action of actions) for (const line of show(action).split('\n')) ui.line(`    ${line}`);
  }
}

const planJson = (planned: Plan) => ({
  dryRun: true,
  steps: planned.map(({ step, actions, after }) => ({
    id: step.id,
    title: step.title.en,
    done: actions === undefined,
    actions: (actions ?? []).map(show),
    ...(after ? { knownAfter: after } : {}),
  })),
});

/** GPUs that this target leaves idle are named: nobody shall wonder why they are. */
function gpuRow(facts: HostFacts | undefined, world: World): string[][] {
  const gpus = facts?.gpu?.picture.gpus ?? [];
  if (gpus.length === 0) return [];
  const name = `${gpus.length} × ${gpus[0]!.name ?? 'GPU'}`;
  return [
    [
      'GPU',
      world.ui.text(say(`${name}, not used: this target serves on the CPU`, `${name}，未使用：此目标在 CPU 上运行`)),
    ],
  ];
}

function showSummary(setup: Setup, planned: Plan, facts: HostFacts | undefined, world: World): void {
  const { ui } = world;
  const { model } = setup;
  const size = model.source.kind === 'download' ? ` (${(model.source.bytes / 1e9).toFixed(1)} GB)` : '';
  const rows = [
    [ui.text(say('target', '目标')), ui.text(say('this machine', '本机'))],
    ...gpuRow(facts, world),
    [ui.text(say('model', '模型')), `${model.id}${size}`],
    [ui.text(say('API', '接口')), endpointOf(setup)],
    [ui.text(say('state', '状态目录')), setup.places.home],
  ];
  for (const line of table(rows, [], '  ')) ui.line(line);
  ui.line();
  const todo = planned.filter(({ actions }) => actions !== undefined);
  for (const { step } of todo) ui.line(`  ${ui.paint.accent('+')} ${ui.text(step.title)}`);
  ui.line();
}

async function bringUp(setup: Setup, world: World): Promise<Applied> {
  return locked(world, 'init', async () => {
    const steps = needed(localSteps, setup);
    const lines = steps.map(({ id, title }) => ({ id, title }));
    return apply(steps, setup, world, await world.ui.tasks(lines));
  });
}

/** The first key is told once: the file that keeps it until then goes when it has been. */
async function takeFirstKey(world: World): Promise<string | undefined> {
  const key = await world.files.readIfAny(firstKeyFile(world.places.home));
  if (key !== undefined) await world.files.remove(firstKeyFile(world.places.home));
  return key;
}

async function finish(input: Input, { changed }: Applied, world: World): Promise<'problem' | undefined> {
  const deployment = await needDeployment(world);
  const testing = changed.length > 0 && input.options.smoke !== false;
  if (testing) world.ui.line();
  const smoke = testing ? await smokeOf(deployment, world) : undefined;
  const now = await localState(deployment, world);
  const apiKey = await takeFirstKey(world);
  if (input.json) {
    const key = apiKey === undefined ? {} : { apiKey };
    world.ui.out(
      `${JSON.stringify({ ...stateJson(deployment, now), ...key, changed, smoke: smoke ?? null }, null, 2)}\n`,
    );
  } else showReady({ deployment, now, changed, apiKey, smoke }, world);
  return now.state === 'ready' && smoke?.passed !== false ? undefined : 'problem';
}

export const verb: Verb = {
  options,
  examples: [
    { line: 'deepseek-deploy init', says: say('Guided: it asks what it has to know', '引导式：逐项询问') },
    {
      line: 'deepseek-deploy init --model demo --yes',
      says: say('A tiny model in a minute, offline but for the engine', '一分钟内部署极小模型，除引擎外无需网络'),
    },
    {
      line: 'deepseek-deploy init --config deepseek.yaml --dry-run',
      says: say('See every action first', '先查看全部操作'),
    },
    {
      line: 'deepseek-deploy init --target kubernetes --host root@10.0.0.11 --role control-plane --host root@10.0.0.12 --role worker',
      says: say('A cluster of two hosts', '由两台主机组成的集群'),
    },
  ],
  async run(input, world) {
    const [before, cluster] = [await readDeployment(world), await readCluster(world)];
    const wish = await wishOf(targeted(input.options), before?.wish ?? cluster?.wish, world);
    const { target } = wish.config;
    const other = target === 'local' ? cluster : before;
    if (other) throw otherTarget(other.target, target, world);
    if (target === 'local') return initHere(input, wish, before, world);
    const kubeconfig = kubeconfigOf(input, cluster, world);
    if (kubeconfig !== undefined)
      return (await import('./init-existing.js')).initExisting(kubeconfig, input, wish, world);
    const { initCluster } = await import('./init-cluster.js');
    return initCluster(input, wish, cluster, world);
  },
};

/** Hosts and a kubeconfig are of one target only; it need not be said. */
const targeted = (options: Input['options']): Input['options'] =>
  options.host !== undefined || options.kubeconfig !== undefined ? { target: 'kubernetes', ...options } : options;

/** @throws UserError `target.other` where it stands beside a cluster of our own */
function kubeconfigOf(input: Input, cluster: ClusterRecord | undefined, world: World): string | undefined {
  const given = input.options.kubeconfig as string | undefined;
  if (given !== undefined && cluster && cluster.kubeconfig === undefined)
    throw otherTarget('kubernetes', `kubernetes (${given})`, world);
  return given === undefined ? cluster?.kubeconfig : resolve(world.cwd, given);
}

async function initHere(
  input: Input,
  wish: Wish,
  before: Deployment | undefined,
  world: World,
): Promise<'problem' | undefined> {
  const bundle = await bundleOf(wish.config, world);
  const facts = await look(before, world);
  const setup = await setupOf(input, wish, before, facts, bundle, world);
  if (bundle) await refuseLackingHere(bundle, setup, world);
  const planned = await plan(needed(localSteps, setup), setup, world);
  if (input.options.dryRun) {
    if (input.json) world.ui.out(`${JSON.stringify(planJson(planned), null, 2)}\n`);
    else showPlan(planned, world);
    return undefined;
  }
  if (planned.every(({ actions }) => actions === undefined)) return finish(input, { changed: [] }, world);
  await preflight(setup, planned, world);
  if (!input.json) showSummary(setup, planned, facts, world);
  await goOn(world);
  return finish(input, await bringUp(setup, world), world);
}

/** One home, one deployment. */
const otherTarget = (there: string, wanted: string, { places }: World): UserError =>
  new UserError(
    'target.other',
    say(
      `${places.home} holds a deployment of the target ${there}, not ${wanted}.`,
      `${places.home} 中已有目标为 ${there} 的部署，而非 ${wanted}。`,
    ),
    {
      hint: say(
        'Give this one a home of its own: DEEPSEEK_DEPLOY_HOME=FOLDER deepseek-deploy init …',
        '请为新部署指定目录：DEEPSEEK_DEPLOY_HOME=目录 deepseek-deploy init …',
      ),
      exit: 'usage',
    },
  );
