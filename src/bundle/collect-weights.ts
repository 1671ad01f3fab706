/** Weights of models, downloaded to where they lie beside the bundle; an interrupted run carries on. */
import { createHash } from 'node:crypto';
import { UserError } from '../errors.js';
import { download } from '../models/fetch.js';
import { chooseGguf, findModel } from '../models/find.js';
import { fileUrl, tokenFor } from '../models/hub.js';
import { ggufListing, type HubFile, type Listing, safetensorsOf } from '../models/listing.js';
import { bytesText } from '../models/progress.js';
import { gaveUp, stopped } from '../models/refused.js';
import { Broken, transfer } from '../models/transfer.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { type Note, noteOf, sha256 } from './contents.js';
import type { BundleFile, BundleWeights } from './manifest.js';
import { weightsFolder } from './weights.js';

export interface WeightsWish {
  /** Ids of the catalogue. */
  readonly models: readonly string[];
  /** One GGUF file that llama.cpp serves, or the safetensors that vLLM and SGLang do. */
  readonly form: BundleWeights['form'];
  /** Of the GGUF files; the first of the catalogue where it is left out. */
  readonly quantisation?: string | undefined;
  readonly hub: string;
}

export interface WeightsPlan {
  readonly id: string;
  readonly form: BundleWeights['form'];
  readonly listing: Listing;
}

/**
 * What there is to download; nothing is yet.
 * @throws UserError `model.*`, `hub.*`, `download.*`
 */
export async function planWeights(wish: WeightsWish, world: World): Promise<WeightsPlan[]> {
  const plans: WeightsPlan[] = [];
  for (const id of new Set(wish.models)) {
    const model = findModel(id);
    // Made where it is served.
    if (model.family === 'demo') continue;
    const { form, hub } = wish;
    if (form === 'safetensors') plans.push({ id, form, listing: await safetensorsOf(model, hub, world) });
    else {
      const gguf = chooseGguf(model, wish.quantisation);
      plans.push({ id, form, listing: ggufListing(gguf, hub, fileUrl(gguf, hub, world.env)) });
    }
  }
  return plans;
}

const placeOf = (bundle: string, { id }: WeightsPlan, { path }: HubFile): string =>
  `${weightsFolder(bundle)}/${id}/${path}`;

/** Room for the archive itself, which is not known before. */
const archiveBytes = 5e9;

/**
 * Asked before the first byte is fetched.
 * @param bundle the path of the archive
 * @throws UserError `disk.full`, exit 'unready'
 */
export async function refuseFullDisk(plans: readonly WeightsPlan[], bundle: string, { files }: World): Promise<void> {
  const left = plans.flatMap((plan) =>
    plan.listing.files.map(async (file) => {
      const at = placeOf(bundle, plan, file);
      const has = (await files.stat(at))?.size ?? (await files.stat(`${at}.part`))?.size ?? 0;
      return Math.max(0, file.bytes - has);
    }),
  );
  if (left.length === 0) return;
  const need = (await Promise.all(left)).reduce((sum, bytes) => sum + bytes, 0) + archiveBytes;
  const free = await files.free(bundle);
  if (free >= need) return;
  const [needs, has] = [bytesText(need), bytesText(free)];
  throw new UserError(
    'disk.full',
    say(
      `The weights and the bundle take ${needs}; the disk of ${bundle} has ${has} left.`,
      `权重与离线包需要 ${needs}，而 ${bundle} 所在磁盘仅剩 ${has}。`,
    ),
    {
      exit: 'unready',
      hint: say('Name a place on a larger disk: --out /PATH/FILE', '请指定更大磁盘上的位置：--out /路径/文件'),
    },
  );
}

const gitBlob = (content: Uint8Array): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

/** Files that git keeps are small; what is larger is none of them. */
const mostSmall = 64e6;

async function small(file: HubFile, gitName: string, at: string, world: World): Promise<string> {
  const there = (await world.files.stat(at))?.size === file.bytes ? await world.files.readBytes(at) : undefined;
  if (there && gitBlob(there) === gitName) return sha256(there);
  if (file.bytes > mostSmall) throw new Error(`${file.url}: ${file.bytes} bytes without a SHA-256`);
  const content = await fetchWhole(file, world);
  if (gitBlob(content) !== gitName)
    throw new UserError(
      'download.hash',
      say(`What came from ${file.url} is not what the hub lists.`, `从 ${file.url} 下载的内容与站点所列不符。`),
      { exit: 'network' },
    );
  await world.files.makeDir(at.slice(0, at.lastIndexOf('/')));
  await world.files.write(at, content, 0o644);
  return sha256(content);
}

const tries = 4;

/** A file whose SHA-256 nobody has told yet. */
async function fetchWhole({ url, bytes }: HubFile, world: World): Promise<Uint8Array> {
  const part = `${world.places.cache}/bundle/small-${sha256(url).slice(0, 16)}`;
  await world.files.makeDir(part.slice(0, part.lastIndexOf('/')));
  const token = tokenFor(url, world.env);
  const source = { url, bytes, ...(token === undefined ? {} : { token }) };
  for (let tried = 1; ; tried += 1) {
    await world.files.remove(part);
    try {
      await transfer(world, source, part, 0, { start: () => {}, add: () => {} });
      const content = await world.files.readBytes(part);
      await world.files.remove(part);
      return content;
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      if (world.stop.aborted) throw stopped();
      if (tried === tries) throw gaveUp(url, error);
      await world.clock.sleep(error.retryAfterMs ?? 1000 * tried, world.stop);
    }
  }
}

/** @throws UserError `download.*` */
export async function collectWeights(
  plans: readonly WeightsPlan[],
  bundle: string,
  world: World,
  note: Note,
): Promise<BundleWeights[]> {
  const weights: BundleWeights[] = [];
  for (const plan of plans) {
    const { id, form, listing } = plan;
    const files: BundleFile[] = [];
    for (const [index, file] of listing.files.entries()) {
      const at = placeOf(bundle, plan, file);
      const { path, bytes, url, proof } = file;
      const told = noteOf(note, `${id} ${index + 1}/${listing.files.length}`);
      if ('sha256' in proof) await download(world, { url, path: at, sha256: proof.sha256, bytes }, told);
      files.push({
        path,
        bytes,
        sha256: 'sha256' in proof ? proof.sha256 : await small(file, proof.gitBlob, at, world),
      });
    }
    weights.push({ id, form, from: `${listing.repo}@${listing.revision}`, files });
  }
  return weights;
}
