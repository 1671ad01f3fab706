import { dirname, resolve } from 'node:path';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { type Config, schema } from './config.js';
import { invalid } from './invalid.js';
import { load, merge, type Override, type Settings } from './load.js';
import { withPaths, wrongWith } from './paths.js';
import type { PathNode } from './schema.js';
import { isFlag, type Problem, type Where } from './tree.js';

/**
 * The configuration of a command: a file, if one is named, and the flags over it. Its paths are absolute, and the
 * files that must be there are there.
 * @throws UserError `config.missing`, `config.invalid`, exit 'usage'
 */
export async function settingsOf(
  world: World,
  file: string | undefined,
  overrides: readonly Override[],
): Promise<Settings> {
  const merged = merge(file === undefined ? undefined : await load(await textOf(world, file), file), overrides);
  const folder = file === undefined ? world.cwd : dirname(resolve(world.cwd, file));
  const needed: { readonly node: PathNode; readonly path: string; readonly at: string }[] = [];
  const config = withPaths(schema, merged.config, '', (node, value, path) => {
    const at = resolve(isFlag(merged.given.get(path)) ? world.cwd : folder, value);
    if (node.mustExist) needed.push({ node, path, at });
    return at;
  }) as Config;
  const problems: Problem[] = [];
  for (const { node, path, at } of needed) {
    const text = await wrongWith(world, node, at);
    if (text) problems.push({ path, where: merged.given.get(path) ?? ({ flag: path } satisfies Where), text });
  }
  if (problems.length > 0) throw invalid(problems);
  return { config, given: merged.given };
}

async function textOf(world: World, file: string): Promise<string> {
  const text = await world.files.readIfAny(resolve(world.cwd, file));
  if (text !== undefined) return text;
  throw new UserError('config.missing', say(`There is no file ${file}.`, `找不到文件 ${file}。`), { exit: 'usage' });
}
