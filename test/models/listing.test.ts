/** What hubs say a repository holds, as their APIs say it, and what of it is taken. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findModel } from '../../src/models/find.js';
import { safetensorsOf } from '../../src/models/listing.js';
import { type Bench, bench, HubServer } from './hub-server.js';

let hub: HubServer;
let on: Bench;
beforeEach(async () => {
  [hub, on] = [await HubServer.start(), await bench()];
});
afterEach(async () => {
  await hub.close();
  await on.close();
});

const model = findModel('deepseek-v3.1');
const [commit, blob, hash] = ['c'.repeat(40), 'b'.repeat(40), 'a'.repeat(64)];
const answer = (value: unknown) => {
  hub.answer = (_, response) => response.writeHead(200).end(JSON.stringify(value));
};
const lfs = { sha256: hash, size: 9, pointerSize: 134 };
const siblings = [
  { rfilename: '.gitattributes', size: 1, blobId: blob },
  { rfilename: 'config.json', size: 3, blobId: blob },
  { rfilename: 'model-00001-of-00002.safetensors', size: 9, blobId: blob, lfs },
  { rfilename: 'inference/model.py', size: 2, blobId: blob },
  { rfilename: 'figures/benchmark.png', size: 5, blobId: blob, lfs },
  { rfilename: 'pytorch_model.bin', size: 5, blobId: blob, lfs },
];

describe('Hugging Face, and mirrors that have its paths', () => {
  it('a commit, and each file by its hash or by git’s name for it', async () => {
    answer({ sha: commit, siblings });
    const { repo, revision, files } = await safetensorsOf(model, hub.url, on.world);
    expect([repo, revision]).toEqual(['deepseek-ai/DeepSeek-V3.1', commit]);
    expect(hub.asked[0]!.url).toBe('/api/models/deepseek-ai/DeepSeek-V3.1/revision/main?blobs=true');
    const at = (path: string) => `${hub.url}/deepseek-ai/DeepSeek-V3.1/resolve/${commit}/${path}`;
    expect(files).toEqual([
      { path: 'config.json', bytes: 3, url: at('config.json'), proof: { gitBlob: blob } },
      {
        path: 'model-00001-of-00002.safetensors',
        bytes: 9,
        url: at('model-00001-of-00002.safetensors'),
        proof: { sha256: hash },
      },
      { path: 'inference/model.py', bytes: 2, url: at('inference/model.py'), proof: { gitBlob: blob } },
    ]);
  });

  it('a token goes along where the hub is the one it was made for', async () => {
    answer({ sha: commit, siblings });
    const env = { HF_TOKEN: 'hf_x', HF_ENDPOINT: hub.url };
    await safetensorsOf(model, 'huggingface', { ...on.world, env });
    await safetensorsOf(model, hub.url, { ...on.world, env: { HF_TOKEN: 'hf_x' } });
    expect(hub.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer hf_x', undefined]);
  });

  it.each([
    ['without weights', { sha: commit, siblings: siblings.slice(0, 2) }, 'hub.incomplete'],
    ['without a commit', { siblings }, 'hub.listing'],
    ['with a file of no hash', { sha: commit, siblings: [{ rfilename: 'x', size: 1 }] }, 'hub.listing'],
    [
      'with a path of two lines',
      { sha: commit, siblings: [...siblings, { rfilename: 'a\nb.py', size: 1, blobId: blob }] },
      'hub.listing',
    ],
  ])('an answer %s is refused', async (_, value, id) => {
    answer(value);
    await expect(safetensorsOf(model, hub.url, on.world)).rejects.toMatchObject({ name: 'UserError', id });
  });

  it.each([
    ['/x.py', 1],
    ['a//x.py', 1],
    ['a\\x.py', 1],
    ['x.py', -1],
    ['x.py', 1.5],
    ['x.py', '1'],
  ])('a file named %j of %j bytes is refused', async (rfilename, size) => {
    answer({ sha: commit, siblings: [...siblings, { rfilename, size, blobId: blob }] });
    await expect(safetensorsOf(model, hub.url, on.world)).rejects.toMatchObject({ id: 'hub.listing' });
  });

  it.each(['../x.py', 'a/../../x.py', './x.py'])(
    '%s is left out, as every name with a dot first',
    async (rfilename) => {
      answer({ sha: commit, siblings: [...siblings, { rfilename, size: 1, blobId: blob }] });
      const { files } = await safetensorsOf(model, hub.url, on.world);
      expect(files.map(({ path }) => path).filter((path) => path.endsWith('x.py'))).toEqual([]);
    },
  );

  it.each([
    [401, 'download.denied'],
    [404, 'download.absent'],
  ])('%i', async (status, id) => {
    hub.answer = (_, response) => response.writeHead(status).end();
    await expect(safetensorsOf(model, hub.url, on.world)).rejects.toMatchObject({ id, exit: 'network' });
  });

  it('a page in place of an answer, and nobody there', async () => {
    hub.answer = (_, response) => response.writeHead(200).end('<html>');
    await expect(safetensorsOf(model, hub.url, on.world)).rejects.toMatchObject({ id: 'hub.listing' });
    const { url } = hub;
    await hub.close();
    await expect(safetensorsOf(model, url, on.world)).rejects.toMatchObject({ id: 'hub.listing' });
    hub = await HubServer.start();
  });
});

describe('ModelScope', () => {
  it('has a hash for every file', async () => {
    const file = (Path: string, Size: number) => ({ Path, Size, Sha256: hash, Type: 'blob' });
    answer({
      Code: 200,
      Data: { Files: [{ Path: 'inference', Type: 'tree' }, file('config.json', 3), file('m.safetensors', 9)] },
    });
    const asked: string[] = [];
    const http = {
      ...on.world.http,
      request: (request: Parameters<typeof on.world.http.request>[0]) => {
        asked.push(request.url);
        return on.world.http.request({ ...request, url: hub.url });
      },
    };
    const { files } = await safetensorsOf(model, 'modelscope', { ...on.world, http });
    expect(asked).toEqual([
      'https://modelscope.cn/api/v1/models/deepseek-ai/DeepSeek-V3.1/repo/files?Revision=master&Recursive=true',
    ]);
    expect(files.map(({ path, proof }) => [path, proof])).toEqual([
      ['config.json', { sha256: hash }],
      ['m.safetensors', { sha256: hash }],
    ]);
    expect(files[1]!.url).toBe('https://modelscope.cn/models/deepseek-ai/DeepSeek-V3.1/resolve/master/m.safetensors');
  });

  it('without a hash is refused', async () => {
    answer({ Data: { Files: [{ Path: 'config.json', Size: 3, Type: 'blob' }] } });
    const request: typeof on.world.http.request = (asked) => on.world.http.request({ ...asked, url: hub.url });
    const world = { ...on.world, http: { ...on.world.http, request } };
    await expect(safetensorsOf(model, 'modelscope', world)).rejects.toMatchObject({ id: 'hub.listing' });
  });
});
