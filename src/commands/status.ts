import { say, type Text } from '../say.js';
import type { ProcessTruth } from '../supervisor/status.js';
import { table } from '../table.js';
import { readCluster } from '../targets/cluster-record.js';
import { type Deployment, readDeployment } from '../targets/deployment.js';
import { type LocalState, localState } from '../targets/state.js';
import type { Verb } from '../verb.js';
import type { Paint, World } from '../world.js';

const words: Readonly<Record<string, Text>> = {
  ready: say('ready', '就绪'),
  starting: say('starting', '启动中'),
  degraded: say('degraded', '降级'),
  down: say('down', '已停止'),
  unhealthy: say('unhealthy', '不健康'),
  backoff: say('waiting to restart', '等待重启'),
  crashing: say('crashing', '反复崩溃'),
  stopping: say('stopping', '停止中'),
  stopped: say('stopped', '已停止'),
  gone: say('gone', '已退出'),
  running: say('running', '运行中'),
  hung: say('hung', '无响应'),
  none: say('not running', '未运行'),
};

const mark = (state: string, paint: Paint): string => {
  if (state === 'ready' || state === 'running') return paint.good('●');
  return state === 'starting' || state === 'degraded' || state === 'backoff' ? paint.warn('●') : paint.bad('●');
};

/** '3 min', '2 h', '5 d' since then. */
function since(ms: number): Text {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return say(`up ${seconds} s`, `已运行 ${seconds} 秒`);
  if (seconds < 3600) return say(`up ${Math.floor(seconds / 60)} min`, `已运行 ${Math.floor(seconds / 60)} 分钟`);
  if (seconds < 172_800) return say(`up ${Math.floor(seconds / 3600)} h`, `已运行 ${Math.floor(seconds / 3600)} 小时`);
  return say(`up ${Math.floor(seconds / 86_400)} d`, `已运行 ${Math.floor(seconds / 86_400)} 天`);
}

function processRow(one: ProcessTruth, world: World): string[] {
  const { ui, clock } = world;
  const notes = [
    one.pid === undefined ? '' : `pid ${one.pid}`,
    one.startedAt === undefined ? '' : ui.text(since(clock.now() - one.startedAt)),
    one.restarts === 0 ? '' : ui.text(say(`restarts: ${one.restarts}`, `重启 ${one.restarts} 次`)),
  ].filter(Boolean);
  const state = `${mark(one.state, ui.paint)} ${ui.text(words[one.state]!)}`;
  return [one.id, state, ui.paint.dim(notes.join(', '))];
}

/** What is on of the gateway's policies, as it goes now. */
function gatewayRows({ gateway }: LocalState, { ui }: World): string[][] {
  const { cache, redis, breaker } = gateway ?? {};
  const row = (name: string, state: 'ready' | 'degraded', word: Text, note: Text): string[] => [
    name,
    `${mark(state, ui.paint)} ${ui.text(word)}`,
    ui.paint.dim(ui.text(note)),
  ];
  const list = (en: readonly string[]): Text => say(en.join(', '), en.join('、'));
  const on = say('on', '已启用');
  const count = (hits: number, misses: number): Text =>
    say(`hits: ${hits}, misses: ${misses}`, `命中 ${hits}，未命中 ${misses}`);
  return [
    ...(cache ? [row('cache', 'ready', on, count(cache.hits, cache.misses))] : []),
    ...(redis?.answers ? [row('redis', 'ready', say('answers', '应答正常'), list(redis.nodes))] : []),
    ...(redis?.answers === false ? [row('redis', 'degraded', say('away', '无应答'), list(redis.nodes))] : []),
    ...(breaker?.open.length === 0 ? [row('breaker', 'ready', say('closed', '未熔断'), say('', ''))] : []),
    ...(breaker?.open.length ? [row('breaker', 'degraded', say('open', '已熔断'), list(breaker.open))] : []),
  ];
}

export function showState(deployment: Deployment, now: LocalState, world: World): void {
  const { ui } = world;
  const { supervision } = now;
  const head = `${mark(now.state, ui.paint)} ${ui.paint.strong(ui.text(words[now.state]!))}`;
  ui.line(`${head}  ${deployment.name} ${ui.paint.dim(`(${deployment.target})`)}`);
  ui.line();
  const pid = supervision.supervisor.pid === undefined ? '' : `pid ${supervision.supervisor.pid}`;
  const watch = supervision.supervisor.state;
  const rows = [
    [ui.text(say('endpoint', '接口地址')), ui.paint.accent(deployment.endpoint)],
    [ui.text(say('model', '模型')), deployment.model],
    ...supervision.processes.map((one) => processRow(one, world)),
    ['supervisor', `${mark(watch, ui.paint)} ${ui.text(words[watch]!)}`, ui.paint.dim(pid)],
    ...gatewayRows(now, world),
  ];
  for (const line of table(rows, [], '  ')) ui.line(line);
  if (now.state === 'ready') return;
  ui.line();
  ui.line(ui.text(now.reason));
  for (const { lines } of supervision.processes) for (const line of lines) ui.line(`  ${ui.paint.dim(line)}`);
  ui.line(`${ui.paint.accent('→')} ${ui.text(repair(now))}`);
}

function repair({ state, gateway }: LocalState): Text {
  if (state === 'starting')
    return say('Follow it: deepseek-deploy logs --follow', '查看进展：deepseek-deploy logs --follow');
  if (gateway?.redis?.answers === false)
    return say(
      'Start it; or correct gateway.redis in deepseek.yaml, then: deepseek-deploy init',
      '请启动 Redis；或修改 deepseek.yaml 中的 gateway.redis，然后运行：deepseek-deploy init',
    );
  return say(
    'Bring it back: deepseek-deploy init. See why: deepseek-deploy logs',
    '恢复：deepseek-deploy init；查看原因：deepseek-deploy logs',
  );
}

/** What `status --json` and `init --json` have in common. */
export const stateJson = (deployment: Deployment, now: LocalState) => ({
  name: deployment.name,
  target: deployment.target,
  state: now.state,
  reason: now.reason.en,
  endpoint: deployment.endpoint,
  model: deployment.model,
  processes: now.supervision.processes.map((one) => ({ ...one, reason: one.reason?.en })),
  supervisor: now.supervision.supervisor,
  ...now.gateway,
});

export const verb: Verb = {
  examples: [
    {
      line: 'deepseek-deploy status --json',
      says: say('For scripts; exit status 0 when ready', '供脚本使用；就绪时退出码为 0'),
    },
  ],
  async run(input, world) {
    const deployment = await readDeployment(world);
    const cluster = deployment ? undefined : await readCluster(world);
    if (cluster) return (await import('./status-cluster.js')).statusCluster(cluster, input, world);
    if (!deployment) {
      const reason = say(`Nothing is deployed in ${world.places.home}.`, `${world.places.home} 中没有任何部署。`);
      if (input.json)
        world.ui.out(
          `${JSON.stringify({ name: null, target: null, state: 'down', reason: reason.en, endpoint: null, model: null }, null, 2)}\n`,
        );
      else {
        world.ui.line(reason);
        world.ui.line(`${world.ui.paint.accent('→')} deepseek-deploy init`);
      }
      return 'problem';
    }
    const now = await localState(deployment, world);
    if (input.json) world.ui.out(`${JSON.stringify(stateJson(deployment, now), null, 2)}\n`);
    else showState(deployment, now, world);
    return now.state === 'ready' ? undefined : 'problem';
  },
};
