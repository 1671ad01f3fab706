/** What of a bundle one host is sent: the packages of its system, and the images that it may run. */
import type { Peer } from '../steps/machine.js';
import type { Upload } from '../world.js';
import { sha256 } from './contents.js';
import { type BundleImage, packagesFolder } from './manifest.js';
import type { Bundle } from './open.js';
import { layoutIndex } from './registry.js';

/** Images that run on some hosts alone; of all others a pod may come to any host. */
const places: readonly { readonly image: RegExp; on(peer: Pick<Peer, 'roles' | 'gpu'>): boolean }[] = [
  {
    image: /^registry\.k8s\.io\/(kube-apiserver|kube-controller-manager|kube-scheduler|etcd):/,
    on: ({ roles }) => roles.includes('control-plane'),
  },
  { image: /^nvcr\.io\/nvidia\/(k8s-device-plugin|k8s\/dcgm-exporter):/, on: ({ gpu }) => gpu },
  { image: /^quay\.io\/ceph\/ceph:/, on: ({ roles }) => roles.includes('storage') },
];

export const runsOn = (image: string, peer: Pick<Peer, 'roles' | 'gpu'>): boolean =>
  places.find((place) => place.image.test(image))?.on(peer) ?? true;

/** Their names, one a line. */
export const imagesText = (images: readonly Pick<BundleImage, 'name'>[]): string =>
  images.map(({ name }) => `${name}\n`).join('');

export const blobPath = (digest: string): string => `images/blobs/${digest.replace(':', '/')}`;

function textUpload(text: string): Upload {
  const content = Buffer.from(text);
  return {
    bytes: content.length,
    sha256: sha256(content),
    async *chunks() {
      yield content;
    },
  };
}

export interface Part {
  /** Below the host's folder. */
  readonly path: string;
  readonly content: Upload;
}

/** @param system 'debian12-amd64' */
export function partsFor(
  { manifest, content }: Pick<Bundle, 'manifest' | 'content'>,
  system: string,
  peer: Pick<Peer, 'roles' | 'gpu'>,
): readonly Part[] {
  const own = packagesFolder(system);
  const images = manifest.images.filter(({ name }) => runsOn(name, peer));
  const blobs = new Set(images.flatMap((image) => image.blobs.map(blobPath)));
  const lists = new Map([
    ['images.txt', imagesText(images)],
    ['images/index.json', layoutIndex(images)],
  ]);
  return manifest.files.flatMap((file): Part[] => {
    const { path } = file;
    const list = lists.get(path);
    if (list !== undefined) return [{ path, content: textUpload(list) }];
    if (path.startsWith('images/blobs/') && !blobs.has(path)) return [];
    if (!path.startsWith('packages/')) return [{ path, content: content(file) }];
    return path.startsWith(own) ? [{ path: `packages/${path.slice(own.length)}`, content: content(file) }] : [];
  });
}
