import { say, type Text } from '../say.js';
import type { World } from '../world.js';
import type { Node, PathNode } from './schema.js';
import { under } from './tree.js';

/** What stands against reading the file at this absolute path. */
export async function wrongWith(world: World, node: PathNode, at: string): Promise<Text | undefined> {
  const stat = await world.files.stat(at);
  if (!stat) return say(`there is no file ${at}`, `找不到文件 ${at}`);
  if (stat.directory) return say(`${at} is a folder; a file is needed`, `${at} 是文件夹；此处需要文件`);
  if (!node.secret || (stat.mode & 0o077) === 0) return undefined;
  return say(
    `others than its owner may read ${at}, which holds a secret; type: chmod 600 ${at}`,
    `${at} 含有机密，却可被所有者以外的用户读取；请执行：chmod 600 ${at}`,
  );
}

/** The same value, each path in it replaced. */
export function withPaths(
  node: Node,
  value: unknown,
  path: string,
  replace: (node: PathNode, value: string, path: string) => string,
): unknown {
  if (value === undefined) return undefined;
  switch (node.kind) {
    case 'path':
      return replace(node, value as string, path);
    case 'object':
    case 'map': {
      const entries = Object.entries(value as Record<string, unknown>);
      const inner = (key: string): Node => (node.kind === 'map' ? node.of : node.fields[key]!);
      return Object.fromEntries(
        entries.map(([key, item]) => [key, withPaths(inner(key), item, under(path, key), replace)]),
      );
    }
    case 'list':
      return (value as readonly unknown[]).map((item, index) => withPaths(node.of, item, under(path, index), replace));
    default:
      return value;
  }
}
