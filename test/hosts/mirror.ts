/**
 * A mirror of a test's own: Debian repositories laid out as Docker's, Kubernetes' and NVIDIA's, signed by a key of its own, and an
 * image registry (what a pull asks of the OCI distribution specification), all from folders of `test/kube`; or the
 * repositories of rpms that `rpms` has made and signed.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { normalize } from 'node:path';
import { driverKeys } from '../../src/install/pins.js';

export interface Mirror {
  /** http://10.77.0.1:40000 */
  readonly address: string;
  /** Of the key that signs the repositories. */
  readonly fingerprint: string;
  /** Every path that was asked for. */
  readonly asked: string[];
  close(): Promise<void>;
}

const sha256 = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex');

export class Signer {
  readonly fingerprint: string;

  constructor(readonly home: string) {
    mkdirSync(home, { mode: 0o700 });
    this.#gpg('--passphrase', '', '--quick-gen-key', 'test', 'rsa2048', 'sign', '1d');
    this.fingerprint = /^fpr:+(\w+):/m.exec(this.#gpg('--list-keys', '--with-colons'))![1]!;
  }

  #gpg(...words: string[]): string {
    return execFileSync('gpg', ['--homedir', this.home, '--batch', '--quiet', ...words], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  key(): string {
    return this.#gpg('--armor', '--export');
  }

  sign(file: string, to: string): void {
    this.#gpg('--output', to, '--clearsign', file);
  }

  close(): void {
    execFileSync('gpgconf', ['--homedir', this.home, '--kill', 'all']);
  }
}

/** The list of the packages of a folder, with paths below `at`. */
export function packagesOf(folder: string, wanted: (name: string) => boolean, at: string): string {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.deb') && wanted(name))
    .map((name) => {
      const file = `${folder}/${name}`;
      const control = execFileSync('dpkg-deb', ['-f', file], { encoding: 'utf8' }).trim();
      return `${control}\nFilename: ${at}${name}\nSize: ${statSync(file).size}\nSHA256: ${sha256(readFileSync(file))}\n`;
    })
    .join('\n');
}

/** @param list where the list lies below the release */
export function release(folder: string, list: string, content: string, lines: readonly string[], signer: Signer): void {
  const path = `${folder}/${list}`;
  mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true });
  writeFileSync(path, content);
  const hash = `SHA256:\n ${sha256(content)} ${Buffer.byteLength(content)} ${list}`;
  writeFileSync(`${folder}/Release`, [...lines, `Date: ${new Date().toUTCString()}`, hash, ''].join('\n'));
  signer.sign(`${folder}/Release`, `${folder}/InRelease`);
}

const isKubernetes = (name: string): boolean => /^(kube|cri-)/.test(name);
const isToolkit = (name: string): boolean => /^(lib)?nvidia-/.test(name);

function repositories(folder: string, { packages, driver }: Debs, signer: Signer): void {
  const docker = `${folder}/docker/linux/debian`;
  const kubernetes = `${folder}/kubernetes/v1.36/deb`;
  const toolkit = `${folder}/toolkit/stable/deb/amd64`;
  for (const one of [docker, kubernetes, toolkit]) mkdirSync(one, { recursive: true });
  symlinkSync(packages, `${docker}/pool`);
  symlinkSync(packages, `${kubernetes}/amd64`);
  symlinkSync(packages, `${toolkit}/pool`);
  writeFileSync(`${docker}/gpg`, signer.key());
  writeFileSync(`${kubernetes}/Release.key`, signer.key());
  writeFileSync(`${folder}/toolkit/gpgkey`, signer.key());
  const stable = ['Suite: bookworm', 'Codename: bookworm', 'Architectures: amd64', 'Components: stable'];
  const others = packagesOf(packages, (name) => !isKubernetes(name) && !isToolkit(name), 'pool/');
  release(`${docker}/dists/bookworm`, 'stable/binary-amd64/Packages', others, stable, signer);
  release(kubernetes, 'Packages', packagesOf(packages, isKubernetes, 'amd64/'), ['Suite: /'], signer);
  release(toolkit, 'Packages', packagesOf(packages, isToolkit, 'pool/'), ['Suite: /'], signer);
  if (driver) driverRepository(`${folder}/driver/debian12/x86_64`, driver, signer);
}

function driverRepository(folder: string, packages: string, signer: Signer): void {
  mkdirSync(folder, { recursive: true });
  symlinkSync(packages, `${folder}/pool`);
  writeFileSync(`${folder}/${driverKeys.debian12!.file}`, signer.key());
  release(
    folder,
    'Packages',
    packagesOf(packages, () => true, 'pool/'),
    ['Suite: /'],
    signer,
  );
}

interface Images {
  /** 'kube-proxy v1.36.4', 'kube-proxy sha256:…' -> the manifest. */
  readonly manifests: ReadonlyMap<string, Buffer>;
  readonly blobs: ReadonlyMap<string, string>;
}

/** Unpacks each archive, and reads what it holds. */
function imagesOf(archives: string, folder: string): Images {
  const manifests = new Map<string, Buffer>();
  const blobs = new Map<string, string>();
  for (const name of readdirSync(archives).filter((one) => one.endsWith('.tar'))) {
    const layout = `${folder}/${name}`;
    mkdirSync(layout, { recursive: true });
    execFileSync('tar', ['-xf', `${archives}/${name}`, '-C', layout]);
    for (const hash of readdirSync(`${layout}/blobs/sha256`))
      blobs.set(`sha256:${hash}`, `${layout}/blobs/sha256/${hash}`);
    const index = JSON.parse(readFileSync(`${layout}/index.json`, 'utf8')) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    for (const { digest, annotations } of index.manifests) {
      const [, path, tag] = /^[^/]+\/(.+):([^:]+)$/.exec(annotations['io.containerd.image.name']!)!;
      const content = readFileSync(blobs.get(digest)!);
      manifests.set(`${path} ${tag}`, content);
      manifests.set(`${path} ${digest}`, content);
    }
  }
  return { manifests, blobs };
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

function registry(path: string, images: Images, head: boolean, response: ServerResponse): void {
  const [, name, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
  if (path === '/v2/') return void response.writeHead(200).end();
  const manifest = kind === 'manifests' ? images.manifests.get(`${name} ${reference}`) : undefined;
  if (manifest) {
    const digest = `sha256:${sha256(manifest)}`;
    response.writeHead(200, {
      'content-type': manifestType,
      'content-length': manifest.length,
      'docker-content-digest': digest,
    });
    return void response.end(head ? undefined : manifest);
  }
  const blob = kind === 'blobs' ? images.blobs.get(reference!) : undefined;
  if (blob === undefined) return void response.writeHead(404).end();
  file(blob, head, response);
}

function file(path: string, head: boolean, response: ServerResponse): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-length': stat.size });
  if (head) response.end();
  else createReadStream(path).pipe(response);
}

interface Debs {
  /** Of `test/kube/packages`. */
  readonly packages: string;
  /** Packages of a repository laid out as that of NVIDIA's driver for Debian 12. */
  readonly driver?: string | undefined;
}

/** Or the folder of `test/hosts/rpms`. */
type Packages = Debs | { readonly rpms: string };

/** @returns the fingerprint of the key that signs them, and what ends it */
function repositoriesOf(www: string, from: Packages): { readonly fingerprint: string; close(): void } {
  if ('rpms' in from) {
    symlinkSync(from.rpms, www);
    return { fingerprint: readFileSync(`${from.rpms}/fingerprint`, 'utf8').trim(), close: () => {} };
  }
  const signer = new Signer(`${www}-gpg`);
  repositories(www, from, signer);
  return signer;
}

/**
 * @param host the address to listen on
 * @param folders of packages, and that of `test/kube/images`
 */
export async function mirror(host: string, folders: Packages & { readonly images: string }): Promise<Mirror> {
  const folder = mkdtempSync(`${tmpdir()}/dd-mirror-`);
  const signer = repositoriesOf(`${folder}/www`, folders);
  const images = imagesOf(folders.images, `${folder}/images`);
  const asked: string[] = [];
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const path = normalize(decodeURIComponent(new URL(request.url!, 'http://x').pathname));
    asked.push(path);
    const head = request.method === 'HEAD';
    if (path.startsWith('/v2/')) registry(path, images, head, response);
    else file(`${folder}/www${path}`, head, response);
  };
  const server: Server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    address: `http://${host}:${(server.address() as AddressInfo).port}`,
    fingerprint: signer.fingerprint,
    asked,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      signer.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
