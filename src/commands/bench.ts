import { resolve } from 'node:path';
import { Fold, type Summary } from '../bench/fold.js';
import { Keeper } from '../bench/keep.js';
import { measure } from '../bench/measure.js';
import { type EndLine, type Line, readLines, type Settings } from '../bench/record.js';
import { figure, reportJson, reportLines } from '../bench/report.js';
import { askOptions, loadOptions, settingsOf } from '../bench/settings.js';
import { type Exit, UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import { bearer, type Endpoint, endpointOf, endpointOptions, servedModels, trusting } from '../targets/endpoint.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';

async function textOf(world: World, name: string): Promise<string> {
  const text = await world.files.readIfAny(resolve(world.cwd, name));
  if (text !== undefined) return text;
  throw new UserError('bench.file', say(`There is no file ${name}.`, `文件 ${name} 不存在。`), { exit: 'usage' });
}

async function modelOf(endpoint: Endpoint, world: World): Promise<string> {
  const served = await servedModels(endpoint, world);
  const model = endpoint.model ?? served[0];
  if (model !== undefined) return model;
  throw new UserError('bench.no_model', say(`${endpoint.url} lists no model.`, `${endpoint.url} 没有列出任何模型。`), {
    hint: say('Name one: --model ID', '请指定：--model ID'),
    exit: 'problem',
  });
}

function progress({ totals, span }: Summary): Text {
  const speed = figure(span > 0 ? (totals.outputTokens * 1000) / span : Number.NaN);
  return say(
    `${totals.good} answered, ${totals.failed} failed, ${speed} tokens/s`,
    `成功 ${totals.good}，失败 ${totals.failed}，${speed} token/秒`,
  );
}

/** Behind the spinner, once a second. */
const watched = <T>(fold: Fold, world: World, work: () => Promise<T>): Promise<T> =>
  world.ui.wait(say('Measuring', '正在测量'), async (note) => {
    const over = new AbortController();
    const telling = (async () => {
      while (!over.signal.aborted) {
        await world.clock.sleep(1000, over.signal).catch(() => {});
        if (!over.signal.aborted) note(progress(fold.summary()));
      }
    })();
    try {
      return await work();
    } finally {
      over.abort();
      await telling;
    }
  });

function show(summary: Summary, input: Input, world: World): void {
  if (input.json) world.ui.out(`${JSON.stringify(reportJson(summary), null, 2)}\n`);
  else for (const line of reportLines(summary, world.ui)) world.ui.line(line);
}

async function run(input: Input, given: World): Promise<Exit | undefined> {
  const { prompt, out } = input.options as { prompt?: string; out?: string };
  const wanted = settingsOf(input.options);
  const text = prompt === undefined ? undefined : await textOf(given, prompt);
  const endpoint = await endpointOf(input.options, given);
  const world = trusting(endpoint, given);
  const settings: Settings = { url: endpoint.url, model: await modelOf(endpoint, world), ...wanted };
  const keeper = out === undefined ? undefined : new Keeper(await world.files.sink(resolve(world.cwd, out), false));
  const fold = new Fold();
  const onLine = (line: Line): void => {
    fold.add(line);
    keeper?.add(line);
  };
  try {
    onLine({ kind: 'run', version: 1, startedAt: new Date(world.clock.now()).toISOString(), settings });
    const end: EndLine = await watched(fold, world, () =>
      measure({ settings, headers: bearer(endpoint.key), text, onSample: onLine }, world),
    );
    onLine(end);
  } finally {
    await keeper?.close();
  }
  const summary = fold.summary();
  show(summary, input, world);
  if (summary.end?.why === 'interrupted') return 'interrupted';
  return summary.totals.good === 0 ? 'problem' : undefined;
}

const report: Verb = {
  args: [{ name: '<file>', says: say('What --out wrote', '--out 写出的文件') }],
  async run(input, world) {
    const fold = new Fold();
    for (const line of readLines(await textOf(world, input.args[0]!))) fold.add(line);
    show(fold.summary(), input, world);
    return undefined;
  },
};

export const verb: Verb = {
  options: [
    ...loadOptions,
    ...askOptions,
    { flags: '-o, --out <file>', says: say('Keep a record of each request (NDJSON)', '保存每个请求的记录（NDJSON）') },
    ...endpointOptions,
  ],
  verbs: [
    {
      name: 'report',
      says: say('The report again, from the records of a run', '根据压测记录重新生成报告'),
      verb: report,
    },
  ],
  examples: [
    {
      line: 'deepseek-deploy bench -c 16 -d 60 --slo ttft=500 --slo tpot=50 --out run.ndjson',
      says: say(
        '16 streams for a minute, with the share within the service levels',
        '16 路并发一分钟，并统计满足服务级别的比例',
      ),
    },
    {
      line: 'DEEPSEEK_API_KEY=… deepseek-deploy bench --url https://api.deepseek.com --model deepseek-flash',
      says: say('The same requests against the cloud', '用同样的请求测量云端 API'),
    },
  ],
  run,
};
