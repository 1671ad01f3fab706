/** A bundle for one machine: what of it this machine's install takes, and what it would miss. */
import { pathToFileURL } from 'node:url';
import type { Config } from '../config/config.js';
import { type RuntimeBuild, runtimeFor, runtimeReady, tarball } from '../engines/runtime.js';
import { UserError } from '../errors.js';
import { nginxPackages } from '../gateway/install.js';
import { type Distribution, distributionIn } from '../install/distribution.js';
import { verified } from '../models/fetch.js';
import { chooseGguf, findModel } from '../models/find.js';
import type { Gguf } from '../models/model.js';
import { nameOf } from '../models/name.js';
import type { Made } from '../plan/step.js';
import { kernel, os } from '../probes/system.js';
import { say, type Text } from '../say.js';
import { findNginx } from '../steps/nginx.js';
import type { Setup } from '../steps/setup.js';
import type { World } from '../world.js';
import { type Manifest, systemId } from './manifest.js';
import { lacking } from './needs.js';
import type { Bundle } from './open.js';
import { type Part, partsFor } from './parts.js';
import { weightsFiles } from './weights.js';

export const enginePath = (build: RuntimeBuild): string => `engine/${tarball(build)}`;

/** Undefined for a system whose packages no bundle has. */
export async function systemHere({ host }: Pick<World, 'host'>): Promise<Distribution | undefined> {
  const [release, uname] = await Promise.all([host.run(os.command), host.run(kernel.command)]);
  return distributionIn({ os: os.read(release), kernel: kernel.read(uname) });
}

/** What nginx is installed from; none where the bundle has no packages of this system. */
export async function packagesHere(bundle: Bundle, world: World): Promise<readonly Part[]> {
  const system = await systemHere(world);
  const parts = system ? partsFor(bundle, systemId(system), { roles: [], gpu: false }) : [];
  return parts.filter(({ path }) => path.startsWith('packages/'));
}

/** The engine's library as npm packs it; undefined where the bundle has it for other machines alone. */
export function engineIn({ manifest, content }: Bundle, build: RuntimeBuild): Made | undefined {
  const file = manifest.files.find(({ path }) => path === enginePath(build));
  if (!file) return undefined;
  const make = async (): Promise<Uint8Array> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content(file).chunks()) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  return { name: `${tarball(build)} of the bundle`, make };
}

/** The address of a model's file beside the bundle; undefined where it is not there. */
export function ggufIn(
  bundle: Pick<Bundle, 'path' | 'manifest'>,
  { sha256 }: Pick<Gguf, 'sha256'>,
): string | undefined {
  const file = weightsFiles(bundle).find((one) => one.sha256 === sha256);
  return file && pathToFileURL(file.at).href;
}

async function packagesLacking(manifest: Manifest, world: World): Promise<Text[]> {
  if ((await findNginx(world)).usable) return [];
  const system = await systemHere(world);
  if (!system) return [say('nginx with its Lua module, for this system', '适用于本系统的 nginx 及其 Lua 模块')];
  const packages = nginxPackages.map((name) => ({ name }));
  return lacking(manifest, systemId(system), { packages, images: [], manifests: [] });
}

async function engineLacking(bundle: Bundle, world: World): Promise<Text[]> {
  const build = await runtimeFor(world);
  if (engineIn(bundle, build) || (await runtimeReady(world, build))) return [];
  return [say(`the engine, ${tarball(build)}`, `引擎 ${tarball(build)}`)];
}

async function modelLacking({ manifest, path }: Bundle, { model }: Setup, world: World): Promise<Text[]> {
  const { source } = model;
  if (source.kind !== 'download' || ggufIn({ manifest, path }, source)) return [];
  if (await verified(world, { ...source, path: model.file })) return [];
  const had = manifest.weights.map(({ id, form }) => `${id} (${form})`);
  const [en, zh] = had.length > 0 ? [`; it has ${had.join(', ')}`, `；其中有 ${had.join('、')}`] : ['', ''];
  return [
    say(
      `the model ${model.id} as ${model.file.replace(/.*\//, '')}${en}`,
      `模型 ${model.id}（${model.file.replace(/.*\//, '')}）${zh}`,
    ),
  ];
}

/** What an install on one machine of any of its systems would miss, whatever that machine has already. */
export function lackingLocal(bundle: Pick<Bundle, 'path' | 'manifest'>, { model }: Config): Text[] {
  const { manifest } = bundle;
  const packages = nginxPackages.map((name) => ({ name }));
  const found = model.file === undefined ? findModel(nameOf(model)) : undefined;
  const gguf = found && found.family !== 'demo' ? chooseGguf(found, model.quantisation) : undefined;
  return [
    ...manifest.systems.flatMap(({ id }) => lacking(manifest, id, { packages, images: [], manifests: [] })),
    ...(manifest.systems.length === 0
      ? [say('packages: nginx with its Lua module', '软件包：nginx 及其 Lua 模块')]
      : []),
    ...(manifest.files.some(({ path }) => path.startsWith('engine/')) ? [] : [say('the engine', '引擎')]),
    ...(gguf && ggufIn(bundle, gguf) === undefined ? [say(`the model ${gguf.file}`, `模型 ${gguf.file}`)] : []),
  ];
}

/**
 * All that this machine still needs is looked up in it.
 * @throws UserError `bundle.lacks`, exit 'unready': nothing was touched
 */
export async function refuseLackingHere(bundle: Bundle, setup: Setup, world: World): Promise<void> {
  const found = await Promise.all([
    packagesLacking(bundle.manifest, world),
    engineLacking(bundle, world),
    modelLacking(bundle, setup, world),
  ]);
  const details = found.flat();
  if (details.length === 0) return;
  throw new UserError(
    'bundle.lacks',
    say(
      `The bundle ${bundle.path} lacks what this machine needs; nothing was touched.`,
      `离线包 ${bundle.path} 缺少本机所需的内容，未做任何更改。`,
    ),
    {
      details,
      hint: say(
        `Make one for it, on a connected machine: deepseek-deploy bundle create --target local --os SYSTEM --model ${setup.model.id}`,
        `请在联网的机器上制作：deepseek-deploy bundle create --target local --os 系统 --model ${setup.model.id}`,
      ),
      exit: 'unready',
    },
  );
}
