/** How a cluster stands, for people and for scripts. */
import type { ClusterState, MachineNow, MachineState } from '../fleet/state.js';
import { say, type Text } from '../say.js';
import { table } from '../table.js';
import type { Paint, World } from '../world.js';

const words: Readonly<Record<MachineState | ClusterState['state'], Text>> = {
  ready: say('ready', '就绪'),
  degraded: say('degraded', '降级'),
  down: say('down', '已停止'),
  'not-ready': say('not ready', '未就绪'),
  drained: say('drained', '已排空'),
  absent: say('no node', '未加入'),
  unreachable: say('unreachable', '无法连接'),
  unknown: say('not known', '未知'),
};

function mark(state: MachineState | ClusterState['state'], paint: Paint): string {
  if (state === 'ready') return paint.good('●');
  return state === 'degraded' || state === 'drained' || state === 'unknown' ? paint.warn('●') : paint.bad('●');
}

function row(machine: MachineNow, { ui }: World): string[] {
  const { name, address = '', roles, state, reason, kubelet, gpus } = machine;
  const notes = [
    kubelet === undefined ? '' : `v${kubelet}`,
    gpus === undefined ? '' : `${gpus} GPU`,
    reason ? ui.text(reason) : '',
  ].filter(Boolean);
  return [
    name,
    `${mark(state, ui.paint)} ${ui.text(words[state])}`,
    address,
    roles.join(', '),
    ui.paint.dim(notes.join(', ')),
  ];
}

export function showCluster(name: string, now: ClusterState, world: World): void {
  const { ui } = world;
  const version = now.version === undefined ? '' : ` ${now.version}`;
  const head = `${mark(now.state, ui.paint)} ${ui.paint.strong(ui.text(words[now.state]))}`;
  ui.line(`${head}  ${name} ${ui.paint.dim(`(kubernetes${version})`)}`);
  ui.line();
  for (const line of table(
    now.machines.map((machine) => row(machine, world)),
    [],
    '  ',
  ))
    ui.line(line);
  if (now.state === 'ready') return;
  ui.line();
  ui.line(now.reason);
  ui.line(
    `${ui.paint.accent('→')} ${ui.text(say('See why: deepseek-deploy doctor. Bring it back: deepseek-deploy init', '查看原因：deepseek-deploy doctor；恢复：deepseek-deploy init'))}`,
  );
}

/** What `status --json` and `init --json` have in common. */
export const clusterJson = (name: string, now: ClusterState) => ({
  name,
  target: 'kubernetes',
  state: now.state,
  reason: now.reason.en,
  version: now.version ?? null,
  machines: now.machines.map(({ reason, ...machine }) => ({ ...machine, reason: reason?.en })),
});
