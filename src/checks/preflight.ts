/** What must hold before anything is touched: all of it is asked, then all that fails is said at once. */
import { runtimeFor } from '../engines/runtime.js';
import { UserError } from '../errors.js';
import { nginxInstallLine } from '../gateway/install.js';
import { catalogue } from '../models/catalogue.js';
import { bytesText } from '../models/progress.js';
import type { Planned } from '../plan/apply.js';
import { cgroup } from '../probes/cgroup.js';
import type { Probe } from '../probes/probe.js';
import { memory } from '../probes/resources.js';
import { say, type Text } from '../say.js';
import { findNginx, mayInstall } from '../steps/nginx.js';
import type { Setup } from '../steps/setup.js';
import type { World } from '../world.js';

interface Asked {
  readonly setup: Setup;
  /** Ids of the steps that have something to do. */
  readonly todo: ReadonlySet<string>;
  readonly world: World;
}

/** Undefined when all is well; else what was found and what to do. */
type Preflight = (asked: Asked) => Promise<Text | undefined>;

const gigabyte = 1e9;
/** Logs, audit, the gateway's files. */
const roomBytes = 0.2 * gigabyte;

/** What a UserError of the work says, hint included; undefined when there was none. */
async function mendable(work: () => Promise<unknown>): Promise<Text | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.hint ? say(`${error.text.en} ${error.hint.en}`, `${error.text.zh}${error.hint.zh}`) : error.text;
  }
}

const nginx: Preflight = async ({ todo, world }) => {
  if (!todo.has('nginx.install')) return undefined;
  const found = await findNginx(world);
  if (found.usable || (await mayInstall(world))) return undefined;
  return say(
    `${found.why.en}, and it takes root to install it. Type: ${nginxInstallLine}`,
    `${found.why.zh}，安装需要 root 权限。请执行：${nginxInstallLine}`,
  );
};

const engine: Preflight = async ({ todo, world }) => {
  if (!todo.has('engine.runtime')) return undefined;
  const none = await mendable(() => runtimeFor(world));
  if (none) return none;
  if (world.env.npm_execpath) return undefined;
  const npm = await world.host.run({ argv: ['npm', '--version'] });
  return npm.code === 0
    ? undefined
    : say(
        'npm is not there; it fetches the engine. Install it: it comes with Node.js',
        '缺少 npm（用于获取引擎），请安装：它随 Node.js 提供',
      );
};

const disk: Preflight = async ({ setup, todo, world }) => {
  const { source } = setup.model;
  const model = todo.has('model.file') && source.kind === 'download' ? source.bytes : 0;
  const runtime = todo.has('engine.runtime') ? await installedBytes(world) : 0;
  const need = model + runtime + roomBytes;
  const free = await world.files.free(setup.places.cache);
  if (free >= need) return undefined;
  const [needs, has] = [bytesText(need), bytesText(free)];
  return say(
    `${setup.places.cache} has ${has} free, ${needs} are needed. Free some, or set XDG_CACHE_HOME to a larger disk`,
    `${setup.places.cache} 剩余 ${has}，需要 ${needs}。请清理空间，或将 XDG_CACHE_HOME 指向更大的磁盘`,
  );
};

async function installedBytes(world: World): Promise<number> {
  const build = await runtimeFor(world).catch(() => undefined);
  return (build?.installedMB ?? 0) * 1e6;
}

/** Bytes that a process of ours may have: the machine's, or less where a cgroup says so. Undefined where nobody tells. */
async function memoryHere(world: World): Promise<number | undefined> {
  const ask = async <T>(probe: Probe<T>): Promise<T> => probe.read(await world.host.run(probe.command));
  const [all, group] = await Promise.all([ask(memory), ask(cgroup)]);
  const bounds = [all?.totalMiB, group?.memoryMiB].filter((bound) => bound !== undefined);
  return bounds.length === 0 ? undefined : Math.min(...bounds) * 2 ** 20;
}

const enoughMemory: Preflight = async ({ setup, world }) => {
  const { memoryNeed } = await import('../models/servable.js');
  const model = catalogue.find(({ id }) => id === setup.model.id);
  const gguf = model?.gguf.find(({ file }) => setup.model.file.endsWith(`/${file}`));
  const have = await memoryHere(world);
  if (!gguf || model?.kvBytesPerToken === undefined || have === undefined) return undefined;
  const need = memoryNeed(gguf, model.kvBytesPerToken, setup.config.engine);
  if (need <= have) return undefined;
  const [needs, has] = [bytesText(need), bytesText(have)];
  return say(
    `${model.title} needs ${needs} of memory, this machine has ${has}. Take a smaller model, or lower engine.contextSize and engine.sequences`,
    `${model.title} 需要 ${needs} 内存，本机只有 ${has}。请换更小的模型，或调低 engine.contextSize 与 engine.sequences`,
  );
};

const modelFile: Preflight = async ({ setup, world }) => {
  if (setup.model.source.kind !== 'file') return undefined;
  const { inspectGguf } = await import('../models/inspect.js');
  return mendable(() => inspectGguf(world, setup.model.file));
};

export const preflights: readonly Preflight[] = [nginx, engine, disk, enoughMemory, modelFile];

/** @throws UserError `preflight`, exit 'unready', with all that fails */
export async function preflight(setup: Setup, planned: readonly Planned<Setup>[], world: World): Promise<void> {
  const todo = new Set(planned.filter(({ actions }) => actions !== undefined).map(({ step }) => step.id));
  const found = await Promise.all(preflights.map((check) => check({ setup, todo, world })));
  const problems = found.filter((problem) => problem !== undefined);
  if (problems.length === 0) return;
  const text =
    problems.length === 1
      ? say('This machine is not ready; nothing was touched.', '本机尚不满足条件，未做任何更改。')
      : say(
          `This machine is not ready for ${problems.length} reasons; nothing was touched.`,
          `本机有 ${problems.length} 项不满足条件，未做任何更改。`,
        );
  throw new UserError('preflight', text, { details: problems, exit: 'unready' });
}
