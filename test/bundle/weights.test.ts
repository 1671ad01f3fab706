/** Weights beside a bundle: fetched once, carried on, found again, and everything that can be wrong with them. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectWeights, planWeights, refuseFullDisk } from '../../src/bundle/collect-weights.js';
import type { BundleWeights } from '../../src/bundle/manifest.js';
import type { Bundle } from '../../src/bundle/open.js';
import { checkWeights, checkWeightsThere, weightsFiles, weightsUpload } from '../../src/bundle/weights.js';
import { localFiles } from '../../src/hosts/files.js';
import { type Bench, bench, HubServer, serve, sha256 } from '../models/hub-server.js';

const gitBlob = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

const contents: Readonly<Record<string, Buffer>> = {
  'config.json': Buffer.from('{"a": 1}'),
  'inference/model.py': Buffer.from('print()\n'),
  'model-1.safetensors': Buffer.alloc(300_000, 'one'),
  'model-2.safetensors': Buffer.alloc(200_000, 'two'),
};
const large = (path: string): boolean => path.endsWith('.safetensors');

let hub: HubServer;
let on: Bench;
let out: string;
/** How the nth request for a file is answered. */
let answering: Parameters<typeof serve>[1];

beforeEach(async () => {
  [hub, on] = [await HubServer.start(), await bench()];
  on = { ...on, world: { ...on.world, places: { ...on.world.places, cache: `${on.folder}/cache` } } };
  out = `${on.folder}/b.bundle`;
  answering = {};
  const siblings = Object.entries(contents).map(([rfilename, content]) => ({
    ...{ rfilename, size: content.length, blobId: gitBlob(content) },
    ...(large(rfilename) ? { lfs: { sha256: sha256(content) } } : {}),
  }));
  hub.answer = (request, response, count) => {
    if (request.url!.startsWith('/api/'))
      return response.writeHead(200).end(JSON.stringify({ sha: 'c'.repeat(40), siblings }));
    const path = /\/resolve\/c{40}\/(.*)$/.exec(request.url!)?.[1];
    return serve(contents[path!]!, answering)(request, response, count);
  };
});
afterEach(async () => {
  await hub.close();
  await on.close();
});

const wish = (form: BundleWeights['form'] = 'safetensors') =>
  ({ models: ['deepseek-v3.1', 'deepseek-v3.1', 'demo'], form, hub: hub.url }) as const;

async function collected(): Promise<Pick<Bundle, 'path' | 'manifest'>> {
  const plans = await planWeights(wish(), on.world);
  const weights = await collectWeights(plans, out, on.world, () => {});
  return { path: out, manifest: { weights } as unknown as Bundle['manifest'] };
}
const fetched = () => hub.asked.filter(({ url }) => url!.includes('/resolve/'));

describe('collected', () => {
  it('each file where it belongs, with the hash that the manifest says; the second time nothing is fetched', async () => {
    const bundle = await collected();
    expect(bundle.manifest.weights).toEqual([
      {
        ...{ id: 'deepseek-v3.1', form: 'safetensors', from: `deepseek-ai/DeepSeek-V3.1@${'c'.repeat(40)}` },
        files: Object.entries(contents).map(([path, content]) => ({
          ...{ path, bytes: content.length, sha256: sha256(content) },
        })),
      },
    ]);
    for (const { at, path } of weightsFiles(bundle)) expect(readFileSync(at).equals(contents[path]!)).toBe(true);
    const before = fetched().length;
    await collected();
    expect(fetched()).toHaveLength(before);
  });

  it('a small file that is there with as many bytes, but others, is fetched anew', async () => {
    const bundle = await collected();
    const { at } = weightsFiles(bundle).find(({ path }) => path === 'config.json')!;
    writeFileSync(at, '{"a": 3}');
    expect((await collected()).manifest).toEqual(bundle.manifest);
    expect(readFileSync(at, 'utf8')).toBe('{"a": 1}');
  });

  it('also when the connection breaks again and again', async () => {
    answering = { cut: 90_000 };
    await collected();
    expect(hub.ranges().filter(Boolean).length).toBeGreaterThan(2);
  });

  it('a token goes along for small files too', async () => {
    on = { ...on, world: { ...on.world, env: { HF_TOKEN: 'hf_x', HF_ENDPOINT: hub.url } } };
    await collected();
    expect(fetched().map(({ headers }) => headers.authorization)).toEqual(
      Object.keys(contents).map(() => 'Bearer hf_x'),
    );
  });

  it('is refused when a small file is not what git calls it', async () => {
    const own = hub.answer;
    hub.answer = (request, response, count) =>
      request.url!.endsWith('config.json')
        ? serve(Buffer.from('{"a": 2}'))(request, response, count)
        : own(request, response, count);
    await expect(collected()).rejects.toMatchObject({ id: 'download.hash', exit: 'network' });
  });

  it('asks for room before the first byte; what is there already counts', async () => {
    const plans = await planWeights(wish(), on.world);
    const free = (bytes: number) => ({ ...on.world, files: { ...localFiles, free: async () => bytes } });
    await expect(refuseFullDisk(plans, out, free(5e9 + 400_000))).rejects.toMatchObject({
      id: 'disk.full',
      exit: 'unready',
    });
    expect(fetched()).toEqual([]);
    await collectWeights(plans, out, on.world, () => {});
    await refuseFullDisk(plans, out, free(5e9 + 400_000));
  });

  it('of one machine: the file of the catalogue, none for the model that is made here', async () => {
    const models = ['deepseek-r1-distill-qwen-7b', 'demo'];
    const plans = await planWeights({ ...wish('gguf'), models }, on.world);
    expect(plans.map(({ id, listing }) => [id, listing.files.length])).toEqual([['deepseek-r1-distill-qwen-7b', 1]]);
    await expect(planWeights(wish('gguf'), on.world)).rejects.toMatchObject({ id: 'model.no-gguf' });
  });
});

describe('checked', () => {
  const file = (name: string): string => `${out}.weights/deepseek-v3.1/${name}`;
  const check = async (bundle: Pick<Bundle, 'path' | 'manifest'>): Promise<number> => {
    let bytes = 0;
    await checkWeights(bundle as Bundle, on.world, (count) => {
      bytes += count;
    });
    return bytes;
  };

  it('whole: every byte is read', async () => {
    expect(await check(await collected())).toBe(Object.values(contents).reduce((sum, { length }) => sum + length, 0));
  });

  it('each that is missing or short is named', async () => {
    const bundle = await collected();
    rmSync(file('config.json'));
    truncateSync(file('model-2.safetensors'), 1000);
    await expect(checkWeightsThere(bundle, on.world)).rejects.toMatchObject({
      id: 'bundle.weights',
      details: [
        { en: expect.stringMatching(/config\.json is not there$/) },
        { en: expect.stringMatching(/model-2\.safetensors: 1000 of 200000 bytes$/) },
      ],
    });
  });

  it('one byte that is another is found', async () => {
    const bundle = await collected();
    const bytes = Buffer.from(contents['model-1.safetensors']!);
    bytes[7]! ^= 1;
    writeFileSync(file('model-1.safetensors'), bytes);
    await expect(check(bundle)).rejects.toMatchObject({ id: 'bundle.hash', exit: 'network' });
  });

  it('is sent on as it is', async () => {
    const one = weightsFiles(await collected()).find(({ path }) => path === 'model-1.safetensors')!;
    const chunks: Uint8Array[] = [];
    for await (const chunk of weightsUpload(one, on.world).chunks()) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(contents[one.path]!)).toBe(true);
    expect(readdirSync(`${out}.weights`)).toEqual(['deepseek-v3.1']);
  });
});
