/** The audit log on real gateways: what stands in it, its chain, its rotation, and the books when workers die. */
import { readFile, rename } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { readLedger } from '../../src/audit/ledger.js';
import { type Content, contentOf, entries } from '../../src/audit/query.js';
import { verify } from '../../src/audit/verify.js';
import { auditOptions } from '../../src/gateway/audit.js';
import { cacheOptions } from '../../src/gateway/cache.js';
import { auditFolder } from '../../src/gateway/files.js';
import { localFiles } from '../../src/hosts/files.js';
import { type Both, onBoth } from './both.js';
import type { BuildName } from './builds.js';
import { answer, sleep, startEngine, stream } from './engine.js';
import { type AuditLine, apiKey, type Gateway, secrets, startGateway, testSettings, until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'a question of the tests' }] };

const logOf = ({ directory }: Gateway) => ({
  files: localFiles,
  folder: auditFolder(directory),
  secret: secrets.auditSecret,
});

const clean = async (gateway: Gateway): Promise<void> => {
  const { problems } = await verify(logOf(gateway));
  expect(problems.map(({ file, line, text }) => `${file}:${line} ${text.en}`)).toEqual([]);
};

const workers = async ({ gateway }: Both): Promise<number[]> => {
  const text = await readFile(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
};

const post = ({ gateway }: Both, id: string, body: object = hello) =>
  gateway.post(body, { headers: { 'x-request-id': id } });

const outcomes = (lines: readonly AuditLine[], ids: readonly string[]): Record<string, string[]> =>
  Object.fromEntries(ids.map((id) => [id, lines.filter((line) => line.id === id).map((line) => String(line.outcome))]));

onBoth('the audit log of two workers', { workers: 2 }, (both) => {
  it('is chained and whole while it is written', async () => {
    const ids = Array.from({ length: 60 }, (_, i) => `whole-${i}`);
    await Promise.all(ids.map(async (id) => (await post(both, id)).text()));
    await until('all lines', async () => {
      const told = new Set((await both.gateway.audit()).map(({ id }) => id));
      return ids.every((id) => told.has(id)) || undefined;
    });
    await clean(both.gateway);
    expect((await verify(logOf(both.gateway))).lines).toBeGreaterThanOrEqual(60);
  });

  it('knows the tokens of a stream whose caller did not ask for them, and shows them to who did', async () => {
    both.engine.usual(stream(3, 1));
    const silent = await (await post(both, 'tokens-1', { ...hello, stream: true })).text();
    expect(silent).not.toContain('"usage"');
    expect(silent).toMatch(/data: \[DONE\]\n\n$/);
    expect(await both.gateway.auditOf('tokens-1')).toMatchObject({ prompt_tokens: 7, completion_tokens: 3 });
    const asking = { ...hello, stream: true, stream_options: { include_usage: true } };
    expect(await (await post(both, 'tokens-2', asking)).text()).toContain('"usage"');
    expect(await both.gateway.auditOf('tokens-2')).toMatchObject({ prompt_tokens: 7, completion_tokens: 3 });
  });

  it('lists a request from its head on: one whose body was still coming has its line too', async () => {
    const { port } = new URL(both.gateway.url);
    const sockets = await Promise.all(
      Array.from(
        { length: 8 },
        (_, i) =>
          new Promise<Socket>((done) => {
            const socket = connect(Number(port), '127.0.0.1', () => done(socket));
            socket.on('error', () => {});
            socket.write(
              `POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nX-Request-Id: slow-${i}\r\n` +
                `Authorization: Bearer ${apiKey}\r\nContent-Length: 1000\r\n\r\n{"model":`,
            );
          }),
      ),
    );
    await sleep(200);
    for (const pid of await workers(both)) process.kill(pid, 'SIGKILL');
    const lines = await until('their lines', async () => {
      const found = (await both.gateway.audit()).filter(({ id }) => String(id).startsWith('slow-'));
      return found.length >= 8 ? found : undefined;
    });
    expect(lines.map(({ cut, route }) => [cut, route])).toEqual(Array(8).fill(['worker died', 'chat']));
    for (const socket of sockets) socket.destroy();
    await clean(both.gateway);
  });

  it('has exactly one line for every request when workers are killed under streams', async () => {
    const ids: string[] = [];
    const sent: Promise<string>[] = [];
    both.engine.usual(stream(40, 25));
    const seen = async (id: string): Promise<string> => {
      try {
        const text = await (await post(both, id, { ...hello, stream: true })).text();
        return text.includes('data: [DONE]') ? 'complete' : 'cut';
      } catch {
        return 'broken';
      }
    };
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 20; i += 1) {
        ids.push(`kill-${round}-${i}`);
        sent.push(seen(ids.at(-1)!));
      }
      await sleep(300);
      process.kill((await workers(both))[0]!, 'SIGKILL');
      await sleep(100);
    }
    const ends = await Promise.all(sent);
    expect(ends.filter((end) => end === 'broken').length).toBeGreaterThan(0);
    const reached = new Set(both.engine.seen.map(({ headers }) => headers['x-request-id']));
    const lines = await until('every line', async () => {
      const found = await both.gateway.audit();
      const told = new Set(found.map(({ id }) => id));
      return ids.every((id) => told.has(id) || !reached.has(id)) ? found : undefined;
    });
    const told = outcomes(lines, ids);
    for (const [i, id] of ids.entries()) {
      // A connection that died before its request was read is nobody's request.
      if (!reached.has(id) && told[id]!.length === 0) continue;
      expect([id, told[id]]).toEqual([id, [ends[i] === 'complete' ? 'complete' : 'cut']]);
    }
    const adopted = lines.filter(({ cut, id }) => cut === 'worker died' && ids.includes(String(id)));
    expect(adopted.length).toBeGreaterThan(0);
    expect(adopted[0]).toMatchObject({
      key: 'key_000000000001',
      tenant: 'tests',
      route: 'chat',
      model: 'm',
      version: 'blue',
    });
    await clean(both.gateway);
  });

  it('gives what a reload or an end leaves in hand its line', async () => {
    both.engine.usual(stream(20, 20));
    const streams = Array.from({ length: 6 }, async (_, i) =>
      (await post(both, `reload-${i}`, { ...hello, stream: true })).text(),
    );
    await sleep(150);
    both.gateway.process.kill('SIGHUP');
    await Promise.all(streams);
    await until('their lines', async () => {
      const told = outcomes(await both.gateway.audit(), ['reload-0', 'reload-5']);
      return Object.values(told).every(([one]) => one === 'complete') || undefined;
    });
    await clean(both.gateway);
  });
});

describe.each<BuildName>(['debian', 'current'])('the end of a gateway (%s nginx)', (nginx) => {
  it('gives what it had in hand its line, and closes its files', async () => {
    const engine = await startEngine(stream(100, 50));
    const gateway = await startGateway(testSettings([engine.peer]), { nginx });
    const both = { nginx, gateway, engine, engines: [engine] };
    try {
      const streams = ['a', 'b'].map(async (id) =>
        (await post(both, id, { ...hello, stream: true })).text().catch(() => 'broken'),
      );
      await until('both are in hand', () => engine.seen.length === 2 || undefined);
      await sleep(100);
      gateway.process.kill('SIGTERM');
      expect(await Promise.all(streams)).toEqual(['broken', 'broken']);
      await until('it is gone', () => gateway.process.exitCode !== null || undefined);
      const lines = await gateway.audit();
      expect(lines.map(({ id, cut }) => [id, cut]).sort()).toEqual([
        ['a', 'worker ended'],
        ['b', 'worker ended'],
      ]);
      const ledger = await readLedger(logOf(gateway));
      expect([...ledger.files.values()]).toMatchObject([{ closed: { lines: 3, torn: 0, by: 'itself' } }]);
      await clean(gateway);
    } finally {
      await gateway.stop();
      await engine.stop();
    }
  });
});

const small = (peers: Parameters<typeof testSettings>[0]) =>
  testSettings(peers, {
    audit: auditOptions({ rotateBytes: 8192, content: true, contentBytes: 2048 }),
    cache: cacheOptions(),
  });

onBoth('an audit log that turns', { settings: small }, (both) => {
  it('seals what is closed, and reads as before', async () => {
    for (let i = 0; i < 40; i += 1) await (await post(both, `turn-${i}`)).text();
    await until('a sealed file', async () => {
      const names = await localFiles.list(logOf(both.gateway).folder);
      return names.some((name) => name.endsWith('.sealed')) || undefined;
    });
    await (await post(both, 'after')).text();
    // Its caller has its answer before its line is written.
    await both.gateway.auditOf('after');
    const lines = await until('all', async () => {
      const found = await both.gateway.audit();
      return found.filter(({ id }) => String(id).startsWith('turn-')).length === 40 ? found : undefined;
    });
    expect(lines.at(-1)).toMatchObject({ id: 'after' });
    await clean(both.gateway);
  });

  it('goes on in another file when one is taken away, and that shows', async () => {
    await (await post(both, 'taken')).text();
    const folder = logOf(both.gateway).folder;
    const taken = (await localFiles.list(folder)).find((name) => /^2.*ndjson$/.test(name))!;
    await rename(`${folder}/${taken}`, `${folder}/../taken`);
    await until('it is missed', () => both.gateway.log().includes('was taken away') || undefined);
    await (await post(both, 'goes-on')).text();
    expect(await both.gateway.auditOf('goes-on')).toMatchObject({ status: 200 });
    const { problems } = await verify(logOf(both.gateway));
    expect(problems.map(({ id, file }) => `${id} ${file}.ndjson`)).toEqual([`audit.file-missing ${taken}`]);
    await rename(`${folder}/../taken`, `${folder}/${taken}`);
    await clean(both.gateway);
  });

  it('keeps what was said, streamed, refused or from the cache, up to the bound', async () => {
    const said = async (id: string, body: object): Promise<Content | null | undefined> => {
      await (await post(both, id, body)).text();
      await both.gateway.auditOf(id);
      const log = logOf(both.gateway);
      for await (const entry of entries(log, { id }, () => {})) return contentOf(log.secret, entry);
      return undefined;
    };
    both.engine.usual(stream(2, 1));
    const streamed = { ...hello, stream: true };
    expect(await said('said-1', streamed)).toEqual({
      prompt: JSON.stringify(streamed),
      answer: expect.stringMatching(/^data: .*t0.*\n\ndata: .*t1.*\n\ndata: \[DONE\]\n\n$/s),
      cut: false,
    });
    both.engine.usual(answer);
    const cold = { ...hello, temperature: 0 };
    const [first, again] = [await said('said-2', cold), await said('said-3', cold)];
    expect(await both.gateway.auditOf('said-3')).toMatchObject({ cache: 'hit' });
    expect([again?.prompt, JSON.parse(again!.answer!)]).toEqual([first?.prompt, JSON.parse(first!.answer!)]);
    const unknown = { ...hello, model: 'nobody' };
    expect(await said('said-4', unknown)).toEqual({ prompt: JSON.stringify(unknown), answer: null, cut: false });
    const long = await said('said-5', { ...hello, filler: 'x'.repeat(5000) });
    expect([long?.prompt?.length, long?.cut]).toEqual([2048, true]);
  });

  it('keeps prompts and answers, and never in the clear', async () => {
    const response = await post(both, 'content-1');
    expect(await response.text()).toContain('hello');
    const line = await both.gateway.auditOf('content-1');
    expect(line.content).toMatch(/^[A-Za-z0-9+/]+=*$/);
    for (const name of await localFiles.list(logOf(both.gateway).folder)) {
      const bytes = await readFile(`${logOf(both.gateway).folder}/${name}`);
      expect(bytes.includes('a question of the tests')).toBe(false);
    }
  });
});
