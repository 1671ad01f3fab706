import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Files, Sink, Stat } from '../world.js';

const missing = (error: unknown): boolean => {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
};

/** Undefined when the path is not there; any other error is thrown. */
const ifThere = async <T>(work: Promise<T>): Promise<T | undefined> =>
  work.catch((error: unknown) => {
    if (missing(error)) return undefined;
    throw error;
  });

async function readRange(path: string, from: number, length: number): Promise<Uint8Array> {
  const handle = await fs.open(path, 'r');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, from);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** A crash leaves the old content or the new one, never a mixture: temporary name, fsync, rename. */
async function writeWhole(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  const handle = await fs.open(temporary, 'wx', mode);
  try {
    await handle.chmod(mode);
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(temporary, path);
}

async function createNew(path: string, content: string, mode: number): Promise<boolean> {
  try {
    await fs.writeFile(path, content, { flag: 'wx', mode });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function statIfAny(path: string): Promise<Stat | undefined> {
  const stat = await ifThere(fs.stat(path));
  return stat && { size: stat.size, mode: stat.mode & 0o7777, mtimeMs: stat.mtimeMs, directory: stat.isDirectory() };
}

async function removeEmpty(path: string): Promise<boolean> {
  try {
    await fs.rmdir(path);
    return true;
  } catch (error) {
    if (missing(error)) return true;
    if (['ENOTEMPTY', 'EEXIST', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

async function openSink(path: string, append: boolean): Promise<Sink> {
  const handle = await fs.open(path, append ? 'a' : 'w', 0o600);
  return {
    async write(chunk) {
      await handle.writeFile(chunk);
    },
    async close() {
      await handle.sync();
      await handle.close();
    },
  };
}

async function sha256(path: string, onBytes?: (count: number) => void): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    onBytes?.((chunk as Buffer).length);
  }
  return hash.digest('hex');
}

async function freeBytes(path: string): Promise<number> {
  const stat = await ifThere(fs.statfs(path));
  return stat ? stat.bavail * stat.bsize : freeBytes(dirname(path));
}

export const localFiles: Files = {
  read: (path) => fs.readFile(path, 'utf8'),
  readIfAny: (path) => ifThere(fs.readFile(path, 'utf8')),
  readBytes: (path, range) => (range ? readRange(path, range.from, range.length) : fs.readFile(path)),
  write: (path, content, mode = 0o600) => writeWhole(path, content, mode),
  append: (path, content) => fs.appendFile(path, content, { mode: 0o600 }),
  create: (path, content, mode = 0o600) => createNew(path, content, mode),
  makeDir: async (path, mode = 0o700) => void (await fs.mkdir(path, { recursive: true, mode })),
  list: async (path) => (await ifThere(fs.readdir(path))) ?? [],
  stat: statIfAny,
  rename: (from, to) => fs.rename(from, to),
  chmod: (path, mode) => fs.chmod(path, mode),
  chown: (path, uid, gid) => fs.chown(path, uid, gid),
  remove: (path) => fs.rm(path, { recursive: true, force: true }),
  removeEmpty,
  sink: openSink,
  hash: sha256,
  free: freeBytes,
};
