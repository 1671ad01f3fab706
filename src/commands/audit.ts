import { isAbsolute, resolve } from 'node:path';
import type { Link } from '../audit/chain.js';
import type { Log } from '../audit/files.js';
import { type Old, oldFiles, prune } from '../audit/prune.js';
import { type Entry, entries, opened } from '../audit/query.js';
import { type Finding, readFile, type Verdict, verify } from '../audit/verify.js';
import { UserError } from '../errors.js';
import { leastDays } from '../gateway/audit.js';
import { auditFolder, gatewayDirectory, secretsFile } from '../gateway/files.js';
import type { Secrets } from '../gateway/settings.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import { table } from '../table.js';
import { needDeployment } from '../targets/deployment.js';
import type { Input, Option, Verb } from '../verb.js';
import type { World } from '../world.js';
import { filterOf, filterOptions } from './audit-filter.js';
import { json, nowOf } from './credentials.js';

const places: readonly Option[] = [
  { flags: '--folder <folder>', says: say('Another folder of audit files', '其他审计日志目录') },
  { flags: '--secrets <file>', says: say('The secrets.json that belongs to it', '对应的 secrets.json') },
];

/** @throws UserError `audit.secrets` without the secret that the log was written with */
async function logOf(input: Input, world: World): Promise<Log> {
  const { folder, secrets } = input.options as { folder?: string; secrets?: string };
  if (folder === undefined || secrets === undefined) await needDeployment(world);
  const gateway = gatewayDirectory(world.places.home);
  const file = secrets === undefined ? secretsFile(gateway) : resolve(world.cwd, secrets);
  const text = await world.files.readIfAny(file);
  const secret = text === undefined ? undefined : (JSON.parse(text) as Secrets).auditSecret;
  if (secret) {
    const at = folder === undefined ? auditFolder(gateway) : resolve(world.cwd, folder);
    return { files: world.files, folder: at, secret };
  }
  throw new UserError('audit.secrets', say(`There is no audit secret in ${file}.`, `${file} 中没有审计密钥。`), {
    hint: say('init makes one: deepseek-deploy init', '由 init 生成：deepseek-deploy init'),
    exit: 'unready',
  });
}

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
    { line: 'audit query --since 1h --status 5xx', says: say('What failed in the last hour', '最近一小时的失败请求') },
    { line: 'audit query --id 4f1c…', says: say('One request by its X-Request-Id', '按 X-Request-Id 查找一个请求') },
  ],
  run: async (input, world) => {
    const log = await logOf(input, world);
    const limit = (input.options.limit as number | undefined) ?? 50;
    const broken = brokenFiles(world);
    const last: Entry[] = [];
    for await (const entry of entries(log, filterOf(input, nowOf(world)), broken.note)) {
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
      line: 'audit export --since 30d --tenant shop --to shop.ndjson',
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
    const path = isAbsolute(to) ? to : resolve(world.cwd, to);
    const count = await toFile(world, path, lines);
    if (input.json) json(world, { file: path, lines: count });
    else world.ui.line(say(`${count} lines in ${path}`, `${path} 中共 ${count} 行`));
    return broken.tell();
  },
};

function headOf(text: string | undefined): Link | undefined {
  if (text === undefined) return undefined;
  const [, seq, mac] = /^(\d{1,15}):([A-Za-z0-9+/]{24})$/.exec(text) ?? [];
  if (seq !== undefined && mac !== undefined) return { seq: Number(seq), mac };
  throw new UserError('audit.head', say(`'${text}' is no head of a log.`, `“${text}”不是链头。`), {
    hint: say('audit verify prints it: 12:AbC…', 'audit verify 会打印，形如 12:AbC…'),
    exit: 'usage',
  });
}

const place = ({ file, line }: Finding): string => (line === undefined ? file : `${file}:${line}`);
const shownHead = ({ seq, mac }: Link): string => `${seq}:${mac}`;

function tellVerdict(world: World, { files, lines, pruned, problems, notes, head }: Verdict): void {
  const { ui } = world;
  const all = [...problems.map((one) => [ui.paint.bad('✗'), one] as const), ...notes.map((one) => ['!', one] as const)];
  for (const [mark, one] of all) ui.line(`${mark} ${place(one)}  ${ui.text(one.text)}`);
  if (all.length > 0) ui.line();
  ui.line(
    say(
      `Lines: ${lines}. Files: ${files}, and ${pruned} pruned.`,
      `${files} 个文件共 ${lines} 行；已清理 ${pruned} 个文件`,
    ),
  );
  ui.line(
    problems.length === 0
      ? say('All is as it was written.', '全部与写入时一致。')
      : say(`${problems.length} problems`, `发现 ${problems.length} 个问题`),
  );
  if (head.seq > 0) {
    ui.line(
      say(
        `Head: ${shownHead(head)}. Kept elsewhere, it proves later that nothing newer was taken away (--head).`,
        `链头：${shownHead(head)}。另行保存后，可用 --head 证明其后的内容未被移除。`,
      ),
    );
  }
}

const verifyAll: Verb = {
  options: [
    { flags: '--head <head>', says: say('The head that an earlier verify printed', '此前 verify 打印的链头') },
    ...places,
  ],
  run: async (input, world) => {
    const log = await logOf(input, world);
    const noted = headOf(input.options.head as string | undefined);
    const verdict = await verify(log, noted);
    if (input.json) json(world, { ...verdict, head: verdict.head.seq > 0 ? shownHead(verdict.head) : null });
    else tellVerdict(world, verdict);
    return verdict.problems.length > 0 ? 'problem' : undefined;
  },
};

/** @throws UserError `audit.prune-days` */
function daysOf(text: string | undefined): number {
  const [, days] = /^(\d{1,5})d?$/.exec(text ?? `${leastDays}d`) ?? [];
  if (days !== undefined && Number(days) >= leastDays) return Number(days);
  throw new UserError(
    'audit.prune-days',
    say(`The audit log is kept for ${leastDays} days at the least.`, `审计日志至少保留 ${leastDays} 天。`),
    { hint: say(`For example: --older-than ${leastDays}d`, `例如：--older-than ${leastDays}d`), exit: 'usage' },
  );
}

async function confirmed(world: World, old: readonly Old[], yes: boolean): Promise<void> {
  if (yes || old.length === 0) return;
  for (const { file, lines } of old) world.ui.line(`  ${file}  ${lines}`);
  const question = say(`Remove these ${old.length} files?`, `删除这 ${old.length} 个文件？`);
  if (world.ui.interactive && (await world.ui.confirm(question, false))) return;
  throw new UserError('audit.prune-confirm', say('Nothing was removed: it needs a yes.', '未删除：需要确认。'), {
    hint: say('Type: deepseek-deploy audit prune --yes', '请输入：deepseek-deploy audit prune --yes'),
    exit: 'usage',
  });
}

/** A file that is not as it was written is evidence, and stays. */
async function sound(log: Log, old: readonly Old[]): Promise<readonly Old[]> {
  const found: Old[] = [];
  for (const one of old) {
    const { problems, link } = await readFile(log, one.file);
    if (problems.length === 0 && link.mac === one.last) found.push(one);
  }
  return found;
}

const pruneOld: Verb = {
  options: [
    { flags: '--older-than <days>', says: say('At least 180d', '至少 180d'), initial: `${leastDays}d` },
    ...places,
  ],
  run: async (input, world) => {
    const days = daysOf(input.options.olderThan as string | undefined);
    const log = await logOf(input, world);
    const [removed, kept] = await locked(world, 'audit prune', async () => {
      const old = await oldFiles(log, days, nowOf(world));
      const good = await sound(log, old);
      await confirmed(world, good, input.yes);
      await prune(log, good, nowOf(world));
      return [good, old.filter((one) => !good.includes(one))] as const;
    });
    const files = (list: readonly Old[]): string[] => list.map(({ file }) => file);
    if (input.json) json(world, { removed: files(removed), kept: files(kept) });
    else {
      world.ui.line(say(`${removed.length} files removed`, `已删除 ${removed.length} 个文件`));
      for (const file of files(kept)) {
        world.ui.line(say(`${file} was changed since it was written, and stays.`, `${file} 写入后被改动，予以保留。`));
      }
    }
    return kept.length > 0 ? 'problem' : undefined;
  },
};

export const verb: Verb = {
  verbs: [
    { name: 'query', says: say('Show requests, the last ones by default', '查看请求，默认最近的'), verb: query },
    { name: 'verify', says: say('Whether the log is as it was written', '检查日志是否与写入时一致'), verb: verifyAll },
    { name: 'export', says: say('All lines, a JSON object each', '导出全部记录，每行一个 JSON'), verb: exportAll },
    { name: 'prune', says: say('Remove files older than 180 days', '删除超过 180 天的文件'), verb: pruneOld },
  ],
};
