/** Rook's images, tiny ones by the same names from a mirror of a test's own: into a bundle, and to the hosts that run them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectImages } from '../../src/bundle/collect-images.js';
import { Contents } from '../../src/bundle/contents.js';
import { format } from '../../src/bundle/manifest.js';
import { type Bundle, checkBundle, openBundle } from '../../src/bundle/open.js';
import { partsFor } from '../../src/bundle/parts.js';
import { writeBundle } from '../../src/bundle/write.js';
import { localFiles } from '../../src/hosts/files.js';
import { http } from '../../src/hosts/http.js';
import { rookImages } from '../../src/install/pins.js';
import { sourcesOf } from '../../src/install/sources.js';
import type { World } from '../../src/world.js';
import { HubServer, sha256 } from '../models/hub-server.js';
import { fakeWorld } from '../world/fake.js';

/** Every image is a layer that all have, and a configuration of its own. */
const layer = Buffer.alloc(2000, 'shared');
const configOf = (name: string): Buffer => Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', name }));
const described = (mediaType: string, content: Buffer) => ({
  ...{ mediaType, digest: `sha256:${sha256(content)}`, size: content.length },
});
const manifestOf = (name: string): Buffer =>
  Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json' },
      config: described('application/vnd.oci.image.config.v1+json', configOf(name)),
      layers: [described('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
    }),
  );

async function registry(names: readonly string[]): Promise<HubServer> {
  const tags = new Map(names.map((name) => [name.replace(/^[^/]+\//, ''), manifestOf(name)]));
  const blobs = new Map([layer, ...names.map(configOf)].map((content) => [`sha256:${sha256(content)}`, content]));
  const hub = await HubServer.start();
  hub.answer = ({ url }, response) => {
    const [, repository, kind, which] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url!) ?? [];
    const content = kind === 'blobs' ? blobs.get(which!) : tags.get(`${repository}:${which}`);
    if (!content) return response.writeHead(404).end();
    const type = kind === 'blobs' ? 'application/octet-stream' : 'application/vnd.oci.image.manifest.v1+json';
    return response.writeHead(200, { 'content-type': type, 'content-length': content.length }).end(content);
  };
  return hub;
}

describe('Rook’s images', () => {
  let folder: string;
  let hub: HubServer;
  let world: World;
  let bundle: Bundle;

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/dd-images-`);
    hub = await registry(rookImages);
    const fake = fakeWorld();
    const clock = { ...fake.clock, now: () => Date.now() };
    world = { ...fake, files: localFiles, http: http({}), clock, places: { ...fake.places, home: `${folder}/home` } };
    const hosts = [...new Set(rookImages.map((name) => name.split('/')[0]!))];
    const registries = Object.fromEntries(hosts.map((name) => [name, [hub.url]]));
    const contents = new Contents();
    const means = { contents, folder: `${folder}/blobs`, world, note: () => {} };
    const images = await collectImages(rookImages, 'amd64', { ...sourcesOf('none'), registries }, means);
    const about = { kind: 'deepseek-deploy bundle', format, createdAt: '', target: 'kubernetes' } as const;
    const manifest = { ...about, systems: [], weights: [], images, files: contents.files };
    await writeBundle(`${folder}/b`, manifest, contents.contents, world, () => {});
    bundle = await openBundle(`${folder}/b`, world);
  });
  afterAll(async () => {
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are in it whole, and what they share is fetched and kept once', async () => {
    await checkBundle(bundle, world, () => {});
    expect(bundle.manifest.images.map(({ name }) => name)).toEqual(rookImages);
    const shared = `sha256:${sha256(layer)}`;
    expect(hub.asked.filter(({ url }) => url!.endsWith(shared))).toHaveLength(1);
    expect(bundle.manifest.files.filter(({ path }) => path.endsWith(sha256(layer)))).toHaveLength(1);
  });

  const sent = async (roles: readonly ('worker' | 'storage')[]) => {
    const parts = partsFor(bundle, 'debian12-amd64', { roles, gpu: false });
    const read = async (path: string): Promise<string> => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of parts.find((part) => part.path === path)!.content.chunks()) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    const index = JSON.parse(await read('images/index.json')) as { manifests: { digest: string }[] };
    // What a registry's client would read: every digest that is named leads to a file that is sent.
    for (const { digest } of index.manifests) {
      const manifest = JSON.parse(await read(`images/blobs/${digest.replace(':', '/')}`)) as {
        config: { digest: string };
        layers: { digest: string }[];
      };
      for (const one of [manifest.config, ...manifest.layers])
        expect(parts.map(({ path }) => path)).toContain(`images/blobs/${one.digest.replace(':', '/')}`);
    }
    return (await read('images.txt')).trim().split('\n');
  };

  it('Ceph itself goes to storage hosts; what maps its volumes goes to all', async () => {
    expect(await sent(['storage'])).toEqual(rookImages);
    expect(await sent(['worker'])).toEqual(rookImages.filter((name) => !name.startsWith('quay.io/ceph/ceph:')));
  });
});

it('a layer that one mirror lacks comes from the next', async () => {
  const folder = mkdtempSync(`${tmpdir()}/dd-images-`);
  const names = ['a.example/one:1', 'a.example/two:1'];
  const [half, all] = [await registry(names), await registry(names)];
  try {
    const own = half.answer;
    half.answer = (request, response, count) =>
      request.url!.endsWith(sha256(layer)) ? response.writeHead(404).end() : own(request, response, count);
    const world = { ...fakeWorld(), files: localFiles, http: http({}) };
    const registries = { 'a.example': [half.url, all.url] };
    const means = { contents: new Contents(), folder: `${folder}/blobs`, world, note: () => {} };
    const images = await collectImages(names, 'amd64', { ...sourcesOf('none'), registries }, means);
    expect(images.map(({ name }) => name)).toEqual(names);
  } finally {
    await Promise.all([half.close(), all.close()]);
    rmSync(folder, { recursive: true, force: true });
  }
});

it('a manifest that is not what its list calls it is refused', async () => {
  const folder = mkdtempSync(`${tmpdir()}/dd-images-`);
  const hub = await HubServer.start();
  const digest = `sha256:${'d'.repeat(64)}`;
  const list = { manifests: [{ mediaType: '', digest, size: 1, platform: { os: 'linux', architecture: 'amd64' } }] };
  hub.answer = ({ url }, response) =>
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(url!.endsWith(digest) ? manifestOf('other') : url!.includes('/manifests/') ? JSON.stringify(list) : layer);
  try {
    const request: World['http']['request'] = (asked) =>
      asked.url.startsWith(hub.url) ? http({}).request(asked) : Promise.reject(new Error('no network'));
    const world = { ...fakeWorld(), files: localFiles, http: { ...http({}), request } };
    const means = { contents: new Contents(), folder: `${folder}/blobs`, world, note: () => {} };
    const sources = { ...sourcesOf('none'), registries: { 'a.example': [hub.url] } };
    await expect(collectImages(['a.example/one:1'], 'amd64', sources, means)).rejects.toMatchObject({
      id: 'bundle.image',
      message: expect.stringContaining(`in place of ${digest}`),
    });
  } finally {
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
