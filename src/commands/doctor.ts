import { doctorIds, judge } from '../checks/node.js';
import { doctorJson, doctorLines, isWell } from '../checks/node-lines.js';
import type { Config } from '../config/config.js';
import { isMachineName } from '../config/hosts.js';
import type { Override, Plain } from '../config/load.js';
import { settingsOf } from '../config/settings.js';
import { UserError } from '../errors.js';
import { type Examined, examine } from '../fleet/examine.js';
import { openHosts } from '../fleet/open.js';
import { sudoPassword } from '../fleet/password.js';
import { say } from '../say.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';

const listOf = (input: Input, name: string): readonly string[] =>
  ((input.options[name] as readonly string[] | undefined) ?? [])
    .flatMap((word) => word.split(','))
    .map((word) => word.trim());

/** @throws UserError `doctor.unknown` for what names no check and no group of checks */
function onlyOf(input: Input): readonly string[] {
  const words = listOf(input, 'only').filter((word) => word !== '');
  const unknown = words.filter((word) => !doctorIds.some((id) => id === word || id.startsWith(`${word}.`)));
  if (unknown.length === 0) return words;
  const groups = [...new Set(doctorIds.map((id) => id.split('.')[0]!))];
  throw new UserError(
    'doctor.unknown',
    say(`There is no check called ${unknown.join(', ')}.`, `没有名为 ${unknown.join('、')} 的检查。`),
    {
      hint: say(
        `Groups: ${groups.join(', ')}. Ids: ${doctorIds.join(', ')}`,
        `分组：${groups.join('、')}。编号：${doctorIds.join('、')}`,
      ),
      exit: 'usage',
    },
  );
}

/** 'root@10.0.0.11', 'gpu-1', 'ops@gpu-2:2222': what may stand there the configuration's own rules say. */
function machineOf(text: string, at: number): [string, Plain] {
  const [, user, address, port] = /^(?:([^@]*)@)?(.*?)(?::(\d{1,5}))?$/.exec(text)!;
  const word = address!.toLowerCase().replaceAll('.', '-');
  const name = isMachineName(word) ? word : `host-${at + 1}`;
  return [
    name,
    {
      address: address!,
      roles: ['control-plane', 'worker'],
      ...(user === undefined ? {} : { user }),
      ...(port === undefined ? {} : { port: Number(port) }),
    },
  ];
}

async function configOf(input: Input, world: World): Promise<Config> {
  const asked = input.options.config as string | undefined;
  const here = (await world.files.stat(`${world.cwd}/deepseek.yaml`)) ? 'deepseek.yaml' : undefined;
  const hosts = listOf(input, 'host');
  const flags: Override[] =
    hosts.length === 0
      ? []
      : [{ path: 'hosts.machines', value: Object.fromEntries(hosts.map(machineOf)), flag: '--host' }];
  return (await settingsOf(world, asked ?? here, flags)).config;
}

async function withHosts<T>(
  config: Config,
  input: Input,
  world: World,
  work: (hosts: readonly Examined[]) => Promise<T>,
): Promise<T> {
  if (Object.keys(config.hosts.machines).length === 0) {
    const name = (await world.host.run({ argv: ['uname', '-n'], timeoutMs: 5000 })).stdout.trim() || 'localhost';
    return work([{ name, roles: ['control-plane', 'worker'], world }]);
  }
  const fleet = await openHosts(config, world, {
    acceptNewHostKeys: input.options.acceptNewHostKeys === true,
    sudoPassword: input.options.askSudoPassword === true ? await sudoPassword(world) : undefined,
  });
  try {
    return await work(
      fleet.hosts.map(({ name, roles, host, world: there }) => ({
        ...{ name, roles, world: there, address: host.target.address },
        connect: () => host.connect(),
      })),
    );
  } finally {
    await fleet.close();
  }
}

const docs = (world: World): string =>
  `${world.places.package}/docs/${world.ui.lang === 'zh' ? 'doctor.zh-CN.md' : 'doctor.md'}`;

export const verb: Verb = {
  options: [
    {
      flags: '-c, --config <file>',
      says: say(
        'Whose hosts; by default ./deepseek.yaml if it is there',
        '含主机列表的配置文件，默认为 ./deepseek.yaml（若存在）',
      ),
    },
    {
      flags: '--host <user@address>',
      says: say('A host reached over ssh, several times for several', '通过 ssh 访问的主机，可重复指定'),
      kind: 'list',
    },
    {
      flags: '--only <ids>',
      says: say('Some checks, by id or by group: cri,host.swap', '只运行部分检查（按编号或分组）：cri,host.swap'),
      kind: 'list',
    },
    {
      flags: '--accept-new-host-keys',
      says: say('Trust hosts met for the first time', '信任首次连接的主机密钥'),
    },
    {
      flags: '--ask-sudo-password',
      says: say('Ask for the password of sudo, or read it from standard input', '询问 sudo 密码，或从标准输入读取'),
    },
  ],
  examples: [
    {
      line: 'deepseek-deploy doctor',
      says: say('This machine, or the hosts of deepseek.yaml', '检查本机，或 deepseek.yaml 中的主机'),
    },
    {
      line: 'deepseek-deploy doctor --host root@10.0.0.11 --host root@10.0.0.12',
      says: say('Two hosts, and whether they get along', '检查两台主机及其相互关系'),
    },
    { line: 'deepseek-deploy doctor --only gpu,driver', says: say('GPUs and their driver', '只检查 GPU 与驱动') },
  ],
  async run(input, world) {
    const only = onlyOf(input);
    const config = await configOf(input, world);
    return withHosts(config, input, world, async (hosts) => {
      const looking = say('Looking at the hosts', '正在检查主机');
      const limit = config.hosts.parallel;
      const survey = await world.ui.wait(looking, () => examine(hosts, config.kubernetes, limit, world));
      const outcomes = judge(survey, only);
      if (input.json) world.ui.out(`${JSON.stringify(doctorJson(survey, outcomes), null, 2)}\n`);
      else for (const line of doctorLines(survey, outcomes, docs(world), world.ui)) world.ui.line(line);
      return isWell(survey, outcomes) ? 'ok' : 'problem';
    });
  },
};
