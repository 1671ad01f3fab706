import { basename } from 'node:path';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { checkGguf, type GgufFacts, MoreNeeded } from './header.js';

const firstLook = 4 * 1024 * 1024;
const longestHeader = 512 * 1024 * 1024;

/**
 * Looks into a model file of the user's own.
 * @param path absolute
 * @throws UserError `gguf.*`, exit 'usage'
 */
export async function inspectGguf(world: World, path: string): Promise<GgufFacts> {
  const stat = await world.files.stat(path);
  if (!stat || stat.directory)
    throw new UserError('gguf.missing', say(`There is no file ${path}.`, `找不到文件 ${path}。`), { exit: 'usage' });
  for (let length = firstLook; ; length *= 4) {
    const head = await world.files.readBytes(path, { from: 0, length: Math.min(length, stat.size) });
    try {
      return checkGguf(head, stat.size);
    } catch (error) {
      if (error instanceof MoreNeeded && length < longestHeader) continue;
      throw error instanceof UserError ? named(error, path) : error;
    }
  }
}

/** The same error, saying of which file. */
const named = ({ id, text, hint, exit }: UserError, path: string): UserError =>
  new UserError(id, say(`${basename(path)}: ${text.en}`, `${basename(path)}：${text.zh}`), {
    exit,
    ...(hint ? { hint } : {}),
  });
