/** `bundle create`: collected on a machine that has a network, then written and signed. */
import { resolve } from 'node:path';
import { collect, type PartId, partsOf, type Wanted } from '../bundle/collect.js';
import { planWeights, refuseFullDisk } from '../bundle/collect-weights.js';
import type { Note } from '../bundle/contents.js';
import type { Manifest } from '../bundle/manifest.js';
import { systems } from '../bundle/system.js';
import { weightsFolder } from '../bundle/weights.js';
import { writeBundle } from '../bundle/write.js';
import type { Config } from '../config/config.js';
import { settingsOf } from '../config/settings.js';
import { UserError, usageError } from '../errors.js';
import type { Distribution } from '../install/distribution.js';
import { nameOf } from '../models/name.js';
import { Meter, progressText } from '../models/progress.js';
import { say } from '../say.js';
import { kubernetesSteps } from '../targets/kubernetes.js';
import type { Input } from '../verb.js';
import type { World } from '../world.js';
import { show, summaryOf } from './bundle-words.js';

/** @throws UserError `bundle.os` */
function systemsIn(asked: readonly string[], target: Manifest['target'], arch: Distribution['arch']): Distribution[] {
  // What a single machine gets by packages is named as Debian names it.
  const known = Object.entries(systems).filter(([, { family }]) => target === 'kubernetes' || family === 'apt');
  const names = known.map(([name]) => name).join(', ');
  const hint = say(`Of these, one or several: ${names}`, `可用（可重复指定）：${names}`);
  if (asked.length === 0 && target === 'kubernetes')
    throw usageError('bundle.os', say('For which system? --os is needed.', '需要用 --os 指定目标系统。'), hint);
  return [...new Set(asked)].map((name) => {
    const [, system] = known.find(([one]) => one === name) ?? [];
    if (system) return { ...system, arch };
    throw usageError('bundle.os', say(`No bundle can be made for ${name}.`, `无法为 ${name} 制作离线包。`), hint);
  });
}

/** What collects packages of a family, and where that runs. */
const tools = {
  apt: {
    names: ['apt-get', 'apt-cache', 'dpkg-deb', 'gpg', 'curl'],
    hint: say('Use a Debian or Ubuntu machine, also in a container.', '请使用 Debian 或 Ubuntu 机器，容器亦可。'),
  },
  dnf: {
    names: ['dnf', 'rpm', 'createrepo_c', 'rpm2cpio', 'cpio', 'gpg', 'curl'],
    hint: say(
      'Use a machine of that system, also in a container: dnf install createrepo_c cpio gnupg2',
      '请使用运行该系统的机器，容器亦可：dnf install createrepo_c cpio gnupg2',
    ),
  },
} as const;

/** @throws UserError `bundle.tools`, exit 'unready' */
async function archHere(families: readonly Distribution['family'][], world: World): Promise<Distribution['arch']> {
  const needed = new Set(families.flatMap((family) => tools[family].names));
  const script = 'for name; do command -v "$name" >/dev/null || echo "$name"; done; uname -m';
  const { stdout } = await world.host.run({ argv: ['sh', '-c', script, 'tools', ...needed] });
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
    { hint: tools[families[0] ?? 'apt'].hint, exit: 'unready' },
  );
}

const listOf = (value: Input['options'][string]): readonly string[] => (value as readonly string[] | undefined) ?? [];

/** Those that are asked for; of one machine, else what its configuration serves. A file of one's own is no download. */
function modelsOf(asked: readonly string[], target: Manifest['target'], { model }: Config): readonly string[] {
  if (asked.length > 0 || target === 'kubernetes') return asked;
  return model.file === undefined ? [nameOf(model)] : [];
}

async function wantedOf(input: Input, world: World): Promise<Wanted> {
  const { options } = input;
  const file = options.config as string | undefined;
  const found = file ?? ((await world.files.stat(`${world.cwd}/deepseek.yaml`)) ? 'deepseek.yaml' : undefined);
  const { config, given } = await settingsOf(world, found, []);
  const target =
    (options.target as Manifest['target'] | undefined) ?? (given.has('target') ? config.target : 'kubernetes');
  const asked = listOf(options.os);
  // A name that is none is told before a tool that is missing.
  const families = systemsIn(asked, target, 'amd64').map(({ family }) => family);
  const arch = await archHere(families, world);
  const models = modelsOf(listOf(options.model), target, config);
  const { quantisation, id } = config.model;
  const wish = {
    models,
    form: target === 'local' ? ('gguf' as const) : ('safetensors' as const),
    quantisation: models.length === 1 && models[0] === id ? quantisation : undefined,
    hub: (options.hub as string | undefined) ?? config.model.hub,
  };
  const out = resolve(world.cwd, String(options.out));
  const listing = say('Asking the hub what there is', '正在查询模型站');
  const weights = models.length > 0 ? await world.ui.wait(listing, () => planWeights(wish, world)) : [];
  await refuseFullDisk(weights, out, world);
  const gpu = options.gpu !== false;
  const kernels = listOf(options.kernel);
  const all = systemsIn(asked, target, arch);
  return { config, target, out, weights, systems: all, arch, kernels, gpu, steps: kubernetesSteps };
}

const titles = {
  packages: say('Packages with all they depend on', '软件包及其依赖'),
  engine: say('The embedded engine', '内置引擎'),
  manifests: say('Manifests', '清单文件'),
  images: say('Images', '镜像'),
  weights: say('Model weights, beside the bundle', '模型权重（位于离线包旁）'),
  write: say('The bundle, written and signed', '写入并签名'),
} as const satisfies Readonly<Record<PartId | 'write', ReturnType<typeof say>>>;

/** Tells of each part as it goes. */
async function watched<R>(
  ids: readonly (PartId | 'write')[],
  world: World,
  work: (part: <T>(id: PartId | 'write', work: (note: Note) => Promise<T>) => Promise<T>) => Promise<R>,
): Promise<R> {
  const tasks = await world.ui.tasks(ids.map((id) => ({ id, title: titles[id] })));
  try {
    return await work(async (id, one) => {
      tasks.start(id);
      try {
        const value = await one((text) => tasks.note(id, text));
        tasks.done(id);
        return value;
      } catch (error) {
        tasks.fail(id, world.stop.aborted ? say('stopped', '已停止') : say('failed', '失败'));
        throw error;
      }
    });
  } finally {
    await tasks.end();
  }
}

export async function create(input: Input, world: World): Promise<undefined> {
  const wanted = await wantedOf(input, world);
  const { out, target } = wanted;
  const { manifest, key, bytes } = await watched([...partsOf(wanted), 'write'], world, async (part) => {
    const { manifest, contents } = await collect(wanted, world, part);
    const total = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
    const now = (): number => world.clock.monotonic();
    const written = await part('write', async (note) => {
      const meter = new Meter('fetch', 0, total, now, (progress) => note(progressText(progress)));
      return writeBundle(out, manifest, contents, world, (count) => meter.add(count));
    });
    return { manifest, ...written };
  });
  if (input.json) {
    world.ui.out(`${JSON.stringify({ file: out, bytes, key, ...summaryOf(manifest) }, null, 2)}\n`);
    return undefined;
  }
  const { ui } = world;
  ui.line();
  show(out, manifest, key, world);
  ui.line();
  if (manifest.weights.length > 0)
    ui.line(
      say(
        `Take the folder ${weightsFolder(out)} along, beside the file.`,
        `请将目录 ${weightsFolder(out)} 一并带上，与该文件放在一起。`,
      ),
    );
  ui.line(
    say(
      `On the other side: deepseek-deploy init --target ${target} --bundle FILE --bundle-key ${key}`,
      `在离线环境中：deepseek-deploy init --target ${target} --bundle 文件 --bundle-key ${key}`,
    ),
  );
  return undefined;
}
