/** Images as a registry gives them out: what a pull asks of the OCI distribution specification 1.1, and no more. */
import { createHash } from 'node:crypto';
import { UserError } from '../errors.js';
import { download, type Progress } from '../models/fetch.js';
import { say } from '../say.js';
import type { World } from '../world.js';

export interface Reference {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
}

/** 'registry.k8s.io/coredns/coredns:v1.14.2', in full: no registry is guessed. */
export function readReference(name: string): Reference {
  const [, registry, repository, tag] = /^([^/]+\.[^/]+|[^/]+:\d+|localhost)\/([^:@]+):([\w.-]+)$/.exec(name) ?? [];
  if (tag === undefined) throw new Error(`not a whole name of an image: ${name}`);
  return { registry: registry!, repository: repository!, tag };
}

/** Where a registry is asked: its mirrors in order, then itself. An address with a path stands for its root. */
export function basesOf(registry: string, mirrors: readonly string[]): string[] {
  const own = `https://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}`;
  return [...mirrors, own].map((address) => address.replace(/^([a-z]+:\/\/[^/]+)(.*)$/, '$1/v2$2'));
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string };
}

export interface Pulled {
  readonly name: string;
  readonly manifest: Descriptor;
  /** By digest, where each lies here: the manifest, its configuration, its layers. */
  readonly blobs: ReadonlyMap<string, { readonly path: string; readonly bytes: number }>;
}

const kinds = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

const hex = (digest: string): string => {
  const [, found] = /^sha256:([0-9a-f]{64})$/.exec(digest) ?? [];
  if (found === undefined) throw new Error(`not a digest of sha256: ${digest}`);
  return found;
};

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** The words of `WWW-Authenticate: Bearer realm="…",service="…",scope="…"`; undefined for another kind. */
export function readChallenge(header: string | undefined): Readonly<Record<string, string>> | undefined {
  if (!/^bearer /i.test(header ?? '')) return undefined;
  return Object.fromEntries([...header!.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]));
}

const pullFailed = (name: string, reasons: readonly string[]): UserError =>
  new UserError(
    'bundle.image',
    say(`${name} could not be pulled: ${reasons.join('; ')}`, `无法拉取 ${name}：${reasons.join('；')}`),
    {
      exit: 'network',
      hint: say(
        'Check the network of this machine, its proxy, and the section mirrors (mirrors: cn in mainland China).',
        '请检查本机网络、代理以及 mirrors 配置（中国大陆可用 mirrors: cn）。',
      ),
    },
  );

/** What one registry, or a mirror of it, has been asked so far. */
class Asked {
  #token: string | undefined;

  constructor(
    readonly base: string,
    readonly reference: Reference,
    readonly world: World,
  ) {}

  get token(): string | undefined {
    return this.#token;
  }

  address(kind: 'manifests' | 'blobs', which: string): string {
    return `${this.base}/${this.reference.repository}/${kind}/${which}`;
  }

  async #get(url: string): Promise<{ status: number; headers: Readonly<Record<string, string>>; bytes: Uint8Array }> {
    const headers = {
      accept: kinds.join(', '),
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
    };
    const answer = await this.world.http.request({
      url,
      headers,
      timeoutMs: 30_000,
      idleTimeoutMs: 60_000,
      signal: this.world.stop,
    });
    const parts: Uint8Array[] = [];
    for await (const part of answer.body) parts.push(part);
    return { status: answer.status, headers: answer.headers, bytes: Buffer.concat(parts) };
  }

  async #authorize(header: string | undefined): Promise<void> {
    const { realm, ...words } = readChallenge(header) ?? {};
    if (realm === undefined) throw new Error('it wants a login');
    const url = new URL(realm);
    for (const [key, value] of Object.entries(words)) url.searchParams.set(key, value);
    const { status, bytes } = await this.#get(url.href);
    if (status !== 200) throw new Error(`${url.origin} answered ${status}`);
    const said = JSON.parse(Buffer.from(bytes).toString()) as { token?: string; access_token?: string };
    this.#token = said.token ?? said.access_token;
  }

  /** @param which a tag, or a digest that it must have */
  async manifest(
    which: string,
  ): Promise<{ readonly bytes: Uint8Array; readonly digest: string; readonly mediaType: string }> {
    const url = this.address('manifests', which);
    let answer = await this.#get(url);
    if (answer.status === 401) {
      await this.#authorize(answer.headers['www-authenticate']);
      answer = await this.#get(url);
    }
    if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}`);
    const digest = digestOf(answer.bytes);
    const said = which.startsWith('sha256:') ? which : answer.headers['docker-content-digest'];
    if (said !== undefined && said !== digest) throw new Error(`${url} sent ${digest} in place of ${said}`);
    return { bytes: answer.bytes, digest, mediaType: answer.headers['content-type']!.split(';')[0]! };
  }
}

interface Parts {
  readonly mediaType?: string;
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

export interface PullHow {
  readonly arch: string;
  readonly mirrors: readonly string[];
  /** Where blobs are kept, by their hash. */
  readonly folder: string;
  /** Fetches one blob; the same one is wanted by several images at once. */
  readonly once: (digest: string, work: () => Promise<void>) => Promise<void>;
  readonly onProgress: (progress: Progress) => void;
}

async function pullFrom(name: string, base: string, how: PullHow, world: World): Promise<Pulled> {
  const asked = new Asked(base, readReference(name), world);
  const first = await asked.manifest(asked.reference.tag);
  const list = (JSON.parse(Buffer.from(first.bytes).toString()) as Parts).manifests;
  const fits = list?.find(({ platform }) => platform?.os === 'linux' && platform.architecture === how.arch);
  if (list && !fits) throw new Error(`it has none for ${how.arch}`);
  const chosen = fits ? await asked.manifest(fits.digest) : first;
  const parts = JSON.parse(Buffer.from(chosen.bytes).toString()) as Parts;
  if (!parts.config || !parts.layers) throw new Error('it is no manifest of an image');
  const path = (digest: string): string => `${how.folder}/${hex(digest)}`;
  await world.files.makeDir(how.folder);
  await how.once(chosen.digest, () => world.files.write(path(chosen.digest), chosen.bytes));
  const blobs = new Map([[chosen.digest, { path: path(chosen.digest), bytes: chosen.bytes.length }]]);
  for (const { digest, size } of [parts.config, ...parts.layers]) {
    const wanted = { url: asked.address('blobs', digest), path: path(digest), sha256: hex(digest), bytes: size };
    const token = asked.token === undefined ? {} : { token: asked.token };
    await how.once(digest, () => download(world, { ...wanted, ...token }, how.onProgress));
    blobs.set(digest, { path: path(digest), bytes: size });
  }
  const mediaType = parts.mediaType ?? chosen.mediaType;
  return { name, manifest: { mediaType, digest: chosen.digest, size: chosen.bytes.length }, blobs };
}

/** The image for one architecture, from the first of its places that has it. @throws UserError `bundle.image` */
export async function pull(name: string, how: PullHow, world: World): Promise<Pulled> {
  const reasons: string[] = [];
  for (const base of basesOf(readReference(name).registry, how.mirrors)) {
    try {
      return await pullFrom(name, base, how, world);
    } catch (error) {
      if (world.stop.aborted) throw error;
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw pullFailed(name, reasons);
}

/** The index of an OCI layout; containerd takes each image's name from it. */
export const layoutIndex = (images: readonly (Descriptor & { readonly name: string })[]): string =>
  `${JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: images.map(({ name, mediaType, digest, size }) => ({
      ...{ mediaType, digest, size },
      annotations: {
        'io.containerd.image.name': name,
        'org.opencontainers.image.ref.name': readReference(name).tag,
      },
    })),
  })}\n`;
