/** Which host is sent which image: a worker has no use for the control plane's, nor for a GPU's where it has none. */
import { describe, expect, it, test } from 'vitest';
import type { BundleImage, Manifest } from '../../src/bundle/manifest.js';
import { partsFor, runsOn } from '../../src/bundle/parts.js';
import { dcgmExporter, devicePlugin } from '../../src/manifests/gpu.js';
import { documentsOf, imagesIn } from '../../src/manifests/object.js';
import { rookCluster } from '../../src/manifests/rook.js';
import type { Upload } from '../../src/world.js';

const controlPlane = { roles: ['control-plane'], gpu: false } as const;
const worker = { roles: ['worker'], gpu: false } as const;
const gpuHost = { roles: ['worker'], gpu: true } as const;
const storage = { roles: ['storage'], gpu: false } as const;
const one = { roles: ['control-plane', 'worker'], gpu: true } as const;
const all = [controlPlane, worker, gpuHost, storage, one];

const on = (image: string) => all.map((peer) => runsOn(image, peer));

test.each(['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd'])('%s: control planes', (name) => {
  expect(on(`registry.k8s.io/${name}:v1`)).toEqual([true, false, false, false, true]);
});

test.each(imagesIn(documentsOf([...devicePlugin(), ...dcgmExporter()])))('%s: hosts with GPUs', (image) => {
  expect(on(image)).toEqual([false, false, true, false, true]);
});

test.each(imagesIn(documentsOf(rookCluster([]))))('%s: storage hosts', (image) => {
  expect(on(image)).toEqual([false, false, false, true, false]);
});

test.each(['registry.k8s.io/kube-proxy:v1', 'registry.k8s.io/coredns/coredns:v1', 'quay.io/cephcsi/cephcsi:v3'])(
  '%s: anywhere',
  (image) => {
    expect(on(image)).toEqual([true, true, true, true, true]);
  },
);

describe('a host is sent', () => {
  const image = (name: string, ...blobs: string[]): BundleImage => ({
    name,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${blobs[0]}`,
    size: 1,
    blobs: blobs.map((blob) => `sha256:${blob}`),
  });
  const images = [image('registry.k8s.io/etcd:1', 'e', 'base'), image('registry.k8s.io/pause:1', 'p', 'base')];
  const paths = ['images.txt', 'images/index.json', ...['e', 'p', 'base'].map((hex) => `images/blobs/sha256/${hex}`)];
  const files = paths.map((path) => ({ path, bytes: 1, sha256: 'f'.repeat(64) }));
  const content = (): Upload => ({ bytes: 1, sha256: 'f'.repeat(64), async *chunks() {} });
  const sent = async (peer: typeof worker | typeof controlPlane) => {
    const manifest = { images, files } as unknown as Manifest;
    const parts = partsFor({ manifest, content }, 'debian12-amd64', peer);
    const text = async (path: string): Promise<string> => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of parts.find((part) => part.path === path)!.content.chunks()) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    const index = JSON.parse(await text('images/index.json')) as { manifests: { digest: string }[] };
    const blobs = parts.flatMap(({ path }) => (path.includes('/blobs/') ? [path.replace(/.*\//, '')] : []));
    return { names: await text('images.txt'), digests: index.manifests.map(({ digest }) => digest), blobs };
  };

  it('all, as a control plane', async () => {
    expect(await sent(controlPlane)).toEqual({
      names: 'registry.k8s.io/etcd:1\nregistry.k8s.io/pause:1\n',
      digests: ['sha256:e', 'sha256:p'],
      blobs: ['e', 'p', 'base'],
    });
  });

  it('as a worker what it runs, with the layers that others share with it, and lists that say the same', async () => {
    expect(await sent(worker)).toEqual({
      names: 'registry.k8s.io/pause:1\n',
      digests: ['sha256:p'],
      blobs: ['p', 'base'],
    });
  });
});
