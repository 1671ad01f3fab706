/** A bundle's file, written whole or not at all. */
import type { World } from '../world.js';
import type { Manifest } from './manifest.js';
import { manifestName, sealName } from './open.js';
import { seal } from './seal.js';
import { ending, header, padded } from './tar.js';

/** Where a file of the bundle comes from. */
export type Content = { readonly text: string } | { readonly from: string };

const piece = 4 << 20;

async function* chunksOf(content: Content, bytes: number, { files }: World): AsyncIterable<Uint8Array> {
  if ('text' in content) return yield Buffer.from(content.text);
  for (let at = 0; at < bytes; at += piece) {
    yield await files.readBytes(content.from, { from: at, length: Math.min(piece, bytes - at) });
  }
}

/**
 * @param contents by the path of the file in the bundle
 * @returns the key that signed it, and its size
 */
export async function writeBundle(
  path: string,
  manifest: Manifest,
  contents: ReadonlyMap<string, Content>,
  world: World,
  onBytes: (count: number) => void,
): Promise<{ readonly key: string; readonly bytes: number }> {
  const text = `${JSON.stringify(manifest)}\n`;
  const signed = await seal(text, world);
  const part = `${path}.part`;
  const sink = await world.files.sink(part, false);
  let written = 0;
  const add = async (chunk: Uint8Array): Promise<void> => {
    world.stop.throwIfAborted();
    await sink.write(chunk);
    written += chunk.length;
  };
  const entry = async (name: string, bytes: number, content: Content): Promise<void> => {
    await add(header({ name, bytes }));
    for await (const chunk of chunksOf(content, bytes, world)) {
      await add(chunk);
      onBytes(chunk.length);
    }
    await add(new Uint8Array(padded(bytes) - bytes));
  };
  try {
    await entry(manifestName, Buffer.byteLength(text), { text });
    const words = `${JSON.stringify(signed)}\n`;
    await entry(sealName, Buffer.byteLength(words), { text: words });
    for (const file of manifest.files) await entry(file.path, file.bytes, contents.get(file.path)!);
    await add(ending);
  } catch (error) {
    await sink.close().catch(() => {});
    await world.files.remove(part);
    throw error;
  }
  await sink.close();
  await world.files.rename(part, path);
  return { key: signed.key, bytes: written };
}
