/** What `init` leaves on the screen: the endpoint, the key, a line to paste, and where to go from here. */
import type { SmokeReport } from '../checks/smoke.js';
import { quote } from '../command.js';
import { say } from '../say.js';
import { table } from '../table.js';
import type { Deployment } from '../targets/deployment.js';
import type { LocalState } from '../targets/state.js';
import type { World } from '../world.js';
import { showState } from './status.js';

export interface Ready {
  readonly deployment: Deployment;
  readonly now: LocalState;
  readonly changed: readonly string[];
  readonly apiKey: string | undefined;
  readonly smoke: SmokeReport | undefined;
}

/** A request that works when it is pasted into a shell. */
export function curlLine({ endpoint, model, ca }: Deployment, apiKey: string): string {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 64 });
  return [
    `curl ${ca === undefined ? '' : `--cacert ${quote(ca)} `}${quote(`${endpoint}/chat/completions`)} \\`,
    `  -H ${quote(`Authorization: Bearer ${apiKey}`)} \\`,
    `  -H ${quote('Content-Type: application/json')} \\`,
    `  -d ${quote(body)}`,
  ].join('\n');
}

function showKey({ deployment, apiKey }: Ready, world: World): void {
  const { ui } = world;
  if (apiKey === undefined) {
    ui.line(say('Another key: deepseek-deploy keys create', '创建新密钥：deepseek-deploy keys create'));
    return;
  }
  ui.line(say('Try it:', '试一试：'));
  ui.line();
  ui.line(curlLine(deployment, apiKey));
  ui.line();
  ui.line(ui.paint.dim(ui.text(say('The key is shown this once.', '密钥只显示这一次。'))));
}

function next(world: World): void {
  const { ui } = world;
  const rows = [
    ['deepseek-deploy status', ui.text(say('what runs, and whether it is well', '运行状态'))],
    ['deepseek-deploy bench', ui.text(say('QPS, TTFT and TPOT', '测量 QPS、TTFT 和 TPOT'))],
    ['deepseek-deploy down', ui.text(say('stop it; --purge removes it', '停止；--purge 删除'))],
  ];
  for (const line of table(
    rows.map(([verb, what]) => [verb!, ui.paint.dim(what!)]),
    [],
    '  ',
  ))
    ui.line(line);
}

export function showReady(ready: Ready, world: World): void {
  const { deployment, now, changed, apiKey } = ready;
  const { ui } = world;
  if (changed.length === 0 && now.state === 'ready') ui.line(say('Nothing to change.', '无需更改。'));
  ui.line();
  showState(deployment, now, world);
  ui.line();
  if (apiKey !== undefined) {
    ui.line(`  ${ui.text(say('API key', 'API 密钥'))}  ${ui.paint.strong(apiKey)}`);
    ui.line();
  }
  if (deployment.model === 'demo') {
    ui.line(
      ui.paint.warn(
        ui.text(
          say('The demo model has random weights: it answers gibberish.', '演示模型的权重是随机的：回答是乱语。'),
        ),
      ),
    );
    ui.line();
  }
  showKey(ready, world);
  ui.line();
  next(world);
}
