/** What is asked for: the flags, over the file, over what was asked for before. */
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Override } from '../config/load.js';
import { settingsOf } from '../config/settings.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Value } from '../verb.js';
import type { World } from '../world.js';
import type { Wish } from './decide.js';
import type { RememberedWish } from './deployment.js';
import { hostOverride, machinesOf } from './host-flags.js';

/** The flags of `init` that set a value of the configuration. */
const flags: readonly { readonly flag: string; readonly option: string; readonly path: string }[] = [
  { flag: '--name', option: 'name', path: 'name' },
  { flag: '--target', option: 'target', path: 'target' },
  { flag: '--model', option: 'model', path: 'model.id' },
  { flag: '--model-file', option: 'modelFile', path: 'model.file' },
  { flag: '--hub', option: 'hub', path: 'model.hub' },
  { flag: '--listen', option: 'listen', path: 'gateway.host' },
  { flag: '--port', option: 'port', path: 'gateway.port' },
  { flag: '--tls', option: 'tls', path: 'gateway.tls.mode' },
  { flag: '--bundle', option: 'bundle', path: 'bundle.file' },
  { flag: '--bundle-key', option: 'bundleKey', path: 'bundle.key' },
];

const fileHere = 'deepseek.yaml';

const listOf = (value: Value): readonly string[] => (value as readonly string[] | undefined) ?? [];

/** @throws UserError `hosts.flags` */
export const overridesOf = (options: Readonly<Record<string, Value>>): readonly Override[] =>
  [
    ...flags.map(({ flag, option, path }) => ({ flag, path, value: options[option] as Override['value'] })),
    hostOverride(machinesOf(listOf(options.host), listOf(options.role))),
  ].filter(({ value }) => value !== undefined);

/** A model asked for now replaces all that was said of the model before: an id and a file exclude each other. */
export function over(before: readonly Override[], now: readonly Override[]): readonly Override[] {
  // What is said again is nothing new, wherever it stands.
  const fresh = now.filter((one) => !before.some((old) => isDeepStrictEqual(old, one)));
  const models = fresh.some(({ path }) => path === 'model.id' || path === 'model.file');
  const replaced = ({ path }: Override): boolean =>
    fresh.some((one) => one.path === path) || (models && (path === 'model.id' || path === 'model.file'));
  return [...before.filter((one) => !replaced(one)), ...fresh];
}

async function fileOf(
  world: World,
  asked: string | undefined,
  before: RememberedWish | undefined,
): Promise<string | undefined> {
  if (asked !== undefined) return resolve(world.cwd, asked);
  const here = `${world.cwd}/${fileHere}`;
  if (await world.files.stat(here)) return here;
  if (before?.file === undefined || (await world.files.stat(before.file))) return before?.file;
  throw new UserError(
    'config.gone',
    say(`The configuration of this deployment, ${before.file}, is gone.`, `此部署的配置文件 ${before.file} 已不存在。`),
    {
      hint: say('Name another: deepseek-deploy init --config <file>', '请指定：deepseek-deploy init --config <文件>'),
      exit: 'usage',
    },
  );
}

/**
 * @param before what an earlier run was asked for
 * @throws UserError `config.*`, `hosts.flags`, exit 'usage'
 */
export async function wishOf(
  options: Readonly<Record<string, Value>>,
  before: RememberedWish | undefined,
  world: World,
): Promise<Wish> {
  const file = await fileOf(world, options.config as string | undefined, before);
  // With a file named now, flags of an earlier run no longer speak.
  const earlier = options.config === undefined ? (before?.overrides ?? []) : [];
  const now = overridesOf(options).map((one) =>
    one.path === 'model.file' || one.path === 'bundle.file'
      ? { ...one, value: resolve(world.cwd, String(one.value)) }
      : one,
  );
  const overrides = over(earlier, now);
  const { config, given } = await settingsOf(world, file, overrides);
  return {
    config,
    portGiven: given.has('gateway.port'),
    modelGiven: config.model.id !== undefined || config.model.file !== undefined,
    remembered: { ...(file === undefined ? {} : { file }), overrides },
  };
}
