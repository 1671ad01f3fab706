/** A bundle that is there: its manifest, whose signature it bears, where each file lies, whether all of it is right. */
import { createHash } from 'node:crypto';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Upload, World } from '../world.js';
import { type BundleFile, type Manifest, notABundle, readManifest } from './manifest.js';
import { isSealed, readSeal } from './seal.js';
import { blockBytes, type Entry, ending, padded, readHeader } from './tar.js';

export const manifestName = 'manifest.json';
export const sealName = 'manifest.sig';

export interface Bundle {
  /** Absolute. */
  readonly path: string;
  readonly manifest: Manifest;
  /** Whose signature it bears; whether that is somebody to trust is another question. */
  readonly key: string;
  content(file: BundleFile): Upload;
}

/** Larger is no manifest. */
const mostManifest = 64 << 20;
const piece = 4 << 20;

const again = say('Copy it once more, and compare its size.', '请重新复制，并核对文件大小。');

const cut = (path: string, wanted: number, found: number): UserError =>
  new UserError(
    'bundle.cut',
    say(`${path} was cut short: ${found} of ${wanted} bytes.`, `${path} 不完整：${found} / ${wanted} 字节。`),
    { hint: again, exit: 'network' },
  );

const damaged = (path: string, file: string): UserError =>
  new UserError(
    'bundle.hash',
    say(`${path} is damaged: ${file} is not what was put in.`, `${path} 已损坏：${file} 与放入时不一致。`),
    { hint: again, exit: 'network' },
  );

const unsigned = (path: string, what: 'bundle.unsigned' | 'bundle.signature'): UserError =>
  new UserError(
    what,
    what === 'bundle.unsigned'
      ? say(`${path} bears no signature.`, `${path} 没有签名。`)
      : say(`${path} was changed after it was signed.`, `${path} 在签名之后被改动过。`),
    {
      hint: say('Take it from whoever made it once more.', '请向制作者重新获取。'),
      exit: 'network',
    },
  );

/**
 * Reads manifest and signature; the files themselves are looked at by `checkBundle`.
 * @throws UserError `bundle.missing`, `.not`, `.format`, `.unsigned`, `.signature`, `.cut`
 */
export async function openBundle(path: string, world: World): Promise<Bundle> {
  const stat = await world.files.stat(path);
  if (!stat || stat.directory)
    throw new UserError('bundle.missing', say(`There is no bundle ${path}.`, `找不到离线包 ${path}。`), {
      exit: 'usage',
    });
  const read = async (at: number, length: number): Promise<Uint8Array> => {
    const bytes = await world.files.readBytes(path, { from: at, length });
    if (bytes.length < length) throw at === 0 ? notABundle(path) : cut(path, at + length, stat.size);
    return bytes;
  };
  const entryAt = async (at: number, name: string): Promise<Entry | undefined> => {
    const entry = readHeader(await read(at, blockBytes));
    return entry?.name === name && entry.bytes <= mostManifest ? entry : undefined;
  };
  const first = await entryAt(0, manifestName);
  if (!first) throw notABundle(path);
  const text = Buffer.from(await read(blockBytes, first.bytes)).toString('utf8');
  const sealAt = blockBytes + padded(first.bytes);
  // What may be another format altogether is told by its format first.
  const manifest = readManifest(text, path);
  const second = await entryAt(sealAt, sealName);
  const seal = second && readSeal(Buffer.from(await read(sealAt + blockBytes, second.bytes)).toString('utf8'));
  if (!seal) throw unsigned(path, 'bundle.unsigned');
  if (!isSealed(text, seal)) throw unsigned(path, 'bundle.signature');
  const start = sealAt + blockBytes + padded(second.bytes);
  const { places, end } = placesOf(manifest, start);
  if (stat.size !== end) throw cut(path, end, stat.size);
  return { path, manifest, key: seal.key, content: (file) => upload(path, file, places.get(file.path)!, world) };
}

function placesOf({ files }: Manifest, start: number): { places: ReadonlyMap<string, number>; end: number } {
  const places = new Map<string, number>();
  let at = start;
  for (const { path, bytes } of files) {
    places.set(path, at + blockBytes);
    at += blockBytes + padded(bytes);
  }
  return { places, end: at + ending.length };
}

const upload = (path: string, { bytes, sha256 }: BundleFile, at: number, { files }: World): Upload => ({
  bytes,
  sha256,
  async *chunks() {
    for (let done = 0; done < bytes; done += piece) {
      yield await files.readBytes(path, { from: at + done, length: Math.min(piece, bytes - done) });
    }
  },
});

/**
 * Reads all of it, and holds every file against its hash.
 * @throws UserError `bundle.hash`, exit 'network'
 */
export async function checkBundle(bundle: Bundle, world: World, onBytes: (count: number) => void): Promise<void> {
  for (const file of bundle.manifest.files) {
    const hash = createHash('sha256');
    for await (const chunk of bundle.content(file).chunks()) {
      world.stop.throwIfAborted();
      hash.update(chunk);
      onBytes(chunk.length);
    }
    if (hash.digest('hex') !== file.sha256) throw damaged(bundle.path, file.path);
  }
}
