/** A version all of whose peers fail fast: another version of the model answers, where the settings allow it. */
import { expect, it } from 'vitest';
import { getMetrics, getState, stateOf } from '../../src/gateway/admin.js';
import { breakerOptions } from '../../src/gateway/breaker.js';
import { cacheOptions } from '../../src/gateway/cache.js';
import type { Peer, Settings } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import { type Both, onBoth } from './both.js';
import { answer, dies, reset, sleep, status, stream, type TestEngine } from './engine.js';
import { testSettings, until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

/** Blue has two peers, green one. Which of them a request is drawn for is told by the weights. */
const settings = (
  peers: readonly Peer[],
  more: Partial<Settings> & { blue?: number; green?: number } = {},
): Settings => {
  const { blue = 1000, green = 1, ...rest } = more;
  return testSettings([], {
    breaker: breakerOptions({ minimum: 6, openS: 30, longestS: 30, windowS: 60 }),
    degrade: { order: ['version'], models: {} },
    models: [
      {
        id: 'm',
        versions: [
          { name: 'blue', revision: 'r1', weight: blue, peers: peers.slice(0, 2) },
          { name: 'green', revision: 'r2', weight: green, peers: peers.slice(2) },
        ],
      },
    ],
    ...rest,
  });
};

let revision = 100;
let count = 0;

onBoth('blue with two peers, green with one', { engines: 3, workers: 2, settings }, (both) => {
  const blues = () => both.engines.slice(0, 2);
  const green = () => both.engines[2]!;
  const state = async ({ gateway }: Both) =>
    (await stateOf(await systemHttp.request(getState(gateway.admin)))).models[0]!.versions;
  const all = (engines: readonly TestEngine[], behaviour: Parameters<TestEngine['usual']>[0]) => {
    for (const engine of engines) engine.usual(behaviour);
  };
  const use = async (more: Parameters<typeof settings>[1] = {}) => {
    revision += 1;
    const peers = both.engines.map(({ peer }) => peer);
    const put = await both.gateway.put({ ...settings(peers, more), revision });
    expect(put.status, await put.text()).toBe(200);
  };
  const ask = async (body: object = hello) => {
    count += 1;
    const id = `versions-${count}`;
    const response = await both.gateway.post(body, { headers: { 'x-request-id': id } });
    const text = await response.text().catch(() => 'broken');
    return {
      status: response.status,
      by: response.headers.get('x-degraded'),
      text,
      line: await both.gateway.auditOf(id),
    };
  };

  it.each([
    ['502', status(502)],
    ['504', status(504)],
    ['a reset', reset],
  ])('both of blue give %s: green answers at the third try, and it is on record', async (_, behaviour) => {
    await use({ breaker: breakerOptions({ minimum: 1000 }) });
    all(blues(), behaviour);
    for (const body of [hello, { ...hello, stream: true }]) {
      green().usual('stream' in body ? stream(3) : answer);
      for (const engine of both.engines) engine.forget();
      const one = await ask(body);
      expect(one).toMatchObject({ status: 200, by: 'version' });
      expect(one.text).toContain('stream' in body ? 'data: [DONE]' : 'hello');
      expect(both.engines.map(({ seen }) => seen.length)).toEqual([1, 1, 1]);
      expect(one.line).toMatchObject({
        attempts: 3,
        version: 'green',
        degraded: 'version',
        outcome: 'complete',
        status: 200,
      });
      expect(one.line.peer).toBe(`127.0.0.1:${green().peer.port}`);
    }
  });

  it('three tries are the end, whoever is left', async () => {
    await use({ breaker: breakerOptions({ minimum: 1000 }) });
    all(both.engines, status(502));
    const one = await ask();
    expect(one).toMatchObject({ status: 502, line: { attempts: 3 } });
    expect(both.engines.reduce((sum, { seen }) => sum + seen.length, 0)).toBe(3);
    await use({ breaker: breakerOptions({ minimum: 1000 }), blue: 1, green: 1000 });
    for (const engine of both.engines) engine.forget();
    const other = await ask();
    expect(other).toMatchObject({ status: 502, line: { attempts: 3 } });
    expect(both.engines.map(({ seen }) => seen.length)).toEqual([1, 1, 1]);
  });

  it('only where the settings allow it', async () => {
    all(blues(), status(502));
    for (const degrade of [undefined, { order: ['model'], models: { m: ['other'] } } as const]) {
      await use({ breaker: breakerOptions({ minimum: 1000 }), degrade: degrade as never });
      for (const engine of both.engines) engine.forget();
      expect(await ask()).toMatchObject({
        status: 502,
        by: null,
        line: { attempts: 2, version: 'blue', degraded: null },
      });
      expect(green().seen).toHaveLength(0);
    }
  });

  it('not after a failure that came slowly, and not after the first byte', async () => {
    await use({ breaker: breakerOptions({ minimum: 1000 }) });
    all(blues(), async (request, response, socket) => {
      await sleep(2700);
      await status(502)(request, response, socket);
    });
    expect(await ask()).toMatchObject({ status: 502, line: { attempts: 1 } });
    all(blues(), dies(2));
    const cut = await ask({ ...hello, stream: true });
    expect(cut.text).toContain('stream_broken');
    expect(cut.line).toMatchObject({ attempts: 1, version: 'blue', outcome: 'cut' });
    expect(green().seen).toHaveLength(0);
  });

  it('is probed after its time, and comes back', async () => {
    const short = breakerOptions({ minimum: 4, openS: 0.5, longestS: 1, windowS: 5 });
    await use({ breaker: short });
    all(blues(), status(502));
    await until('blue is open', async () => {
      await ask();
      return (await state(both))[0]!.breaker!.state === 'open' || undefined;
    });
    all(blues(), answer);
    await until('blue answers', async () => (await ask()).line.version === 'blue' || undefined);
    await until('all are closed', async () => {
      await ask();
      const versions = await state(both);
      return (
        versions.flatMap((one) => [one, ...one.peers]).every((one) => one.breaker!.state === 'closed') || undefined
      );
    });
    expect(await ask()).toMatchObject({ status: 200, by: null });
  });

  it('an answer of green is not kept as one of blue', async () => {
    await use({ breaker: breakerOptions({ minimum: 1000 }), cache: cacheOptions({ localBytes: 65_536, localS: 60 }) });
    const body = { ...hello, temperature: 0, seed: count };
    all(blues(), status(502));
    expect(await ask(body)).toMatchObject({ status: 200, line: { cache: 'miss', version: 'green' } });
    all(blues(), answer);
    expect(await ask(body)).toMatchObject({ status: 200, line: { cache: 'miss', version: 'blue' } });
    expect(await ask(body)).toMatchObject({ status: 200, line: { cache: 'hit' } });
  });

  // The last: its breakers stay open for longer than this file runs.
  it('the version that failed opens, the one that answered does not, and failed tries are counted as whose they are', async () => {
    await use({ breaker: breakerOptions({ minimum: 6, openS: 30, longestS: 30, windowS: 60, rate: 0.9 }) });
    const before = await (await systemHttp.request(getMetrics(both.gateway.admin))).text();
    all(blues(), status(502));
    for (let i = 0; i < 12; i += 1) expect(await ask()).toMatchObject({ status: 200, by: 'version' });
    const [one, other] = await state(both);
    expect(one!.breaker!.state).toBe('open');
    expect(one!.peers.map((peer) => peer.breaker!.state)).toEqual(['open', 'open']);
    expect(other!.breaker!.state).toBe('closed');
    expect(other!.peers[0]!.breaker!.state).toBe('closed');
    // From here on nobody asks blue first.
    for (const engine of both.engines) engine.forget();
    for (let i = 0; i < 5; i += 1)
      expect(await ask()).toMatchObject({ status: 200, by: 'version', line: { attempts: 1 } });
    expect(blues().flatMap(({ seen }) => seen)).toEqual([]);
    const failed = (text: string, version: string) =>
      Number(
        new RegExp(`^gateway_failed_tries_total\\{model="m",version="${version}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0,
      );
    const asked = 12;
    await until('all are counted', async () => {
      const now = await (await systemHttp.request(getMetrics(both.gateway.admin))).text();
      expect(failed(now, 'green')).toBe(failed(before, 'green'));
      const more = failed(now, 'blue') - failed(before, 'blue');
      return (more >= 12 && more <= 2 * asked) || undefined;
    });
  });
});
