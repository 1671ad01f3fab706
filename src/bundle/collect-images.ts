/** Images of a bundle, pulled into the cache. */
import type { Sources } from '../install/sources.js';
import { allDone, many } from '../plan/many.js';
import type { World } from '../world.js';
import { type Contents, type Note, noteOf } from './contents.js';
import type { Manifest } from './manifest.js';
import { blobPath, imagesText } from './parts.js';
import { layoutIndex, type Pulled, pull } from './registry.js';

/** Pulled, and put among the contents as one OCI layout. */
export async function collectImages(
  names: readonly string[],
  arch: string,
  { registries }: Sources,
  { contents, folder, world, note }: { contents: Contents; folder: string; world: World; note: Note },
): Promise<Manifest['images']> {
  const begun = new Map<string, Promise<void>>();
  const once = (digest: string, work: () => Promise<void>): Promise<void> => {
    const running = begun.get(digest);
    if (running) return running;
    const first = work();
    begun.set(digest, first);
    // What one mirror failed to give is asked of the next.
    first.catch(() => begun.delete(digest));
    return first;
  };
  const one = ({ name }: { readonly name: string }): Promise<Pulled> => {
    const mirrors = registries[name.split('/')[0]!] ?? [];
    return pull(name, { arch, mirrors, folder, once, onProgress: noteOf(note, name) }, world);
  };
  const outcomes = await many(
    names.map((name) => ({ name })),
    3,
    one,
    { signal: world.stop },
  );
  const pulled = allDone(outcomes);
  const images = pulled.map(({ name, manifest, blobs }) => ({ name, ...manifest, blobs: [...blobs.keys()] }));
  contents.text('images.txt', imagesText(images));
  contents.text('images/oci-layout', '{"imageLayoutVersion":"1.0.0"}');
  contents.text('images/index.json', layoutIndex(images));
  for (const { blobs } of pulled)
    for (const [digest, { path, bytes }] of blobs)
      contents.file(blobPath(digest), path, bytes, digest.slice('sha256:'.length));
  return images;
}
