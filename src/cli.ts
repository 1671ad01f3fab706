import { Command, CommanderError, Option as Flag, InvalidArgumentError } from 'commander';
import { type Exit, exitCode, UserError } from './errors.js';
import { type Lang, langOf, say, type Text } from './say.js';
import { columns, wrap } from './table.js';
import type { Input, Option, Value, Verb } from './verb.js';
import type { World } from './world.js';

interface Entry {
  readonly name: string;
  readonly says: Text;
  readonly load: () => Promise<{ readonly verb: Verb }>;
}

/** The table of contents. The file of a command is loaded when that command was typed. */
export const verbs: readonly Entry[] = [
  {
    name: 'init',
    says: say(
      'A served, tested model on this machine; or a cluster of hosts',
      '在本机部署并测试模型服务；或由多台主机建立集群',
    ),
    load: () => import('./commands/init.js'),
  },
  {
    name: 'plan',
    says: say('What `init` would do on each host of a cluster', '查看 init 将在集群各主机上执行的操作'),
    load: () => import('./commands/plan.js'),
  },
  {
    name: 'apply',
    says: say('Do exactly what a plan says, or refuse', '严格按计划执行，否则拒绝'),
    load: () => import('./commands/apply.js'),
  },
  {
    name: 'bundle',
    says: say('All that an install needs, as one file: create, verify', '离线包：制作、校验'),
    load: () => import('./commands/bundle.js'),
  },
  {
    name: 'node',
    says: say('Hosts of a cluster: add, drain, remove', '集群主机：添加、排空、移除'),
    load: () => import('./commands/node.js'),
  },
  {
    name: 'reset',
    says: say('Undo what we did on the hosts of a cluster', '撤销我们在集群主机上的安装'),
    load: () => import('./commands/reset.js'),
  },
  {
    name: 'status',
    says: say('What runs here, and whether it is well', '这里在运行什么，是否正常'),
    load: () => import('./commands/status.js'),
  },
  {
    name: 'logs',
    says: say('What the engine, the gateway and the supervisor wrote', '引擎、网关和守护进程的日志'),
    load: () => import('./commands/logs.js'),
  },
  {
    name: 'smoke',
    says: say('Check the endpoint, one promise of the API at a time', '逐项检查接口是否遵守 API 约定'),
    load: () => import('./commands/smoke.js'),
  },
  {
    name: 'bench',
    says: say('Measure throughput and latency: QPS, TTFT, TPOT', '测量吞吐与延迟：QPS、TTFT、TPOT'),
    load: () => import('./commands/bench.js'),
  },
  {
    name: 'keys',
    says: say('API keys: create, list, limit, revoke', 'API 密钥：创建、列出、限额、吊销'),
    load: () => import('./commands/keys.js'),
  },
  {
    name: 'clients',
    says: say('OAuth2 clients: create, list, limit, rotate, revoke', 'OAuth2 客户端：创建、列出、限额、更换密钥、吊销'),
    load: () => import('./commands/clients.js'),
  },
  {
    name: 'audit',
    says: say('The audit log: query, verify, export, prune', '审计日志：查询、校验、导出、清理'),
    load: () => import('./commands/audit.js'),
  },
  {
    name: 'probe',
    says: say('Show this machine: GPUs, driver, CPU, memory, disk', '查看这台机器：GPU、驱动、CPU、内存、磁盘'),
    load: () => import('./commands/probe.js'),
  },
  {
    name: 'doctor',
    says: say('What stands between these hosts and a GPU cluster', '检查主机能否组成 GPU 集群'),
    load: () => import('./commands/doctor.js'),
  },
  {
    name: 'down',
    says: say('Stop what runs here; --purge removes what we made', '停止本机上的服务；--purge 删除我们创建的内容'),
    load: () => import('./commands/down.js'),
  },
  {
    name: 'completion',
    says: say('Print a completion script for bash, zsh or fish', '输出 bash、zsh 或 fish 的补全脚本'),
    load: () => import('./commands/completion.js'),
  },
];

export const globalOptions: readonly Option[] = [
  {
    flags: '--lang <lang>',
    says: say('Language, by default from the locale', '语言，默认取自系统区域设置'),
    choices: ['en', 'zh'],
  },
  { flags: '--json', says: say('One JSON document on standard output', '在标准输出打印一个 JSON 文档') },
  { flags: '-y, --yes', says: say('Ask nothing, take the defaults', '不提问，采用默认值') },
  { flags: '--verbose', says: say('Show what led to a failure', '显示失败的原因链') },
];

/** What has to be known before anything can be said. */
export interface Manner {
  readonly lang: Lang;
  readonly json: boolean;
  readonly yes: boolean;
  readonly verbose: boolean;
}

/** Reads the global flags wherever they stand, before the parser does: its own errors need a language too. */
export function mannerOf(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Manner {
  const words = argv.slice(0, argv.indexOf('--') < 0 ? undefined : argv.indexOf('--'));
  const at = words.findIndex((word) => word === '--lang' || word.startsWith('--lang='));
  const lang = at < 0 ? undefined : words[at] === '--lang' ? words[at + 1] : words[at]!.slice('--lang='.length);
  return {
    lang: lang === 'en' || lang === 'zh' ? lang : langOf(env),
    json: words.includes('--json'),
    yes: words.includes('--yes') || words.includes('-y'),
    verbose: words.includes('--verbose'),
  };
}

/** Everything the CLI does, in-process: a test hands in its own world. The exit status is the answer. */
export async function run(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  open: (manner: Manner) => World | Promise<World>,
  version: string,
): Promise<number> {
  const manner = mannerOf(argv, env);
  const world = await open(manner);
  let exit: Exit | undefined;
  try {
    const program = await build(argv, manner, world, version, (code) => {
      exit = code;
    });
    await program.parseAsync(argv, { from: 'user' });
    return exitCode[exit ?? 'ok'];
  } catch (error) {
    return fail(error, world, manner);
  }
}

async function fail(thrown: unknown, world: World, manner: Manner): Promise<number> {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCode.ok;
  const error = thrown instanceof CommanderError ? usage(thrown) : thrown;
  if (world.stop.aborted && !(error instanceof UserError)) return exitCode.interrupted;
  const { failureJson, showFailure } = await import('./failure.js');
  if (manner.json) world.ui.out(`${failureJson(error)}\n`);
  showFailure(error, world.ui, manner.verbose);
  return error instanceof UserError ? exitCode[error.exit] : exitCode.bug;
}

async function build(
  argv: readonly string[],
  manner: Manner,
  world: World,
  version: string,
  ended: (exit: Exit | undefined) => void,
): Promise<Command> {
  const text = (words: Text): string => words[manner.lang];
  const program = frame(new Command('deepseek-deploy'), text, world);
  program
    .version(version, '--version', text(say('Print the version', '显示版本')))
    .description(text(say('A private DeepSeek API on your own machines.', '在自己的机器上运行私有的 DeepSeek API。')));
  for (const option of globalOptions) program.addOption(flag(option, text));
  const typed = argv.find((word) => verbs.some(({ name }) => name === word));
  for (const entry of verbs) {
    const command = program.command(entry.name).description(text(entry.says));
    if (entry.name === typed) dress(command, (await entry.load()).verb, manner, world, text, ended);
  }
  return program;
}

/** Options, arguments, examples and action of one verb; sub-verbs inside it the same way. */
function dress(
  command: Command,
  verb: Verb,
  manner: Manner,
  world: World,
  text: (words: Text) => string,
  ended: (exit: Exit | undefined) => void,
): void {
  frame(command, text, world);
  for (const option of [...(verb.options ?? []), ...globalOptions]) command.addOption(flag(option, text));
  for (const argument of verb.args ?? []) command.argument(argument.name, text(argument.says));
  for (const inner of verb.verbs ?? []) {
    dress(command.command(inner.name).description(text(inner.says)), inner.verb, manner, world, text, ended);
  }
  const examples = verb.examples ?? [];
  if (examples.length > 0) {
    const lines = examples.map(({ line, says }) => `  ${world.ui.paint.dim(`# ${text(says)}`)}\n  ${line}`);
    command.addHelpText('after', `\n${text(say('Examples:', '示例：'))}\n${lines.join('\n')}`);
  }
  const action = verb.run;
  if (!action) return;
  command.action(async () => {
    const input: Input = { args: command.args, options: command.opts<Record<string, Value>>(), ...manner };
    ended(await action(input, world));
  });
}

const headings: Readonly<Record<string, Text>> = {
  'Usage:': say('Usage:', '用法：'),
  'Options:': say('Options:', '选项：'),
  'Commands:': say('Commands:', '命令：'),
  'Arguments:': say('Arguments:', '参数：'),
};

function frame(command: Command, text: (words: Text) => string, world: World): Command {
  return command
    .exitOverride()
    .helpOption('-h, --help', text(say('Show this help', '显示此帮助')))
    .helpCommand(false)
    .configureHelp({
      styleTitle: (title) => world.ui.paint.strong(headings[title] ? text(headings[title]) : title),
      helpWidth: Math.min(world.ui.width, 110),
      displayWidth: columns,
      boxWrap: wrap,
      optionDescription: ({ description }) => description,
    })
    .configureOutput({ writeOut: (words) => world.ui.out(words), writeErr: () => {}, outputError: () => {} });
}

/** What may be said, and what holds where nothing is. */
function notesOf({ choices = [], initial }: Option): Text {
  const usual = initial === undefined ? [] : [say(`default: ${initial}`, `默认：${initial}`)];
  const notes = [...(choices.length > 0 ? [say(choices.join(', '), choices.join('、'))] : []), ...usual];
  if (notes.length === 0) return say('', '');
  return say(` (${notes.map(({ en }) => en).join('; ')})`, `（${notes.map(({ zh }) => zh).join('；')}）`);
}

function flag(option: Option, text: (words: Text) => string): Flag {
  const made = new Flag(option.flags, text(option.says) + text(notesOf(option)));
  if (option.choices) made.choices([...option.choices]);
  if (option.hidden) made.hideHelp();
  if (option.kind === 'list') made.argParser((word: string, before: string[] = []) => [...before, word]);
  if (option.kind === 'integer' || option.kind === 'number') made.argParser((word: string) => number(word, option));
  return made;
}

function number(word: string, { kind, min = -Infinity, max = Infinity }: Option): number {
  const value = word.trim() === '' ? Number.NaN : Number(word);
  if (Number.isFinite(value) && (kind === 'number' || Number.isInteger(value)) && value >= min && value <= max) {
    return value;
  }
  const from = min > -Infinity ? ` from ${min}` : '';
  const to = max < Infinity ? ` up to ${max}` : from && ' on';
  throw new InvalidArgumentError(`Allowed is ${kind === 'integer' ? 'a whole number' : 'a number'}${from}${to}`);
}

/** The parser's complaint in both languages; its English sentence names the flag or word between quotes. */
function usage(error: CommanderError): UserError {
  const words = error.message.replace(/^error: /, '').replace(/\n\(Did you mean (.+?)\?\)$/s, '');
  const named = /'([^']+)'/.exec(words)?.[1] ?? '';
  const meant = /\(Did you mean (.+?)\?\)/s.exec(error.message)?.[1];
  const chinese: Readonly<Record<string, string>> = {
    'commander.unknownOption': `未知选项 ${named}`,
    'commander.unknownCommand': `未知命令 ${named}`,
    'commander.missingArgument': `缺少参数 ${named}`,
    'commander.optionMissingArgument': `选项 ${named} 缺少值`,
    'commander.excessArguments': '参数过多',
    'commander.invalidArgument': `选项或参数的值无效：${words}`,
    'commander.help': '需要一个命令',
  };
  const english = error.code === 'commander.help' ? 'a command is needed' : words;
  const sentence = english.charAt(0).toUpperCase() + english.slice(1).replace(/\.$/, '');
  return new UserError('usage', say(`${sentence}.`, `${chinese[error.code] ?? words}。`), {
    exit: 'usage',
    hint: meant
      ? say(`Did you mean ${meant}?`, `是否想输入 ${meant}？`)
      : say('See what there is: deepseek-deploy --help', '查看用法：deepseek-deploy --help'),
  });
}
