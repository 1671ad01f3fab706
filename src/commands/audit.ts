import { resolve } from 'node:path';
import { type Entry, entries, type Filter, opened } from '../audit/query.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import { table } from '../table.js';
import type { Verb } from '../verb.js';
import type { World } from '../world.js';
import { filterOf, filterOptions } from './audit-filter.js';
import { logOf, places } from './audit-log.js';
import { pruneOld } from './audit-prune.js';
import { verifyAll } from './audit-verify.js';
import { json, nowOf } from './credentials.js';

/** What cannot be read is told at the end, and in the exit status. */
function brokenFiles(world: World): {
  readonly note: (file: string) => void;
  readonly tell: () => 'problem' | undefined;
} {
  const found = new Set<string>();
  return {
    note: (file) => void found.add(file),
    tell: () => {
      for (const file of found)
        world.ui.error(world.ui.text(say(`${file} cannot be read whole.`, `${file} 无法完整读取。`)));
      if (found.size > 0)
        world.ui.error(world.ui.text(say('See: deepseek-deploy audit verify', '查看：deepseek-deploy audit verify')));
      return found.size > 0 ? 'problem' : undefined;
    },
  };
}

const heads = ['TIME', 'KEY', 'TENANT', 'ROUTE', 'MODEL', 'STATUS', 'OUTCOME', 'TOKENS', 'TTFT', 'TOTAL', 'ID'];

function row(entry: Entry): string[] {
  const shown = (name: string): string => String(entry[name] ?? '-');
  const ms = (name: string): string => (entry[name] == null ? '-' : `${entry[name]} ms`);
  const time = new Date(entry.time * 1000).toISOString();
  if (entry.kind === 'gap') return [time, '-', '-', '-', '-', '-', `gap of ${entry.lost}`, '-', '-', '-', '-'];
  const tokens = entry.prompt_tokens == null ? '-' : `${entry.prompt_tokens}+${entry.completion_tokens ?? 0}`;
  const words = ['key', 'tenant', 'route', 'model', 'status', 'outcome'].map(shown);
  return [time, ...words, tokens, ms('first_ms'), ms('total_ms'), shown('id')];
}

/** Half a year is not read for the last fifty lines. */
const recent = (filter: Filter, now: number): Filter =>
  [filter.since, filter.until, filter.id].every((one) => one === undefined)
    ? { ...filter, since: now - 86_400 }
    : filter;

const query: Verb = {
  options: [
    ...filterOptions,
    {
      flags: '-n, --limit <count>',
      says: say('The last so many', '最后多少条'),
      kind: 'integer',
      min: 1,
      max: 10_000,
      initial: 50,
    },
    ...places,
  ],
  examples: [
    {
      line: 'deepseek-deploy audit query --since 1h --status 5xx',
      says: say('What failed in the last hour', '最近一小时的失败请求'),
    },
    {
      line: 'deepseek-deploy audit query --id 4f1c…',
      says: say('One request by its X-Request-Id', '按 X-Request-Id 查找一个请求'),
    },
  ],
  run: async (input, world) => {
    const log = await logOf(input, world);
    const limit = (input.options.limit as number | undefined) ?? 50;
    const broken = brokenFiles(world);
    const last: Entry[] = [];
    for await (const entry of entries(log, recent(filterOf(input, nowOf(world)), nowOf(world)), broken.note)) {
      last.push(opened(log.secret, entry, false));
      if (last.length > limit) last.shift();
    }
    if (input.json) json(world, last);
    else for (const line of table([heads, ...last.map(row)])) world.ui.line(line);
    return broken.tell();
  },
};

/** Half a MiB at a time: a line is no write of its own. */
async function written(lines: AsyncIterable<string>, put: (text: string) => Promise<void> | void): Promise<number> {
  let waiting: string[] = [];
  let size = 0;
  let count = 0;
  for await (const line of lines) {
    waiting.push(line);
    size += line.length;
    count += 1;
    if (size < 1 << 19) continue;
    await put(waiting.join(''));
    waiting = [];
    size = 0;
  }
  await put(waiting.join(''));
  return count;
}

async function toFile(world: World, path: string, lines: AsyncIterable<string>): Promise<number> {
  if (!(await world.files.create(path, '', 0o600))) {
    throw new UserError('audit.export-exists', say(`${path} is there already.`, `${path} 已存在。`), {
      hint: say('Name another file', '请指定其他文件'),
      exit: 'usage',
    });
  }
  const sink = await world.files.sink(path, true);
  try {
    return await written(lines, (text) => sink.write(Buffer.from(text)));
  } finally {
    await sink.close();
  }
}

const exportAll: Verb = {
  options: [
    ...filterOptions,
    {
      flags: '--to <file>',
      says: say('A new file, mode 0600; else standard output', '写入新文件（0600），默认标准输出'),
    },
    { flags: '--content', says: say('With prompts and answers, where they were kept', '包含已保存的提示与回答') },
    ...places,
  ],
  examples: [
    {
      line: 'deepseek-deploy audit export --since 30d --tenant shop --to shop.ndjson',
      says: say('A month of a tenant, a JSON object a line', '导出某租户一个月的记录，每行一个 JSON'),
    },
  ],
  run: async (input, world) => {
    const log = await logOf(input, world);
    const broken = brokenFiles(world);
    const { to, content } = input.options as { to?: string; content?: boolean };
    const filter = filterOf(input, nowOf(world));
    const lines = (async function* () {
      for await (const entry of entries(log, filter, broken.note)) {
        yield `${JSON.stringify(opened(log.secret, entry, content === true))}\n`;
      }
    })();
    if (to === undefined) {
      await written(lines, (text) => world.ui.out(text));
      return broken.tell();
    }
    const path = resolve(world.cwd, to);
    const count = await toFile(world, path, lines);
    if (input.json) json(world, { file: path, lines: count });
    else world.ui.line(say(`${count} lines in ${path}`, `${path} 中共 ${count} 行`));
    return broken.tell();
  },
};

export const verb: Verb = {
  verbs: [
    {
      name: 'query',
      says: say('Show requests, by default the last of the past day', '查看请求，默认最近一天的最后若干条'),
      verb: query,
    },
    { name: 'verify', says: say('Whether the log is as it was written', '检查日志是否与写入时一致'), verb: verifyAll },
    {
      name: 'export',
      says: say('All requests, or some of them, a JSON object a line', '导出全部或部分记录，每行一个 JSON'),
      verb: exportAll,
    },
    { name: 'prune', says: say('Remove files older than 180 days', '删除超过 180 天的文件'), verb: pruneOld },
  ],
};
