/** Images, pulled from a registry of a test's own: logins, kinds of processors, mirrors that fail, bytes that are others. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { basesOf, layoutIndex, pull, readChallenge, readReference } from '../../src/bundle/registry.js';
import { localFiles } from '../../src/hosts/files.js';
import { http } from '../../src/hosts/http.js';
import type { World } from '../../src/world.js';
import { HubServer, sha256 } from '../models/hub-server.js';
import { fakeWorld } from '../world/fake.js';

test.each([
  [
    'registry.k8s.io/coredns/coredns:v1.14.2',
    { registry: 'registry.k8s.io', repository: 'coredns/coredns', tag: 'v1.14.2' },
  ],
  ['docker.io/library/busybox:1.37', { registry: 'docker.io', repository: 'library/busybox', tag: '1.37' }],
  ['10.0.0.1:5000/a:b', { registry: '10.0.0.1:5000', repository: 'a', tag: 'b' }],
])('%s', (name, reference) => {
  expect(readReference(name)).toEqual(reference);
});

test.each(['busybox', 'library/busybox:1', 'quay.io/x', `quay.io/x@sha256:${'a'.repeat(64)}`])(
  '%s is no whole name',
  (name) => {
    expect(() => readReference(name)).toThrow(/not a whole name/);
  },
);

test('mirrors first, then the registry itself', () => {
  expect(basesOf('docker.io', ['https://m.example', 'http://10.0.0.1:5000/hub'])).toEqual([
    'https://m.example/v2',
    'http://10.0.0.1:5000/v2/hub',
    'https://registry-1.docker.io/v2',
  ]);
});

test.each([
  [
    'Bearer realm="https://a/t",service="r",scope="repository:x:pull"',
    { realm: 'https://a/t', service: 'r', scope: 'repository:x:pull' },
  ],
  ['Basic realm="x"', undefined],
  [undefined, undefined],
])('the challenge %s', (header, words) => {
  expect(readChallenge(header)).toEqual(words);
});

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const digest = (bytes: Uint8Array): string => `sha256:${sha256(bytes)}`;
const layer = Buffer.from('a layer of it');
const config = json({ architecture: 'amd64' });
const described = (bytes: Uint8Array, mediaType: string) => ({ mediaType, digest: digest(bytes), size: bytes.length });
const manifest = json({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: described(config, 'application/vnd.oci.image.config.v1+json'),
  layers: [described(layer, 'application/vnd.oci.image.layer.v1.tar+gzip')],
});
const index = json({
  schemaVersion: 2,
  manifests: [
    { ...described(json({}), 'x'), platform: { os: 'linux', architecture: 'arm64' } },
    { ...described(manifest, 'x'), platform: { os: 'linux', architecture: 'amd64' } },
  ],
});

interface Registry {
  readonly blobs: Map<string, Buffer>;
  token?: string;
  tagged: Buffer;
}

let hub: HubServer;
let registry: Registry;
let folder: string;
let world: World;

interface Answered {
  readonly status: number;
  readonly body?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

function answered({ url, headers }: IncomingMessage): Answered {
  if (url!.startsWith('/token')) return { status: 200, body: json({ token: registry.token }) };
  if (registry.token && headers.authorization !== `Bearer ${registry.token}`) {
    const realm = `Bearer realm="${hub.url}/token",service="test",scope="repository:own/thing:pull"`;
    return { status: 401, headers: { 'www-authenticate': realm } };
  }
  const [, kind, which] = /^\/v2\/own\/thing\/(manifests|blobs)\/(.+)$/.exec(url!) ?? [];
  if (kind === 'manifests' && which === 'v1') return { status: 200, body: registry.tagged };
  if (which === digest(manifest)) return { status: 200, body: manifest };
  const blob = kind === 'blobs' ? registry.blobs.get(which!) : undefined;
  return blob ? { status: 200, body: blob } : { status: 404 };
}

beforeEach(async () => {
  folder = mkdtempSync(`${tmpdir()}/dd-registry-`);
  hub = await HubServer.start();
  registry = {
    tagged: index,
    blobs: new Map([
      [digest(config), config],
      [digest(layer), layer],
    ]),
  };
  hub.answer = (request, response) => {
    const { status, body, headers } = answered(request);
    response.writeHead(status, { 'content-type': 'application/vnd.oci.image.manifest.v1+json', ...headers }).end(body);
  };
  // Nobody beyond this machine is asked: the registry itself does not answer.
  const real = http({});
  const request: World['http']['request'] = async (one) => {
    if (!one.url.startsWith(hub.url)) throw new Error('no network');
    return real.request(one);
  };
  world = { ...fakeWorld(), files: localFiles, http: { ...real, request } };
});
afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const pulled = (mirrors: readonly string[] = [hub.url], arch = 'amd64') =>
  pull(
    'registry.example/own/thing:v1',
    { arch, mirrors, folder, once: (_, work) => work(), onProgress: () => {} },
    world,
  );

describe('an image', () => {
  it('comes with all of its parts, for one kind of processor, by its name', async () => {
    const image = await pulled();
    expect(image.manifest).toEqual({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: digest(manifest),
      size: manifest.length,
    });
    expect([...image.blobs.keys()]).toEqual([digest(manifest), digest(config), digest(layer)]);
    for (const { path, bytes } of image.blobs.values()) expect(statSync(path).size).toBe(bytes);
    const [only] = (JSON.parse(layoutIndex([{ name: image.name, ...image.manifest }])) as { manifests: object[] })
      .manifests;
    expect(only).toMatchObject({
      digest: digest(manifest),
      annotations: { 'io.containerd.image.name': 'registry.example/own/thing:v1' },
    });
  });

  it('comes from a registry that wants a token, and what is here is not fetched again', async () => {
    registry.token = 'secret-token';
    await pulled();
    const before = hub.asked.length;
    await pulled();
    expect(hub.asked.slice(before).filter(({ url }) => url!.includes('/blobs/'))).toEqual([]);
    expect(hub.asked.find(({ url }) => url!.startsWith('/token'))!.url).toContain('scope=repository%3Aown%2Fthing');
  });

  it('comes from the second mirror when the first has none', async () => {
    expect((await pulled([`${hub.url}/empty`, hub.url])).manifest.digest).toBe(digest(manifest));
  });

  it.each([
    ['has none for that processor', () => pulled([hub.url], 'riscv64'), /it has none for riscv64.*no network/],
    ['is nowhere', () => pulled([`${hub.url}/empty`]), /answered 404/],
    [
      'has another layer than it says',
      () => {
        registry.blobs.set(digest(layer), Buffer.from('b layer of it'));
        return pulled();
      },
      /sha256|hash/i,
    ],
    [
      'is no image',
      () => {
        registry.tagged = json({ schemaVersion: 1 });
        return pulled();
      },
      /no manifest of an image/,
    ],
  ])('that %s', async (_, work, says) => {
    await expect(work()).rejects.toMatchObject({
      id: 'bundle.image',
      exit: 'network',
      message: expect.stringMatching(says),
    });
  });
});
