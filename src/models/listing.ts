/** What a repository of a hub holds, each file with what it must be: asked of the hub's API, its revision pinned. */
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { apiOf, tokenFor } from './hub.js';
import type { Gguf, Model } from './model.js';
import { bytesText } from './progress.js';
import { refused } from './refused.js';

/** Small files that a hub keeps in git have no SHA-256 there, only git's own name for them. */
export type Proof = { readonly sha256: string } | { readonly gitBlob: string };

export interface HubFile {
  /** Below the repository. */
  readonly path: string;
  readonly bytes: number;
  readonly url: string;
  readonly proof: Proof;
}

export interface Listing {
  readonly repo: string;
  /** A commit; on ModelScope the branch, whose files each have their hash. */
  readonly revision: string;
  readonly files: readonly HubFile[];
}

const failed = (url: string, why: string, cause?: unknown): UserError =>
  new UserError('hub.listing', say(`${url} does not list its files: ${why}`, `${url} 未列出文件：${why}`), {
    exit: 'network',
    cause,
    hint: say(
      'Check the network of this machine and its proxy, or take another: --hub modelscope, --hub https://hf-mirror.com',
      '请检查本机网络及代理，或换用：--hub modelscope、--hub https://hf-mirror.com',
    ),
  });

async function ask(url: string, world: World): Promise<unknown> {
  const token = tokenFor(url, world.env);
  const headers = { accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const asked = { url, headers, timeoutMs: 30_000, idleTimeoutMs: 60_000, signal: world.stop };
  const { status, text } = await world.http
    .request(asked)
    .then(async (response) => ({ status: response.status, text: await response.text() }))
    .catch((error: unknown) => {
      throw failed(url, error instanceof Error ? error.message : String(error), error);
    });
  if (status !== 200) throw refused(status, url);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw failed(url, 'no JSON', error);
  }
}

const isHash = (text: unknown): text is string => typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
const isBlob = (text: unknown): text is string => typeof text === 'string' && /^[0-9a-f]{40}$/.test(text);

const isSize = (size: unknown): size is number => Number.isSafeInteger(size) && (size as number) >= 0;

/** Paths that stay below the folder they are put in, and are one line of a list. */
const isPath = (path: unknown): path is string =>
  typeof path === 'string' && /^[\w][\w.+-]*(\/[\w][\w.+-]*)*$/.test(path);

interface Sibling {
  readonly rfilename?: unknown;
  readonly size?: unknown;
  readonly blobId?: unknown;
  readonly lfs?: { readonly sha256?: unknown };
}

/** `GET /api/models/REPO/revision/REVISION?blobs=true` of Hugging Face. */
async function onHuggingFace(repo: string, base: string, world: World): Promise<Listing> {
  const url = `${base}/api/models/${repo}/revision/main?blobs=true`;
  const { sha, siblings } = (await ask(url, world)) as { sha?: string; siblings?: readonly Sibling[] };
  if (!isBlob(sha) || !Array.isArray(siblings)) throw failed(url, 'sha, siblings?');
  const files = (siblings as readonly Sibling[]).map(({ rfilename: path, size, blobId, lfs }): HubFile => {
    const proof = isHash(lfs?.sha256) ? { sha256: lfs.sha256 } : isBlob(blobId) ? { gitBlob: blobId } : undefined;
    if (!proof || !isSize(size)) throw failed(url, String(path));
    return { path: String(path), bytes: size, url: `${base}/${repo}/resolve/${sha}/${path}`, proof };
  });
  return { repo, revision: sha, files };
}

interface Listed {
  readonly Path?: unknown;
  readonly Type?: unknown;
  readonly Size?: unknown;
  readonly Sha256?: unknown;
}

/** `GET /api/v1/models/REPO/repo/files` of ModelScope. */
async function onModelScope(repo: string, base: string, world: World): Promise<Listing> {
  const revision = 'master';
  const url = `${base}/api/v1/models/${repo}/repo/files?Revision=${revision}&Recursive=true`;
  const { Data } = (await ask(url, world)) as { Data?: { Files?: readonly Listed[] } };
  if (!Array.isArray(Data?.Files)) throw failed(url, 'Data.Files?');
  const files = (Data.Files as readonly Listed[])
    .filter(({ Type }) => Type !== 'tree')
    .map(({ Path, Size, Sha256 }): HubFile => {
      if (!isHash(Sha256) || !isSize(Size)) throw failed(url, String(Path));
      const from = `${base}/models/${repo}/resolve/${revision}/${Path}`;
      return { path: String(Path), bytes: Size, url: from, proof: { sha256: Sha256 } };
    });
  return { repo, revision, files };
}

/** Pictures, papers, and weights in the forms that nothing here serves. */
const unwanted = /(^|\/)\.|\.(png|jpe?g|gif|svg|webp|pdf|mp4|bin|pth?|gguf|onnx|msgpack|h5)$/i;

/**
 * The safetensors of a model, with its configuration, tokenizer and code.
 * @param hub 'huggingface', 'modelscope', or the address of a mirror that has the paths of Hugging Face
 * @throws UserError `hub.listing`, `hub.incomplete`, `download.*`
 */
export async function safetensorsOf(model: Model, hub: string, world: World): Promise<Listing> {
  const base = apiOf(hub, world.env);
  const listing =
    hub === 'modelscope'
      ? await onModelScope(model.modelscope, base, world)
      : await onHuggingFace(model.huggingface, base, world);
  const files = listing.files.filter(({ path }) => !unwanted.test(path));
  const strange = files.find(({ path }) => !isPath(path));
  if (strange) throw failed(base, JSON.stringify(strange.path));
  const weights = files.filter(({ path }) => path.endsWith('.safetensors'));
  const bytes = weights.reduce((sum, file) => sum + file.bytes, 0);
  if (weights.length > 0 && files.some(({ path }) => path === 'config.json')) return { ...listing, files };
  throw new UserError(
    'hub.incomplete',
    say(
      `${listing.repo} on ${base} has no whole model: ${weights.length} safetensors (${bytesText(bytes)}), or no config.json.`,
      `${base} 上的 ${listing.repo} 不完整：${weights.length} 个 safetensors（${bytesText(bytes)}），或缺少 config.json。`,
    ),
    { exit: 'network' },
  );
}

/** The one file that llama.cpp serves; its hash is the catalogue's. */
export function ggufListing(gguf: Gguf, hub: string, url: string): Listing {
  const { repo, revision } = gguf.at[hub === 'modelscope' ? 'modelscope' : 'huggingface']!;
  const { file: path, bytes, sha256 } = gguf;
  return { repo, revision, files: [{ path, bytes, url, proof: { sha256 } }] };
}
