import { say } from '../say.js';
import { check } from './check.js';
import { type Config, rules, schema, schemaVersion } from './config.js';
import { invalid } from './invalid.js';
import type { Node } from './schema.js';
import { type Branch, isBranches, isFlag, type Problem, type Tree, under, type Where } from './tree.js';

/** A file that was read and found right; flags can be laid over it. */
export interface Draft {
  readonly tree: Tree;
}

/** A flag of the command line that sets a value: `{ path: 'gateway.port', value: 9000, flag: '--port' }`. */
export interface Override {
  readonly path: string;
  /** Undefined when the flag was not given. */
  readonly value: Plain | undefined;
  readonly flag: string;
}

/** What a flag can say: as JSON, so that it can be remembered. */
export type Plain = string | number | boolean | readonly Plain[] | { readonly [key: string]: Plain };

export interface Settings {
  readonly config: Config;
  /** The paths that the file or a flag sets, each with where: all else is a default. */
  readonly given: ReadonlyMap<string, Where>;
}

/**
 * @param file as it shall stand in messages
 * @throws UserError `config.invalid`, exit 'usage', with every problem that there is
 */
export async function load(text: string, file: string): Promise<Draft> {
  const { readYaml } = await import('./yaml.js');
  const { tree, problems } = await readYaml(text, file);
  if (!tree) throw invalid(problems);
  const newer = madeByNewer(tree);
  if (newer) throw invalid([newer]);
  const found = problems.concat(
    settle(tree).problems.filter(({ path }) => !problems.some((known) => known.path === path)),
  );
  if (found.length > 0) throw invalid(found);
  return { tree };
}

/**
 * The flags laid over the file, defaults filled in; without a file, over the defaults.
 * @throws UserError `config.invalid`
 */
export function merge(draft: Draft | undefined, overrides: readonly Override[]): Settings {
  const tree = overrides.reduce(lay, draft?.tree ?? bare);
  const { problems, ...settings } = settle(tree);
  if (problems.length > 0) throw invalid(problems);
  return settings;
}

/** What there is without a file. */
const nowhere: Where = { flag: '' };
const bare: Tree = {
  where: nowhere,
  value: new Map([['version', { key: nowhere, tree: { where: nowhere, value: schemaVersion } }]]),
};

function settle(tree: Tree): Settings & { readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const config = check(schema, tree, '', (problem) => problems.push(problem)) as Config;
  const given = new Map([...places(tree, '')].filter(([, where]) => where !== nowhere));
  for (const { path, text } of rules.flatMap((rule) => rule(config, given)))
    if (!problems.some((problem) => problem.path === path))
      problems.push({ path, where: nearestPlace(path, given, tree), text });
  return { config, given, problems };
}

function* places(tree: Tree, path: string): Generator<[string, Where]> {
  if (!isBranches(tree.value)) return;
  for (const [key, branch] of tree.value) {
    yield [under(path, key), branch.key];
    yield* places(branch.tree, under(path, key));
  }
}

function nearestPlace(path: string, given: ReadonlyMap<string, Where>, tree: Tree): Where {
  const found = given.get(path);
  if (found || path === '') return found ?? tree.where;
  return nearestPlace(path.split('.').slice(0, -1).join('.'), given, tree);
}

/** A future version is the one problem worth telling: the rest of the file may well be right there. */
function madeByNewer(tree: Tree): Problem | undefined {
  const version = isBranches(tree.value) ? tree.value.get('version')?.tree : undefined;
  if (typeof version?.value !== 'number' || version.value <= schemaVersion) return undefined;
  const text = say(
    `was made for a newer deepseek-deploy (this one understands version ${schemaVersion}); get it: npm install -g deepseek-deploy@latest`,
    `该文件适用于更新的 deepseek-deploy（当前版本支持 version ${schemaVersion}）；请升级：npm install -g deepseek-deploy@latest`,
  );
  return { path: 'version', where: version.where, text };
}

/** What a flag sets takes the place of what the file says, also of what may not stand beside it. */
function lay(tree: Tree, { path, value, flag }: Override): Tree {
  if (value === undefined) return tree;
  const keys = path.split('.');
  const rivals = rivalsOf(schema, keys).map((key) => [...keys.slice(0, -1), key]);
  return set(rivals.reduce(dropFromFile, tree), keys, grown(value, { flag }));
}

function grown(value: Plain, where: Where): Tree {
  if (typeof value !== 'object') return { where, value };
  if (Array.isArray(value)) return { where, value: value.map((item: Plain) => grown(item, where)) };
  const branches = Object.entries(value).map(([key, item]) => [key, { key: where, tree: grown(item, where) }] as const);
  return { where, value: new Map<string, Branch>(branches) };
}

function rivalsOf(node: Node | undefined, [key, ...rest]: readonly string[]): readonly string[] {
  if (node?.kind !== 'object' || key === undefined) return [];
  if (rest.length > 0) return rivalsOf(node.fields[key], rest);
  return (node.exclusive ?? [])
    .filter((group) => group.includes(key))
    .flatMap((group) => group.filter((other) => other !== key));
}

function dropFromFile(tree: Tree, [key, ...rest]: readonly string[]): Tree {
  const branch = key !== undefined && isBranches(tree.value) ? tree.value.get(key) : undefined;
  if (!branch || key === undefined || (rest.length === 0 && isFlag(branch.key))) return tree;
  const branches = new Map(tree.value as ReadonlyMap<string, Branch>);
  if (rest.length === 0) branches.delete(key);
  else branches.set(key, { ...branch, tree: dropFromFile(branch.tree, rest) });
  return { ...tree, value: branches };
}

function set(tree: Tree, [key, ...rest]: readonly string[], leaf: Tree): Tree {
  if (key === undefined) return leaf;
  const branches = new Map<string, Branch>(isBranches(tree.value) ? tree.value : []);
  const here: Branch = branches.get(key) ?? { key: leaf.where, tree: { where: leaf.where, value: null } };
  branches.set(key, { key: rest.length === 0 ? leaf.where : here.key, tree: set(here.tree, rest, leaf) });
  return { where: tree.where, value: branches };
}
