/** What a bundle says of itself: what it is for, and every file with its hash. */
import { UserError } from '../errors.js';
import type { Distribution } from '../install/distribution.js';
import { say } from '../say.js';
import type { Descriptor } from './registry.js';

/** One more whenever an older deepseek-deploy would misread it. */
export const format = 2;

export interface BundleFile {
  /** 'packages/debian12-amd64/socat_1.7_amd64.deb', 'images/blobs/sha256/…', 'manifests/rook/…' */
  readonly path: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface BundleSystem {
  /** 'debian12-amd64' */
  readonly id: string;
  readonly packages: readonly { readonly name: string; readonly version: string }[];
}

export interface BundleImage extends Descriptor {
  /** In full: 'registry.k8s.io/pause:3.10.2' */
  readonly name: string;
  /** Digests of all that it is made of: its manifest, its configuration, its layers. */
  readonly blobs: readonly string[];
}

/** Weights of a model: they lie beside the archive. */
export interface BundleWeights {
  /** As the catalogue names the model. */
  readonly id: string;
  readonly form: 'gguf' | 'safetensors';
  /** 'deepseek-ai/DeepSeek-V3@…': the repository of the hub, and its revision. */
  readonly from: string;
  /** Paths below the folder of the model. */
  readonly files: readonly BundleFile[];
}

export interface Manifest {
  readonly kind: 'deepseek-deploy bundle';
  readonly format: number;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** What it is an install of. */
  readonly target: 'local' | 'kubernetes';
  /** Version of Kubernetes; of a cluster alone. */
  readonly kubernetes?: string;
  readonly systems: readonly BundleSystem[];
  readonly images: readonly BundleImage[];
  readonly weights: readonly BundleWeights[];
  /** In the order in which they lie in the archive. */
  readonly files: readonly BundleFile[];
}

export const systemId = ({ id, version, arch }: Distribution): string => `${id}${version}-${arch}`;

const isPath = (path: unknown): boolean =>
  typeof path === 'string' &&
  /^[^/\\\0\n][^\\\0\n]*$/.test(path) &&
  !path.split('/').some((part) => /^\.{0,2}$/.test(part));

const isFile = (file: Partial<BundleFile>): boolean =>
  isPath(file.path) && Number.isSafeInteger(file.bytes) && file.bytes! >= 0 && /^[0-9a-f]{64}$/.test(file.sha256 ?? '');

const isId = (id: unknown): boolean => typeof id === 'string' && /^[a-z0-9][a-z0-9.-]*$/.test(id);

const isWhole = ({ target, systems, images, weights, files }: Partial<Manifest>): boolean =>
  (target === 'local' || target === 'kubernetes') &&
  [systems, images, weights, files].every(Array.isArray) &&
  weights!.every((one) => isId(one.id) && Array.isArray(one.files) && one.files.every(isFile)) &&
  systems!.every(({ id, packages }) => typeof id === 'string' && Array.isArray(packages)) &&
  images!.every(({ name, blobs }) => typeof name === 'string' && Array.isArray(blobs)) &&
  files!.every(isFile) &&
  new Set(files!.map(({ path }) => path)).size === files!.length;

const made = say('Make a new one: deepseek-deploy bundle create', '请重新制作：deepseek-deploy bundle create');

export const notABundle = (path: string, cause?: unknown): UserError =>
  new UserError('bundle.not', say(`${path} is no bundle.`, `${path} 不是离线包。`), {
    hint: made,
    exit: 'usage',
    cause,
  });

/**
 * @param path of the bundle, for what is said
 * @throws UserError `bundle.not`, `bundle.format`, exit 'usage'
 */
export function readManifest(text: string, path: string): Manifest {
  let found: Partial<Manifest>;
  try {
    found = JSON.parse(text) as Partial<Manifest>;
  } catch (error) {
    throw notABundle(path, error);
  }
  if (found?.kind !== 'deepseek-deploy bundle') throw notABundle(path);
  if (found.format !== format)
    throw new UserError(
      'bundle.format',
      say(
        `${path} has format ${found.format}; this deepseek-deploy reads format ${format}.`,
        `${path} 的格式为 ${found.format}，此版本的 deepseek-deploy 只读取格式 ${format}。`,
      ),
      { hint: made, exit: 'usage' },
    );
  if (!isWhole(found)) throw notABundle(path);
  return found as Manifest;
}

export const packagesFolder = (system: string): string => `packages/${system}/`;
