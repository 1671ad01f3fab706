import { afterEach, describe, expect, it } from 'vitest';
import { readLines } from '../../src/bench/record.js';
import { answerWith, type Handler, openStream, serve, type TestServer } from '../bench/server.js';
import { fakeWorld } from '../world/fake.js';
import { deployed, type } from './typed.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const models = JSON.stringify({
  object: 'list',
  data: [
    { id: 'm', object: 'model' },
    { id: 'other', object: 'model' },
  ],
});

/** `/models` is answered; the rest is the test's. */
async function served(handler: Handler): Promise<string> {
  server = await serve((asked, response, n) =>
    asked.path === '/v1/models' ? void response.end(models) : handler(asked, response, n),
  );
  return server.url;
}

const good: Handler = (_, response) => answerWith(response, ['a', 'b', 'c']);
const chats = () => server!.asked.filter(({ path }) => path === '/v1/chat/completions');

describe('bench', () => {
  it('measures the deployment here with the key of the CLI, and says it in lines and in JSON', async () => {
    const world = fakeWorld();
    await deployed(world, await served(good), 'sk-cli');
    const lines = await type('bench -c 2 -n 6', world);
    expect(lines.errors).toBe('');
    expect(lines.code).toBe(0);
    expect(lines.shown[0]).toBe(`m ${server!.url}`);
    expect(lines.shown[3]).toMatch(/^6 answered, 0 failed, in /);
    expect(lines.out).toBe('');
    // Two of them to warm up.
    expect(chats()).toHaveLength(8);
    expect(chats()[0]!.headers.authorization).toBe('Bearer sk-cli');
    expect(JSON.parse(chats()[0]!.body)).toMatchObject({ model: 'm', stream: true, max_tokens: 64 });
    expect(new Set(chats().map(({ body }) => body)).size).toBe(8);

    const json = await type('bench -c 2 -n 6 --warmup 0 --json', world);
    expect(json.code).toBe(0);
    expect(json.shown).toEqual([]);
    const report = JSON.parse(json.out);
    expect(report).toMatchObject({
      requests: { good: 6, failed: 0, cut: 0, warmup: 0 },
      metrics: { ttft: { n: 6 }, tpot: { n: 6 }, outputTokens: { mean: 3 }, promptTokens: { mean: 7 } },
      settings: { model: 'm', load: { kind: 'closed', concurrency: 2 }, requests: 6 },
    });
    expect(chats()).toHaveLength(14);
  });

  it('keeps records from which the same report can be had again', async () => {
    const world = fakeWorld();
    const url = await served((_, response, n) =>
      n % 5 === 4 ? void response.writeHead(500).end() : answerWith(response, ['a', 'b']),
    );
    world.folders.set('/work', 0o755);
    const first = await type(
      `bench --url ${url} -n 20 -c 2 --slo ttft=60000,tpot=60000 --out run.ndjson --json`,
      world,
    );
    expect(first.code).toBe(0);
    const text = await world.files.read('/work/run.ndjson');
    expect([...readLines(text)].map(({ kind }) => kind)).toEqual(['run', ...Array<string>(22).fill('request'), 'end']);
    expect(text).not.toContain('sk-');
    const again = await type('bench report run.ndjson --json', world);
    expect(again.out).toBe(first.out);
    const report = JSON.parse(first.out);
    expect(report.rates.goodput).toBe(report.rates.requestsPerSecond);
    expect(report.requests.good + report.requests.failed).toBe(20);
    expect(report.failures['http.500'].count).toBe(report.requests.failed);
    const lines = await type('bench report run.ndjson', world);
    expect(lines.shown[0]).toBe(`m ${url}`);
  });

  it('asks any endpoint with a key from a file or the environment; the environment never goes to our own', async () => {
    const url = await served(good);
    const world = fakeWorld({ env: { DEEPSEEK_API_KEY: 'sk-cloud' } });
    await type(`bench --url ${url}/ -n 1 -c 1 --model other`, world);
    expect(chats().map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-cloud', 'Bearer sk-cloud']);
    expect(JSON.parse(chats()[0]!.body).model).toBe('other');
    await world.files.makeDir('/k');
    await world.files.write('/k/key', 'sk-file\n');
    await type(`bench --url ${url} -n 1 -c 1 --warmup 0 --key-file /k/key`, world);
    expect(chats().at(-1)!.headers.authorization).toBe('Bearer sk-file');
    await deployed(world, url, 'sk-cli');
    await type('bench -n 1 -c 1 --warmup 0', world);
    expect(chats().at(-1)!.headers.authorization).toBe('Bearer sk-cli');
  });

  it('asks a text of the user, the same each time where caches may answer', async () => {
    const url = await served(good);
    const world = fakeWorld();
    await world.files.makeDir('/work');
    await world.files.write('/work/p.txt', 'Why is the sky blue?');
    await type(`bench --url ${url} -n 3 -c 1 --warmup 0 --prompt p.txt --cacheable --max-tokens 5 --ignore-eos`, world);
    const bodies = chats().map(({ body }) => JSON.parse(body));
    expect(bodies).toHaveLength(3);
    for (const body of bodies) {
      expect(body).toMatchObject({ max_tokens: 5, ignore_eos: true });
      expect(body.messages).toEqual([{ role: 'user', content: 'Why is the sky blue?' }]);
    }
  });

  it('by time, sends until it is over', async () => {
    const url = await served(good);
    const { code, out } = await type(`bench --url ${url} -d 0.2 -c 1 --json`, fakeWorld());
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(report.settings).toMatchObject({ durationMs: 200 });
    expect(report.settings).not.toHaveProperty('requests');
    expect(report.requests.good).toBe(chats().length - 1);
  });

  it('that is stopped by Ctrl-C reports what it has, keeps it, and exits 130', async () => {
    const world = fakeWorld();
    world.folders.set('/work', 0o755);
    const url = await served((_, response, n) => {
      // /models was the first, then two that warm up.
      if (n < 8) answerWith(response, ['a']);
      else {
        openStream(response);
        world.abort.abort(new Error('interrupted'));
      }
    });
    const { code, out } = await type(`bench --url ${url} -n 100 -c 1 --warmup 2 --out r --json`, world);
    expect(code).toBe(130);
    const report = JSON.parse(out);
    expect(report).toMatchObject({ ended: 'interrupted', requests: { good: 5, failed: 0, cut: 1 } });
    expect(report.notes.map(({ id }: { id: string }) => id)).toContain('interrupted');
    expect([...readLines(await world.files.read('/work/r'))].at(-1)).toMatchObject({ kind: 'end', why: 'interrupted' });
  });

  it.each<[string, Handler, string, number, RegExp]>([
    [
      'nothing works',
      (_, response) => void response.writeHead(503).end('{"error":{"message":"loading"}}'),
      '-n 5',
      1,
      /Every warm-up request failed: http\.503 \(loading\)/,
    ],
    ['an unknown level', good, '--slo speed=7', 2, /"speed=7" is no service level/],
    ['no prompt file', good, '--prompt gone.txt', 2, /There is no file gone\.txt/],
    ['no key file', good, '--key-file gone', 2, /There is no key file at \/work\/gone/],
    ['no concurrency', good, '-c 0', 2, /whole number from 1 up to/],
  ])('says what is wrong: %s', async (_, handler, flags, code, words) => {
    const url = await served(handler);
    const typed = await type(`bench --url ${url} ${flags}`, fakeWorld());
    expect(typed.errors).toMatch(words);
    expect(typed.code).toBe(code);
  });

  it('gives up when only the measurement fails, and exits 1 without one good answer', async () => {
    const url = await served((_, response, n) =>
      n <= 1 ? answerWith(response, ['a']) : void response.writeHead(500).end(),
    );
    const { code, out } = await type(`bench --url ${url} -c 1 -n 1000 --json`, fakeWorld());
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ ended: 'gave_up', requests: { good: 0, failed: 20 } });
  });

  it('says when nobody answers, when a key is wrong, when nothing is deployed, when an address is none', async () => {
    const gone = await serve(() => {});
    await gone.close();
    expect(await type(`bench --url ${gone.url}`, fakeWorld())).toMatchObject({
      code: 1,
      errors: expect.stringContaining('Nothing answers at'),
    });
    server = await serve((_, response) => void response.writeHead(401).end('{}'));
    const refused = await type(`bench --url ${server.url}`, fakeWorld());
    expect(refused).toMatchObject({ code: 1, errors: expect.stringContaining('Give a valid key') });
    expect(await type('bench', fakeWorld())).toMatchObject({
      code: 3,
      errors: expect.stringContaining('Nothing is deployed'),
    });
    expect(await type('bench --url ftp://x', fakeWorld())).toMatchObject({
      code: 2,
      errors: expect.stringContaining('no http or https address'),
    });
  });

  it('report: refuses what is no record of ours', async () => {
    const world = fakeWorld();
    await world.files.makeDir('/work');
    await world.files.write('/work/x', 'a\nb\n');
    expect(await type('bench report x', world)).toMatchObject({
      code: 2,
      errors: expect.stringContaining('Line 1 is no record'),
    });
    expect(await type('bench report gone', world)).toMatchObject({ code: 2 });
  });
});
