/** Breakers in a whole gateway of two workers, over engines that fail in every way. */
import { expect, it } from 'vitest';
import { type BreakerState, getMetrics, getState, stateOf } from '../../src/gateway/admin.js';
import { breakerOptions } from '../../src/gateway/breaker.js';
import type { Peer, Settings } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import { type Both, onBoth } from './both.js';
import { answer, type Behaviour, dies, half, hang, reset, sleep, status } from './engine.js';
import { testSettings, until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const options = breakerOptions({ windowS: 5, minimum: 4, openS: 1, longestS: 4, streamSilenceS: 1 });
let revision = 100;

const versions = async ({ gateway }: Both) => (await stateOf(await systemHttp.request(getState(gateway.admin)))).models;
const breakerOf = async (both: Both, at: (m: Awaited<ReturnType<typeof versions>>) => BreakerState | undefined) =>
  at(await versions(both))!.state;
const peerState = (both: Both, i = 0) => breakerOf(both, (models) => models[0]!.versions[0]!.peers[i]!.breaker);
const versionState = (both: Both, i = 0) => breakerOf(both, (models) => models[0]!.versions[i]!.breaker);

const post = async (both: Both, body: object = hello) => {
  const response = await both.gateway.post(body);
  const text = await response.text().catch(() => '');
  return { status: response.status, headers: response.headers, text };
};

const closedAgain = async (both: Both) => {
  for (const engine of both.engines) engine.usual(answer);
  await until(
    'all closed',
    async () => {
      await post(both);
      const all = (await versions(both)).flatMap((m) => m.versions.flatMap((v) => [v, ...v.peers]));
      return all.every((one) => one.breaker!.state === 'closed') || undefined;
    },
    15_000,
  );
};

onBoth(
  'a lone peer',
  { workers: 2, engineSilence: 6, settings: (peers) => testSettings(peers, { breaker: options }) },
  (both) => {
    it.each<[string, Behaviour, object]>([
      ['500', status(500), hello],
      ['502', status(502), hello],
      ['resets', reset, hello],
      ['half answers', half, hello],
      ['streams that die', dies(2), { ...hello, stream: true }],
      ['silence', hang, hello],
    ])('that gives %s is left alone for a time, probed, and taken back', async (_, behaviour, body) => {
      both.engine.usual(behaviour);
      await Promise.all(Array.from({ length: 6 }, () => post(both, body)));
      // A caller sees the end of its answer before the gateway has judged it.
      await until('it opens', async () => (await peerState(both)) === 'open' || undefined, 900);
      both.engine.forget();
      for (let i = 0; i < 6; i += 1) {
        const refused = await post(both, body);
        expect(refused.status).toBe(503);
        expect(JSON.parse(refused.text)).toMatchObject({ error: { type: 'server_error', code: 'engine_failing' } });
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      }
      expect(both.engine.seen).toHaveLength(0);
      await closedAgain(both);
      expect((await post(both)).status).toBe(200);
    });

    it('lets in who has waited as long as Retry-After said, and says no less each time it fails again', async () => {
      let before = 0;
      for (let round = 0; round < 2; round += 1) {
        both.engine.usual(status(500));
        const refused = await until('it is left alone', async () => {
          const one = await post(both);
          return one.status === 503 ? one : undefined;
        });
        const seconds = Number(refused.headers.get('retry-after'));
        expect(seconds).toBeGreaterThanOrEqual(before);
        before = seconds;
        await sleep(seconds * 1000);
        // Let in, and answered or failed by the engine itself: not refused.
        both.engine.forget();
        if (round === 1) both.engine.usual(answer);
        expect((await post(both)).status).toBe(round === 1 ? 200 : 500);
        expect(both.engine.seen).toHaveLength(1);
      }
      await closedAgain(both);
    });

    it('is probed by one request at a time, over all workers, and left alone again when that fails', async () => {
      both.engine.usual(status(500));
      for (let i = 0; i < 6; i += 1) await post(both);
      await until('half-open', async () => (await peerState(both)) === 'half-open' || undefined);
      both.engine.forget();
      both.engine.usual(async (request, response, socket) => {
        await sleep(300);
        await status(500)(request, response, socket);
      });
      const ends = await Promise.all(Array.from({ length: 20 }, () => post(both)));
      expect(both.engine.seen).toHaveLength(1);
      expect(ends.filter((end) => end.status === 503)).toHaveLength(19);
      expect(ends.filter((end) => end.status === 500)).toHaveLength(1);
      const [model] = await versions(both);
      expect(model!.versions[0]!.peers[0]!.breaker!.state).not.toBe('closed');
      await closedAgain(both);
    });

    it('counts a stream that stays silent before its caller gives up, and a caller that leaves as nothing', async () => {
      both.engine.usual(hang);
      const stop = new AbortController();
      const leave = Array.from({ length: 6 }, () =>
        both.gateway.post(hello, { signal: stop.signal }).catch(() => undefined),
      );
      await until('all are asked', () => both.engine.seen.length === 6 || undefined);
      stop.abort();
      await Promise.all(leave);
      await sleep(100);
      expect(await peerState(both)).toBe('closed');
      const streams = Array.from({ length: 6 }, () => post(both, { ...hello, stream: true }));
      let ended = 0;
      for (const one of streams)
        void one.then(() => {
          ended += 1;
        });
      await until('it opens', async () => (await peerState(both)) !== 'closed' || undefined, 8000);
      expect(ended).toBe(0);
      await Promise.all(streams);
      await closedAgain(both);
    });

    it('does not open for what callers do wrong', async () => {
      both.engine.usual(status(400));
      for (let i = 0; i < 10; i += 1) expect((await post(both)).status).toBe(400);
      expect(await peerState(both)).toBe('closed');
      expect(await versionState(both)).toBe('closed');
    });

    it('is told in the metrics', async () => {
      await closedAgain(both);
      const text = await (await systemHttp.request(getMetrics(both.gateway.admin))).text();
      const of = (name: string, kind: string) =>
        Number(new RegExp(`^${name}\\{kind="${kind}",[^}]*\\} (\\d+)$`, 'm').exec(text)?.[1]);
      expect(of('gateway_breaker_state', 'peer')).toBe(0);
      expect(of('gateway_breaker_state', 'version')).toBe(0);
      await until('trips are counted', async () => {
        const now = await (await systemHttp.request(getMetrics(both.gateway.admin))).text();
        return Number(/^gateway_breaker_trips_total\{kind="peer".*\} (\d+)$/m.exec(now)?.[1]) >= 6 || undefined;
      });
    });
  },
);

onBoth(
  'one bad peer of two',
  { engines: 2, workers: 2, settings: (peers) => testSettings(peers, { breaker: options }) },
  (both) => {
    it('is asked no more, and nobody notices', async () => {
      both.engines[0]!.usual(status(502));
      for (let i = 0; i < 40; i += 1) expect((await post(both)).status).toBe(200);
      expect(await peerState(both)).toBe('open');
      expect(await peerState(both, 1)).toBe('closed');
      expect(await versionState(both)).toBe('closed');
      both.engines[0]!.forget();
      const started = performance.now();
      for (let i = 0; i < 10; i += 1) expect((await post(both)).status).toBe(200);
      if (performance.now() - started < 800) expect(both.engines[0]!.seen.length).toBeLessThanOrEqual(1);
      await closedAgain(both);
    });
  },
);

const colours = (peers: readonly Peer[], degrade?: Settings['degrade']): Settings =>
  testSettings(peers.slice(0, 1), {
    breaker: { ...options, openS: 30, longestS: 30 },
    ...(degrade ? { degrade } : {}),
    models: [
      {
        id: 'm',
        versions: [
          { name: 'blue', weight: 50, peers: peers.slice(0, 1) },
          { name: 'green', weight: 50, peers: peers.slice(1, 2) },
        ],
      },
      { id: 'small', versions: [{ name: 'blue', weight: 1, peers: peers.slice(2) }] },
    ],
  });

onBoth('versions that fail', { engines: 3, settings: colours }, (both) => {
  const [blue, green, small] = [0, 1, 2] as const;
  const use = async (degrade?: Settings['degrade']) => {
    revision += 1;
    const peers = both.engines.map(({ peer }) => peer);
    const put = await both.gateway.put({ ...colours(peers, degrade), revision });
    expect(put.status, await put.text()).toBe(200);
  };

  it('one after the other: another version, a smaller model, then 503, as the settings allow it', async () => {
    both.engines[blue]!.usual(status(500));
    for (let i = 0; i < 24; i += 1) await post(both);
    expect(await versionState(both, 0)).toBe('open');

    // Nothing is allowed: those drawn for blue are refused, those for green answered.
    const plain = await Promise.all(Array.from({ length: 40 }, () => post(both)));
    expect(new Set(plain.map((one) => one.status))).toEqual(new Set([200, 503]));

    await use({ order: ['version'], models: {} });
    const moved = await Promise.all(Array.from({ length: 40 }, () => post(both)));
    expect(moved.every((one) => one.status === 200)).toBe(true);
    expect(moved.some((one) => one.headers.get('x-degraded') === 'version')).toBe(true);

    both.engines[green]!.usual(status(500));
    await until('green opens too', async () => {
      await Promise.all(Array.from({ length: 20 }, () => post(both)));
      return (await versionState(both, 1)) === 'open' || undefined;
    });
    expect((await post(both)).status).toBe(503);

    await use({ order: ['version', 'model'], models: { m: ['small'] } });
    both.engines[small]!.forget();
    const smaller = await both.gateway.post(hello, { headers: { 'x-request-id': `small-${Math.random()}` } });
    expect(smaller.status).toBe(200);
    await smaller.text();
    expect(smaller.headers.get('x-degraded')).toBe('model');
    expect(JSON.parse(both.engines[small]!.seen[0]!.body)).toEqual({ ...hello, model: 'small' });
    expect(await both.gateway.auditOf(smaller.headers.get('x-request-id')!)).toMatchObject({ model: 'small' });
  });

  it('refuses settings that no breaker can go by', async () => {
    const peers = both.engines.map(({ peer }) => peer);
    for (const more of [
      { breaker: { ...options, rate: 2 } },
      { breaker: { ...options, openS: 'soon' } },
      { degrade: { order: ['cloud'], models: {} } },
    ]) {
      const put = await both.gateway.put({ ...colours(peers), ...more, revision: 10_000 } as unknown as Settings);
      expect(put.status, await put.text()).toBe(400);
    }
  });
});
