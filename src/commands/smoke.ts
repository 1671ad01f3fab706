import type { SmokeTarget } from '../checks/api.js';
import { outcomePrinter, sumLine } from '../checks/lines.js';
import { allChecks, chosen, runSmoke, type SmokeReport, smokeChecks } from '../checks/smoke.js';
import { UserError } from '../errors.js';
import { settingsHere } from '../gateway/change.js';
import { cliKeyFile } from '../gateway/cli-key.js';
import { say } from '../say.js';
import { type Deployment, trust } from '../targets/deployment.js';
import { type Endpoint, endpointOf, endpointOptions, servedModels, trusting } from '../targets/endpoint.js';
import type { Verb } from '../verb.js';
import type { World } from '../world.js';

async function targetOf({ url, key, model, engineMetricsUrl }: Endpoint, world: World): Promise<SmokeTarget> {
  const asked = model ?? (await servedModels({ url, ...(key ? { key } : {}) }, world))[0];
  if (asked === undefined) {
    throw new UserError('smoke.no_model', say(`${url} lists no model.`, `${url} 没有列出任何模型。`), {
      hint: say('Name one: --model ID', '请指定：--model ID'),
      exit: 'problem',
    });
  }
  return { baseUrl: url, model: asked, key, engineMetricsUrl };
}

/** What this home's own gateway promises. */
const usualHere = async (world: World): Promise<typeof smokeChecks> =>
  (await settingsHere(world))?.cache ? allChecks : smokeChecks;

/** Each line as its check ends. */
export async function showSmoke(target: SmokeTarget, checks: typeof smokeChecks, world: World): Promise<SmokeReport> {
  const { ui } = world;
  const print = outcomePrinter(checks, ui);
  ui.line(`${ui.paint.strong(target.model)} ${ui.paint.dim(target.baseUrl)}`);
  ui.line();
  const report = await runSmoke(
    world,
    target,
    {
      end: (outcome) => {
        for (const line of print(outcome)) ui.line(line);
      },
    },
    checks,
  );
  ui.line();
  ui.line(`  ${sumLine(report.counts, ui)}`);
  return report;
}

/** The last step of `init`: the deployment it just brought up, with the CLI's own key. */
export async function smokeOf(deployment: Deployment, world: World): Promise<SmokeReport> {
  const { host, port } = deployment.engine;
  const key = (await world.files.read(cliKeyFile(world.places.home))).trim();
  const target = {
    ...{ baseUrl: deployment.endpoint, model: deployment.model, key },
    engineMetricsUrl: `http://${host}:${port}/metrics`,
  };
  const endpoint = { url: deployment.endpoint, ...(await trust(deployment, world)) };
  return showSmoke(target, await usualHere(world), trusting(endpoint, world));
}

export const verb: Verb = {
  options: [
    {
      flags: '--only <ids>',
      says: say(
        'Some checks, by id or by group: chat,stream.whole',
        '只运行部分检查（按 id 或分组）：chat,stream.whole',
      ),
      kind: 'list',
    },
    ...endpointOptions,
  ],
  examples: [
    { line: 'deepseek-deploy smoke', says: say('The deployment here', '检查本机部署') },
    {
      line: 'deepseek-deploy smoke --url http://gpu-box:8000/v1 --only reach,stream',
      says: say('Any OpenAI endpoint, some of the checks', '检查任意 OpenAI 接口的部分项目'),
    },
  ],
  async run(input, given) {
    const usual = input.options.url === undefined ? await usualHere(given) : smokeChecks;
    const checks = chosen((input.options.only as readonly string[] | undefined) ?? [], usual);
    const endpoint = await endpointOf(input.options, given);
    const world = trusting(endpoint, given);
    const target = await targetOf(endpoint, world);
    const report = input.json ? await runSmoke(world, target, {}, checks) : await showSmoke(target, checks, world);
    if (input.json) world.ui.out(`${JSON.stringify(report, null, 2)}\n`);
    return report.passed ? undefined : 'problem';
  },
};
