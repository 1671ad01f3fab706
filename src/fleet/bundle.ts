/** The bundle of a configuration: signed by somebody who is trusted, whole, and with all that these hosts need. */
import { createHash } from 'node:crypto';
import { systemId } from '../bundle/manifest.js';
import { lacking, needsOf } from '../bundle/needs.js';
import { type Bundle, checkBundle, openBundle } from '../bundle/open.js';
import { trusted } from '../bundle/trust.js';
import { checkWeights, checkWeightsThere, weightsBytes, weightsStamp } from '../bundle/weights.js';
import type { Config } from '../config/config.js';
import { UserError } from '../errors.js';
import { distributionIn } from '../install/distribution.js';
import { Meter, progressText } from '../models/progress.js';
import { say, type Text } from '../say.js';
import type { Machine, NodeStep } from '../steps/machine.js';
import type { World } from '../world.js';

/** Says of a bundle that all of it was right when it had this size and time: gigabytes are not read twice. */
const stampFile = (home: string): string => `${home}/bundle-checked.json`;

async function stampOf({ path, manifest }: Bundle, world: World): Promise<string> {
  const { size, mtimeMs } = (await world.files.stat(path))!;
  const sha256 = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
  const weights = await weightsStamp({ path, manifest }, world);
  return JSON.stringify({ path, size, mtimeMs, sha256, weights });
}

/** All of it is read, the weights beside it included. @throws UserError `bundle.hash`, `bundle.weights` */
export async function checkWhole(bundle: Bundle, world: World): Promise<void> {
  await checkWeightsThere(bundle, world);
  const { files, weights } = bundle.manifest;
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0) + weightsBytes(weights);
  await world.ui.wait(say('Checking the bundle', '正在校验离线包'), async (note) => {
    const meter = new Meter(
      'verify',
      0,
      total,
      () => world.clock.monotonic(),
      (progress) => note(progressText(progress)),
    );
    await checkBundle(bundle, world, (count) => meter.add(count));
    await checkWeights(bundle, world, (count) => meter.add(count));
  });
}

/**
 * @returns undefined where the configuration names none
 * @throws UserError `bundle.*`: before any host is spoken to
 */
export async function bundleOf({ bundle: { file, key }, target }: Config, world: World): Promise<Bundle | undefined> {
  if (file === undefined) return undefined;
  const bundle = await openBundle(file, world);
  if (bundle.manifest.target !== target) throw otherTarget(bundle, target);
  const why = await trusted(bundle, key, world);
  const { home } = world.places;
  const stamp = await stampOf(bundle, world);
  if ((await world.files.readIfAny(stampFile(home))) !== stamp) {
    await checkWhole(bundle, world);
    await world.files.makeDir(home);
    await world.files.write(stampFile(home), stamp);
  }
  world.ui.line(
    say(
      `Bundle ${file}, signed by ${bundle.key} (${why.en}).`,
      `离线包 ${file}，签名密钥 ${bundle.key}（${why.zh}）。`,
    ),
  );
  return bundle;
}

const otherTarget = ({ path, manifest }: Bundle, target: Config['target']): UserError =>
  new UserError(
    'bundle.target',
    say(
      `${path} was made for the target ${manifest.target}, not ${target}.`,
      `${path} 是为目标 ${manifest.target} 制作的，而非 ${target}。`,
    ),
    {
      hint: say(
        `Say --target ${manifest.target}, or make another: deepseek-deploy bundle create --target ${target}`,
        `请使用 --target ${manifest.target}，或另行制作：deepseek-deploy bundle create --target ${target}`,
      ),
      exit: 'usage',
    },
  );

/**
 * Every artefact of every step of every host is looked up in it.
 * @throws UserError `bundle.lacks`, exit 'unready'
 */
export function refuseLacking(bundle: Bundle, steps: readonly NodeStep[], machines: readonly Machine[]): void {
  const lacks = machines.flatMap((machine): Text[] => {
    const system = distributionIn(machine.facts);
    if (!system) return [];
    const { name } = machine;
    return lacking(bundle.manifest, systemId(system), needsOf(steps, machine)).map(({ en, zh }) =>
      say(`${name}: ${en}`, `${name}：${zh}`),
    );
  });
  if (lacks.length === 0) return;
  throw new UserError(
    'bundle.lacks',
    say(
      `The bundle ${bundle.path} lacks what these hosts need; nothing was touched.`,
      `离线包 ${bundle.path} 缺少这些主机所需的内容，未做任何更改。`,
    ),
    {
      details: lacks,
      hint: say(
        'Make one for them, on a connected machine: deepseek-deploy bundle create --os SYSTEM --config deepseek.yaml',
        '请在联网的机器上为它们制作：deepseek-deploy bundle create --os 系统 --config deepseek.yaml',
      ),
      exit: 'unready',
    },
  );
}
