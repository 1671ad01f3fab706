import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { localFiles } from '../../src/hosts/files.js';
import { download, type Progress, verified, type Wanted } from '../../src/models/fetch.js';
import type { HttpRequest, World } from '../../src/world.js';
import { type Bench, bench, HubServer, serve, sha256 } from './hub-server.js';

const content = Buffer.alloc(300_000, 'weights, weights, ');

let hub: HubServer;
let here: Bench;

beforeEach(async () => {
  hub = await HubServer.start();
  here = await bench();
});
afterEach(async () => {
  await hub.close();
  await here.close();
});

const wanted = (changes: Partial<Wanted> = {}): Wanted => ({
  url: `${hub.url}/model.gguf`,
  path: `${here.folder}/models/model.gguf`,
  sha256: sha256(content),
  bytes: content.length,
  ...changes,
});

const get = (changes: Partial<Wanted> = {}, world: World = here.world, tell: (progress: Progress) => void = () => {}) =>
  download(world, wanted(changes), tell);

const whole = async (): Promise<boolean> => content.equals(await readFile(wanted().path));
const put = async (name: string, what: Uint8Array | string): Promise<void> => {
  await localFiles.makeDir(`${here.folder}/models`);
  await writeFile(`${here.folder}/models/${name}`, what);
};

describe('a download', () => {
  test('brings the file, tells how far it is, and leaves nothing else', async () => {
    hub.answer = serve(content);
    const told: Progress[] = [];
    await get({}, here.world, (progress) => told.push(progress));
    expect(await whole()).toBe(true);
    expect(await readdir(`${here.folder}/models`)).toEqual(['model.gguf', 'model.gguf.sha256']);
    const done = told.filter(({ phase }) => phase === 'fetch').map(({ doneBytes }) => doneBytes);
    expect([done[0], done.at(-1)]).toEqual([0, content.length]);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(told.at(-1)).toMatchObject({ phase: 'verify', doneBytes: content.length, totalBytes: content.length });
  });

  test('from a disk: what has another size there is not begun with', async () => {
    await put('short', content.subarray(0, 10));
    const url = `file://${here.folder}/models/short`;
    await expect(get({ url })).rejects.toMatchObject({ id: 'download.size' });
    expect(await readdir(`${here.folder}/models`)).toEqual(['short']);
  });

  test('of an empty file is an empty file', async () => {
    const empty = { sha256: sha256(Buffer.alloc(0)), bytes: 0 };
    await get(empty);
    expect(await readFile(wanted().path)).toHaveLength(0);
  });

  test('is not made twice, and the second look reads nothing', async () => {
    hub.answer = serve(content);
    await get();
    const hash = () => Promise.reject(new Error('read'));
    const world = { ...here.world, files: { ...localFiles, hash } };
    expect(await verified(world, wanted())).toBe(true);
    await get({}, world);
    expect(hub.asked).toHaveLength(1);
  });

  test('is made again when the file was changed since', async () => {
    hub.answer = serve(content);
    await get();
    await writeFile(wanted().path, Buffer.alloc(content.length));
    await utimes(wanted().path, 1, 1);
    expect(await verified(here.world, wanted())).toBe(false);
    await get();
    expect([hub.asked.length, await whole()]).toEqual([2, true]);
  });

  test('a right file that is there already is looked at, not fetched', async () => {
    await put('model.gguf', content);
    expect(await verified(here.world, wanted())).toBe(false);
    await get();
    expect([hub.asked.length, await verified(here.world, wanted())]).toEqual([0, true]);
  });

  test('an unreadable stamp counts as none', async () => {
    await put('model.gguf', content);
    await put('model.gguf.sha256', '{"sha');
    expect(await verified(here.world, wanted())).toBe(false);
  });
});

describe('what breaks off', () => {
  test('is carried on where it stopped', async () => {
    hub.answer = (request, response, count) =>
      serve(content, count < 3 ? { cut: 100_000 } : {})(request, response, count);
    await get();
    const [first, second, third] = hub.ranges().map((range) => Number(range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0));
    expect([await whole(), hub.asked.length, first]).toEqual([true, 3, 0]);
    expect(second).toBeGreaterThan(0);
    expect(third).toBeGreaterThan(second!);
    expect(here.waits).toEqual([1000, 1000]);
  });

  test('is begun anew where the server knows no ranges', async () => {
    hub.answer = (request, response, count) =>
      serve(content, { ranges: false, ...(count < 2 ? { cut: 100_000 } : {}) })(request, response, count);
    await get();
    expect([await whole(), hub.ranges()]).toEqual([true, [undefined, expect.stringMatching(/^bytes=\d+-$/)]]);
  });

  test('is begun anew where the range is refused, or another is given', async () => {
    await put('model.gguf.part', content.subarray(0, 1000));
    hub.answer = (request, response, count) =>
      count === 1 ? void response.writeHead(416).end() : serve(content)(request, response, count);
    await get();
    expect([await whole(), hub.ranges()]).toEqual([true, ['bytes=1000-', undefined]]);

    await localFiles.remove(wanted().path);
    await put('model.gguf.part', content.subarray(0, 1000));
    hub.answer = (request, response, count) =>
      count === 3
        ? void response.writeHead(206, { 'content-range': `bytes 0-9/${content.length}` }).end('0123456789')
        : serve(content)(request, response, count);
    await get();
    expect(await whole()).toBe(true);
  });

  test('a part that is too long is of another file', async () => {
    await put('model.gguf.part', Buffer.alloc(content.length + 1));
    hub.answer = serve(content);
    await get();
    expect([await whole(), hub.ranges()]).toEqual([true, [undefined]]);
  });

  test('a part that is whole is only checked', async () => {
    await put('model.gguf.part', content);
    await get();
    expect([await whole(), hub.asked.length]).toEqual([true, 0]);
  });

  test('a server that falls silent is left', async () => {
    hub.answer = (request, response, count) =>
      count === 1
        ? void response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 50_000))
        : serve(content)(request, response, count);
    await get();
    expect([await whole(), hub.ranges()]).toEqual([true, [undefined, 'bytes=50000-']]);
  });

  test('wherever it breaks, and however often, the file is right in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(content.length), { maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        async (cuts, ranges, reset) => {
          await localFiles.remove(`${here.folder}/models`);
          const before = hub.asked.length;
          hub.answer = (request, response, count) => {
            const cut = cuts[count - before - 1];
            serve(content, { ranges, reset, ...(cut === undefined ? {} : { cut }) })(request, response, count);
          };
          await get();
          expect(await whole()).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('a moment of trouble is waited out, as long as the server says', async () => {
    hub.answer = (request, response, count) => {
      if (count === 1) response.writeHead(503, { 'retry-after': '7' }).end();
      else if (count === 2) response.writeHead(429, { 'retry-after': '86400' }).end();
      else if (count === 3) response.writeHead(500).end();
      else serve(content)(request, response, count);
    };
    await get();
    expect([await whole(), here.waits]).toEqual([true, [7000, 60_000, 4000]]);
  });

  test('lasting trouble is given up after five tries', async () => {
    hub.answer = (_, response) => void response.writeHead(502).end();
    await expect(get()).rejects.toMatchObject({ id: 'download.broken', exit: 'network' });
    expect([hub.asked.length, here.waits]).toEqual([5, [1000, 2000, 4000, 8000]]);
  });

  test('so is a server that is not there', async () => {
    const { url } = wanted();
    await hub.close();
    hub = await HubServer.start();
    await expect(get({ url })).rejects.toMatchObject({
      id: 'download.broken',
      cause: { message: expect.stringMatching(/ECONNREFUSED/) },
    });
  });
});

describe('what is refused at once', () => {
  test.each<[string, string, number, Record<string, string | number>]>([
    ['access without a token', 'download.denied', 401, {}],
    ['a model whose terms were not accepted', 'download.denied', 403, {}],
    ['a mirror that lacks it', 'download.absent', 404, {}],
    ['a proxy that wants a password', 'download.refused', 407, {}],
    ['a login page', 'download.page', 200, { 'content-type': 'text/html; charset=utf-8' }],
    ['a file of another size', 'download.size', 200, { 'content-length': 7 }],
    ['a redirect to nowhere', 'download.redirect', 302, {}],
    ['a redirect out of the web', 'download.redirect', 302, { location: 'file:///etc/passwd' }],
    ['redirects in a circle', 'download.redirect', 302, { location: '/model.gguf' }],
  ])('%s', async (_, id, status, headers) => {
    hub.answer = (__, response) => void response.writeHead(status, headers).end(status === 200 ? '1234567' : '');
    await expect(get()).rejects.toMatchObject({
      id,
      exit: 'network',
      hint: { en: expect.any(String), zh: expect.any(String) },
    });
    expect(here.waits).toEqual([]);
  });

  test('without waiting for the rest of a long refusal', async () => {
    hub.answer = (_, response) => void response.writeHead(404, { 'content-length': 5e6 }).write(Buffer.alloc(1e6));
    await expect(get()).rejects.toMatchObject({ id: 'download.absent' });
  });

  test('a range of a file of another size', async () => {
    await put('model.gguf.part', content.subarray(0, 10));
    hub.answer = (_, response) => void response.writeHead(206, { 'content-range': 'bytes 10-19/20' }).end('0123456789');
    await expect(get()).rejects.toMatchObject({ id: 'download.size' });
  });

  test('more than was promised', async () => {
    hub.answer = (_, response) => void response.end(Buffer.alloc(content.length + 5));
    await expect(get()).rejects.toMatchObject({ id: 'download.size' });
    hub.answer = (_, response) => {
      response.write(content);
      response.end('more');
    };
    await expect(get()).rejects.toMatchObject({ id: 'download.size' });
  });

  test('another content: it is deleted, and said', async () => {
    hub.answer = serve(Buffer.alloc(content.length, 'other'));
    await expect(get()).rejects.toMatchObject({ id: 'download.hash', exit: 'network' });
    expect(await readdir(`${here.folder}/models`)).toEqual([]);
  });

  test('a file for which there is no room, before anything is asked', async () => {
    const world = { ...here.world, files: { ...localFiles, free: async () => 1000 } };
    await expect(get({}, world)).rejects.toMatchObject({ id: 'disk.full', exit: 'unready' });
    expect(hub.asked).toHaveLength(0);
  });

  test('a disk that fills up on the way', async () => {
    hub.answer = serve(content);
    const sink = async () => ({
      write: () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })),
      close: async () => {},
    });
    const world = { ...here.world, files: { ...localFiles, sink } };
    await expect(get({}, world)).rejects.toMatchObject({ id: 'disk.full', cause: { code: 'ENOSPC' } });
    expect(hub.asked).toHaveLength(1);
  });
});

describe('redirects', () => {
  test('are followed to another host, which is not told the token', async () => {
    const cdn = await HubServer.start();
    cdn.answer = serve(content);
    hub.answer = ({ url }, response) =>
      void response.writeHead(302, { location: url === '/model.gguf' ? '/moved' : `${cdn.url}/blob?sig=1` }).end();
    const world = { ...here.world, env: { HF_TOKEN: 'hf_secret', HF_ENDPOINT: hub.url } };
    await get({}, world);
    expect(await whole()).toBe(true);
    expect(hub.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer hf_secret', 'Bearer hf_secret']);
    expect(cdn.asked.map(({ url, headers }) => [url, headers.authorization])).toEqual([['/blob?sig=1', undefined]]);
    await cdn.close();
  });

  test('never lead from https to http', async () => {
    const seen: HttpRequest[] = [];
    const request: World['http']['request'] = async (asked) => {
      seen.push(asked);
      return {
        status: 302,
        headers: { location: `${hub.url}/model.gguf` },
        body: (async function* () {})(),
        text: async () => '',
      };
    };
    const world = { ...here.world, http: { ...here.world.http, request } };
    await expect(get({ url: 'https://hub.example/m' }, world)).rejects.toMatchObject({ id: 'download.redirect' });
    expect(seen).toHaveLength(1);
  });
});

describe('stopping', () => {
  test('keeps what there is, and the next run carries on', async () => {
    hub.answer = (_, response) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 120_000));
      setTimeout(() => here.abort.abort(new Error('interrupted')), 50);
    };
    await expect(get()).rejects.toMatchObject({ id: 'interrupted', exit: 'interrupted' });
    expect((await readdir(`${here.folder}/models`)).sort()).toEqual(['model.gguf.part']);
    hub.answer = serve(content);
    const again = await bench();
    await get({}, again.world);
    await again.close();
    expect([await whole(), hub.ranges().at(-1)]).toEqual([true, 'bytes=120000-']);
  });
});

describe('two at once', () => {
  test('the second is refused while the first lives', async () => {
    await put('model.gguf.lock', JSON.stringify({ pid: 1, identity: 'boot:1' }));
    await expect(get()).rejects.toMatchObject({ id: 'download.busy', exit: 'busy' });
    expect(await readdir(`${here.folder}/models`)).toEqual(['model.gguf.lock']);
  });

  test.each(['{"pid":77,"identity":"boot:0"}', '{"pi'])(
    'a claim whose holder is gone is taken over: %s',
    async (claim) => {
      await put('model.gguf.lock', claim);
      hub.answer = serve(content);
      await get();
      expect((await readdir(`${here.folder}/models`)).sort()).toEqual(['model.gguf', 'model.gguf.sha256']);
    },
  );
});
