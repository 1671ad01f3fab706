import { dirname } from 'node:path';
import type { World } from '../world.js';
import { claimed } from './claim.js';
import { tokenFor } from './hub.js';
import { Meter, type Progress } from './progress.js';
import { diskFull, gaveUp, stopped, wrongHash } from './refused.js';
import { Broken, type Source, transfer } from './transfer.js';

export { type Progress, progressText } from './progress.js';

export interface Wanted {
  readonly url: string;
  /** Absolute; the folder is made where there is none. */
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly bytes: number;
  /** Sent as a bearer token to the origin of `url` alone. */
  readonly token?: string;
}

/** Says of a file that its hash was right when it had this size and time: gigabytes are not read twice. */
interface Stamp {
  readonly sha256: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

const stampFile = (path: string): string => `${path}.sha256`;
const partFile = (path: string): string => `${path}.part`;

/** Waits between tries that brought nothing; then it is given up. */
const waitsMs = [1000, 2000, 4000, 8000];
/** A server that gives a little each time is given up too. */
const mostTries = 100;
const marginBytes = 64e6;

/** Whether the file is there and was found right; reads no more than a stamp. */
export async function verified(world: World, { path, sha256, bytes }: Omit<Wanted, 'url'>): Promise<boolean> {
  const stat = await world.files.stat(path);
  const text = stat?.size === bytes ? await world.files.readIfAny(stampFile(path)) : undefined;
  if (!stat || text === undefined) return false;
  try {
    const stamp = JSON.parse(text) as Stamp;
    return stamp.sha256 === sha256 && stamp.bytes === bytes && stamp.mtimeMs === stat.mtimeMs;
  } catch {
    return false;
  }
}

/**
 * Brings the file to its path, whole and with the right hash, or not at all. What was interrupted is carried on, in
 * `path.part`.
 * @throws UserError `download.*` (exit 'network'), `download.busy`, `disk.full`, `interrupted`
 */
export async function download(world: World, wanted: Wanted, onProgress: (progress: Progress) => void): Promise<void> {
  if (await verified(world, wanted)) return;
  await world.files.makeDir(dirname(wanted.path));
  try {
    await claimed(world, wanted.path, async () => {
      if (await adopted(world, wanted, onProgress)) return;
      await complete(world, wanted, onProgress);
      const found = await hashOf(world, partFile(wanted.path), wanted.bytes, onProgress);
      if (found !== wanted.sha256) {
        await world.files.remove(partFile(wanted.path));
        throw wrongHash(wanted.url, wanted.sha256, found);
      }
      await stamp(world, wanted, partFile(wanted.path));
      await world.files.rename(partFile(wanted.path), wanted.path);
    });
  } catch (error) {
    throw world.stop.aborted ? stopped() : error;
  }
}

/** A right file that somebody else put there: no download, but one look at all of it. */
async function adopted(world: World, wanted: Wanted, onProgress: (progress: Progress) => void): Promise<boolean> {
  if ((await world.files.stat(wanted.path))?.size !== wanted.bytes) return false;
  if ((await hashOf(world, wanted.path, wanted.bytes, onProgress)) !== wanted.sha256) return false;
  await stamp(world, wanted, wanted.path);
  return true;
}

function hashOf(world: World, path: string, bytes: number, onProgress: (progress: Progress) => void): Promise<string> {
  const meter = new Meter('verify', 0, bytes, () => world.clock.monotonic(), onProgress);
  return world.files.hash(path, (count) => {
    world.stop.throwIfAborted();
    meter.add(count);
  });
}

/** Before the rename, which keeps the time: a stamp without its file says nothing, a file without its stamp costs a look. */
async function stamp(world: World, { path, sha256, bytes }: Wanted, at: string): Promise<void> {
  const mtimeMs = (await world.files.stat(at))!.mtimeMs;
  await world.files.write(stampFile(path), JSON.stringify({ sha256, bytes, mtimeMs } satisfies Stamp));
}

/** Until the part has all bytes. */
async function complete(
  world: World,
  { url, path, bytes, token: given }: Wanted,
  onProgress: (progress: Progress) => void,
): Promise<void> {
  const part = partFile(path);
  const token = given ?? tokenFor(url, world.env);
  const source: Source = { url, bytes, ...(token === undefined ? {} : { token }) };
  let meter: Meter | undefined;
  let had = await sizeOf(world, part, bytes);
  await makeSure(world, part, bytes - had);
  if (bytes === 0) await world.files.write(part, '');
  for (let tries = 0, fruitless = 0; had < bytes; tries++) {
    const failed = await transfer(world, source, part, had, {
      start: (from) => {
        meter = new Meter('fetch', from, bytes, () => world.clock.monotonic(), onProgress);
      },
      add: (count) => meter?.add(count),
    }).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof Broken) return error;
        throw error;
      },
    );
    const has = await sizeOf(world, part, bytes);
    fruitless = has > had ? 0 : fruitless + 1;
    had = has;
    if (!failed) continue;
    const wait = waitsMs[Math.max(0, fruitless - 1)];
    if (wait === undefined || tries >= mostTries) throw gaveUp(url, failed);
    await world.clock.sleep(failed.retryAfterMs ?? wait, world.stop);
  }
}

/** What there is of the part; one that is too long is of another file. */
async function sizeOf(world: World, part: string, bytes: number): Promise<number> {
  const size = (await world.files.stat(part))?.size ?? 0;
  if (size <= bytes) return size;
  await world.files.remove(part);
  return 0;
}

async function makeSure(world: World, part: string, need: number): Promise<void> {
  const free = await world.files.free(part);
  if (free < need + marginBytes) throw diskFull(part, need, free);
}
