/** Everything an install takes from the network as one signed file, made on a machine that has one. */
import { resolve } from 'node:path';
import { anyMachine, collect } from '../bundle/collect.js';
import type { Note } from '../bundle/contents.js';
import type { Manifest } from '../bundle/manifest.js';
import { lacking, needsOf } from '../bundle/needs.js';
import { type Bundle, openBundle } from '../bundle/open.js';
import { isKey, ownKey } from '../bundle/seal.js';
import { systems } from '../bundle/system.js';
import { writeBundle } from '../bundle/write.js';
import { settingsOf } from '../config/settings.js';
import { UserError } from '../errors.js';
import { checkWhole } from '../fleet/bundle.js';
import type { Distribution } from '../install/distribution.js';
import { bytesText, Meter, progressText } from '../models/progress.js';
import { say, type Text } from '../say.js';
import { table } from '../table.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import type { Input, Option, Verb } from '../verb.js';
import type { World } from '../world.js';
import { configOption } from './cluster.js';

const usage = (id: string, text: ReturnType<typeof say>, hint: ReturnType<typeof say>): UserError =>
  new UserError(id, text, { hint, exit: 'usage' });

const names = Object.keys(systems).join(', ');

/** @throws UserError `bundle.os` */
function systemsIn(asked: readonly string[], arch: Distribution['arch']): Distribution[] {
  const hint = say(`Of these, one or several: ${names}`, `可用（可重复指定）：${names}`);
  if (asked.length === 0)
    throw usage('bundle.os', say('For which system? --os is needed.', '需要用 --os 指定目标系统。'), hint);
  return [...new Set(asked)].map((name) => {
    const system = systems[name];
    if (system) return { ...system, arch };
    throw usage('bundle.os', say(`No bundle can be made for ${name}.`, `无法为 ${name} 制作离线包。`), hint);
  });
}

const noGpu: Option = { flags: '--no-gpu', says: say('No host has GPUs', '没有带 GPU 的主机') };

const tools = ['apt-get', 'apt-cache', 'dpkg-deb', 'gpg', 'curl'];

/** @throws UserError `bundle.tools`, exit 'unready' */
async function archHere(world: World): Promise<Distribution['arch']> {
  const script = 'for name; do command -v "$name" >/dev/null || echo "$name"; done; uname -m';
  const { stdout } = await world.host.run({ argv: ['sh', '-c', script, 'tools', ...tools] });
  const lines = stdout.trim().split('\n');
  const machine = lines.pop();
  const arch = ({ x86_64: 'amd64', aarch64: 'arm64' } as const)[machine as 'x86_64'];
  const absent = [...lines, ...(arch ? [] : [machine])];
  if (arch && absent.length === 0) return arch;
  throw new UserError(
    'bundle.tools',
    say(
      `This machine cannot collect packages: it lacks ${absent.join(', ')}.`,
      `本机无法收集软件包：缺少 ${absent.join('、')}。`,
    ),
    {
      hint: say('Use a Debian or Ubuntu machine, also in a container.', '请使用 Debian 或 Ubuntu 机器，容器亦可。'),
      exit: 'unready',
    },
  );
}

const sizeOf = ({ files }: Manifest, folder: string): number =>
  files.filter(({ path }) => path.startsWith(folder)).reduce((sum, { bytes }) => sum + bytes, 0);

const summaryOf = (manifest: Manifest) => ({
  format: manifest.format,
  createdAt: manifest.createdAt,
  kubernetes: manifest.kubernetes,
  systems: manifest.systems.map(({ id, packages }) => ({
    id,
    packages: packages.length,
    bytes: sizeOf(manifest, `packages/${id}/`),
  })),
  images: { count: manifest.images.length, bytes: sizeOf(manifest, 'images/') },
  manifests: manifest.files.filter(({ path }) => path.startsWith('manifests/')).length,
});

function show(file: string, manifest: Manifest, key: string, world: World): void {
  const { ui } = world;
  const { kubernetes, systems: all, images, createdAt } = summaryOf(manifest);
  const rows = [
    [ui.text(say('file', '文件')), file],
    ['Kubernetes', kubernetes],
    ...all.map(({ id, packages, bytes }) => [
      id,
      ui.text(say(`${packages} packages`, `${packages} 个软件包`)),
      bytesText(bytes),
    ]),
    [ui.text(say('images', '镜像')), String(images.count), bytesText(images.bytes)],
    [ui.text(say('made', '制作时间')), createdAt],
    [ui.text(say('signed by', '签名密钥')), key],
  ];
  for (const line of table(rows, [], '  ')) ui.line(line);
}

const parts = [
  { id: 'packages', title: say('Packages with all they depend on', '软件包及其依赖') },
  { id: 'manifests', title: say('Manifests', '清单文件') },
  { id: 'images', title: say('Images', '镜像') },
  { id: 'write', title: say('The bundle, written and signed', '写入并签名') },
] as const;

async function create(input: Input, world: World): Promise<undefined> {
  const { options } = input;
  const out = resolve(world.cwd, String(options.out));
  const asked = (options.os as readonly string[] | undefined) ?? [];
  const here = systemsIn(asked, 'amd64').length > 0 ? await archHere(world) : 'amd64';
  const file = options.config as string | undefined;
  const found = file ?? ((await world.files.stat(`${world.cwd}/deepseek.yaml`)) ? 'deepseek.yaml' : undefined);
  const { config } = await settingsOf(world, found, []);
  const wanted = { config, systems: systemsIn(asked, here), gpu: options.gpu !== false, steps: kubernetesSteps };
  const tasks = await world.ui.tasks(parts);
  const part = async <T>(id: (typeof parts)[number]['id'], work: (note: Note) => Promise<T>): Promise<T> => {
    tasks.start(id);
    try {
      const value = await work((text) => tasks.note(id, text));
      tasks.done(id);
      return value;
    } catch (error) {
      tasks.fail(id, world.stop.aborted ? say('stopped', '已停止') : say('failed', '失败'));
      throw error;
    }
  };
  try {
    const { manifest, contents } = await collect(wanted, world, part);
    const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
    const { key, bytes } = await part('write', async (note) => {
      const meter = new Meter(
        'fetch',
        0,
        total,
        () => world.clock.monotonic(),
        (progress) => note(progressText(progress)),
      );
      return writeBundle(out, manifest, contents, world, (count) => meter.add(count));
    });
    await tasks.end();
    if (input.json) world.ui.out(`${JSON.stringify({ file: out, bytes, key, ...summaryOf(manifest) }, null, 2)}\n`);
    else {
      world.ui.line();
      show(out, manifest, key, world);
      world.ui.line();
      world.ui.line(
        say(
          `On the other side: deepseek-deploy init --target kubernetes --bundle FILE --bundle-key ${key}`,
          `在离线环境中：deepseek-deploy init --target kubernetes --bundle 文件 --bundle-key ${key}`,
        ),
      );
    }
  } finally {
    await tasks.end();
  }
  return undefined;
}

/** What an install by a configuration would miss in it, for each of its systems; undefined where none is named. */
async function lacksFor({ manifest }: Bundle, input: Input, world: World): Promise<readonly Text[] | undefined> {
  const file = input.options.config as string | undefined;
  if (file === undefined) return undefined;
  const { config } = await settingsOf(world, file, []);
  const wanted = { config, systems: [], gpu: input.options.gpu !== false, steps: kubernetesSteps };
  return manifest.systems.flatMap(({ id }) => {
    const [, name, arch] = /^(.+)-(amd64|arm64)$/.exec(id) ?? [];
    const system = systems[name ?? ''];
    if (!system) return [];
    const distribution = { ...system, arch: arch as Distribution['arch'] };
    return lacking(manifest, id, needsOf(kubernetesSteps, anyMachine(wanted, distribution, world)));
  });
}

async function verify(input: Input, world: World): Promise<'problem' | undefined> {
  const wanted = input.options.key as string | undefined;
  if (wanted !== undefined && !isKey(wanted))
    throw usage(
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
            flags: '--os <system>',
            says: say(`System of the hosts, again for more: ${names}`, `主机系统，可重复：${names}`),
            kind: 'list',
          },
          configOption,
          noGpu,
          { flags: '--out <file>', says: say('The bundle', '离线包文件'), initial: 'deepseek.bundle' },
        ],
        examples: [
          {
            line: 'deepseek-deploy bundle create --os debian12 --config deepseek.yaml --out debian12.bundle',
            says: say('For hosts with Debian 12', '用于 Debian 12 主机'),
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
          { flags: '--key <key>', says: say('Who must have signed it', '要求的签名密钥') },
          {
            flags: '-c, --config <file>',
            says: say('Also whether it has all that this configuration needs', '同时检查是否包含此配置所需的全部内容'),
          },
          noGpu,
        ],
        run: verify,
      },
    },
  ],
};
