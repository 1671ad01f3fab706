/** Everything an install takes from the network as one signed file, made on a machine that has one. */
import { resolve } from 'node:path';
import { anyMachine } from '../bundle/collect.js';
import { lackingLocal } from '../bundle/here.js';
import { kernelsOf } from '../bundle/kernels.js';
import { lacking, needsOf, together } from '../bundle/needs.js';
import { type Bundle, openBundle } from '../bundle/open.js';
import { isKey, ownKey } from '../bundle/seal.js';
import { systems } from '../bundle/system.js';
import { settingsOf } from '../config/settings.js';
import { UserError, usageError } from '../errors.js';
import { checkWhole } from '../fleet/bundle.js';
import type { Distribution } from '../install/distribution.js';
import { say, type Text } from '../say.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import type { Input, Option, Verb } from '../verb.js';
import type { World } from '../world.js';
import { create } from './bundle-create.js';
import { show, summaryOf } from './bundle-words.js';
import { configOption } from './cluster.js';

const names = Object.keys(systems).join(', ');

const kernelOption: Option = {
  flags: '--kernel <release>',
  says: say(
    'Kernel of GPU hosts, as uname -r prints it there, for the NVIDIA driver: [system=]release; may be repeated',
    'GPU 主机的内核（其上 uname -r 的输出），用于 NVIDIA 驱动：[系统=]版本；可重复',
  ),
  kind: 'list',
};

const noGpu: Option = {
  flags: '--no-gpu',
  says: say('No host has GPUs: nothing is needed for them', '没有带 GPU 的主机，无需 GPU 相关内容'),
};

/** What an install by a configuration would miss in it, for each of its systems; undefined where none is named. */
async function lacksFor(bundle: Bundle, input: Input, world: World): Promise<readonly Text[] | undefined> {
  const file = input.options.config as string | undefined;
  if (file === undefined) return undefined;
  const { config } = await settingsOf(world, file, []);
  const { manifest } = bundle;
  if (manifest.target === 'local') return lackingLocal(bundle, config);
  const wanted = { config, gpu: input.options.gpu !== false };
  return manifest.systems.flatMap(({ id }) => {
    const [, name, arch] = /^(.+)-(amd64|arm64)$/.exec(id) ?? [];
    const system = systems[name ?? ''];
    if (!system) return [];
    const distribution = { ...system, arch: arch as Distribution['arch'] };
    const kernels = kernelsOf(distribution, (input.options.kernel as readonly string[] | undefined) ?? []);
    const machines = (kernels.length > 0 ? kernels : [undefined]).map((kernel) =>
      anyMachine(wanted, distribution, world, kernel),
    );
    return lacking(manifest, id, together(machines.map((machine) => needsOf(kubernetesSteps, machine))));
  });
}

async function verify(input: Input, world: World): Promise<'problem' | undefined> {
  const wanted = input.options.key as string | undefined;
  if (wanted !== undefined && !isKey(wanted))
    throw usageError(
      'bundle.key-form',
      say('That is no key of a bundle.', '这不是离线包的密钥。'),
      say('44 characters, as bundle create prints it.', '应为 bundle create 打印的 44 个字符。'),
    );
  const bundle = await openBundle(resolve(world.cwd, input.args[0]!), world);
  const { path, manifest, key } = bundle;
  if (wanted !== undefined && wanted !== key)
    throw new UserError(
      'bundle.key',
      say(`${path} is signed by ${key}, not by ${wanted}.`, `${path} 由 ${key} 签名，而非 ${wanted}。`),
      { exit: 'problem' },
    );
  await checkWhole(bundle, world);
  const lacks = await lacksFor(bundle, input, world);
  const exit = lacks && lacks.length > 0 ? 'problem' : undefined;
  const known = wanted !== undefined || (await ownKey(world)) === key;
  if (input.json) {
    const more = lacks ? { lacks: lacks.map(({ en }) => en) } : {};
    const answer = { file: path, whole: true, key, keyKnown: known, ...more, ...summaryOf(manifest) };
    world.ui.out(`${JSON.stringify(answer, null, 2)}\n`);
    return exit;
  }
  show(path, manifest, key, world);
  world.ui.line();
  world.ui.line(say('Every file is what was signed.', '所有文件均与签名一致。'));
  for (const { en, zh } of lacks ?? []) world.ui.line(say(`It lacks ${en}`, `缺少 ${zh}`));
  if (lacks?.length === 0)
    world.ui.line(say('It has all that this configuration needs.', '包含此配置所需的全部内容。'));
  if (!known)
    world.ui.line(
      world.ui.paint.warn(
        world.ui.text(
          say('Whether that key is to be trusted is yours to say: --key KEY', '该密钥是否可信需由您确认：--key 密钥'),
        ),
      ),
    );
  return exit;
}

export const verb: Verb = {
  verbs: [
    {
      name: 'create',
      says: say('Collect all that an install needs', '收集安装所需的全部内容'),
      verb: {
        options: [
          {
            flags: '--target <target>',
            says: say(
              'What it installs: one machine, or a cluster; by default what the file says',
              '安装目标：单机或集群，默认以配置文件为准',
            ),
            choices: ['local', 'kubernetes'],
          },
          {
            flags: '--os <system>',
            says: say(
              `System of the hosts, may be repeated: ${names}`,
              `主机系统，可重复：${names.replaceAll(', ', '、')}`,
            ),
            kind: 'list',
          },
          configOption,
          noGpu,
          kernelOption,
          {
            flags: '--model <id>',
            says: say(
              'Weights of this model of the catalogue too, may be repeated',
              '同时包含目录中该模型的权重，可重复',
            ),
            kind: 'list',
          },
          {
            flags: '--hub <hub>',
            says: say(
              'Where models come from: huggingface, modelscope, or the address of a mirror',
              '模型来源：huggingface、modelscope 或镜像地址',
            ),
          },
          { flags: '--out <file>', says: say('The file to write', '要写出的离线包文件'), initial: 'deepseek.bundle' },
        ],
        examples: [
          {
            line: 'deepseek-deploy bundle create --os debian12 --config deepseek.yaml --out debian12.bundle',
            says: say('For hosts with Debian 12', '用于 Debian 12 主机'),
          },
          {
            line: 'deepseek-deploy bundle create --target local --os debian12 --model deepseek-r1-distill-qwen-1.5b',
            says: say('For one machine without GPUs', '用于一台无 GPU 的机器'),
          },
        ],
        run: (input, world) => create({ ...input, options: { out: 'deepseek.bundle', ...input.options } }, world),
      },
    },
    {
      name: 'verify',
      says: say('Check every file and the signature', '校验所有文件和签名'),
      verb: {
        args: [{ name: '<file>', says: say('A bundle', '离线包') }],
        options: [
          {
            flags: '--key <key>',
            says: say(
              'The key it must be signed with, as `bundle create` printed it',
              '签名所用的密钥，由 `bundle create` 打印',
            ),
          },
          {
            flags: '-c, --config <file>',
            says: say('Also whether it has all that this configuration needs', '同时检查是否包含此配置所需的全部内容'),
          },
          noGpu,
          kernelOption,
        ],
        run: verify,
      },
    },
  ],
};
