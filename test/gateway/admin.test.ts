/** Settings that change under a running gateway: put, read back, polled from the file, and told. */
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import {
  getMetrics,
  getSettings,
  getState,
  putSettings,
  revisionOf,
  settingsOf,
  stateOf,
} from '../../src/gateway/admin.js';
import {
  type Settings,
  settingsText,
  withKey,
  withModels,
  withoutKey,
  withWeights,
} from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import { type Both, onBoth } from './both.js';
import { stream } from './engine.js';
import { apiKey, testKey, testSettings, until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

const live = async ({ gateway }: Both): Promise<Settings> =>
  settingsOf(await systemHttp.request(getSettings(gateway.admin)));
const put = async ({ gateway }: Both, settings: Settings): Promise<number> =>
  revisionOf(await systemHttp.request(putSettings(gateway.admin, settings)));
const ask = async ({ gateway }: Both, key = apiKey, model = 'm'): Promise<number> => {
  const response = await gateway.post({ ...hello, model }, { headers: { authorization: `Bearer ${key}` } });
  await response.text();
  return response.status;
};

const blueGreen: Parameters<typeof onBoth>[1] = {
  engines: 2,
  workers: 2,
  settings: (peers) =>
    testSettings([], {
      models: [
        {
          id: 'm',
          versions: [
            { name: 'blue', weight: 100, peers: [peers[0]!] },
            { name: 'green', weight: 0, peers: [peers[1]!] },
          ],
        },
      ],
    }),
};

onBoth('the admin port', blueGreen, (both) => {
  it('is shut to everybody without its key, API keys included', async () => {
    const { host, port } = both.gateway.admin;
    for (const authorization of ['', `Bearer ${apiKey}`, 'Bearer admin-of-the-test', 'Basic x']) {
      for (const path of ['/settings', '/state', '/nothing']) {
        const response = await fetch(`http://${host}:${port}${path}`, { headers: { authorization } });
        expect(response.status).toBe(401);
      }
    }
    const headers = { authorization: `Bearer ${both.gateway.admin.key}` };
    expect((await fetch(`http://${host}:${port}/nothing`, { headers })).status).toBe(404);
    expect((await fetch(`${both.gateway.url}/settings`, { headers })).status).toBe(404);
  });

  it('gives back what was put, and holds by it at once on every worker', async () => {
    const before = await live(both);
    const settings = withKey(before, testKey({ id: 'key_new' }, 'sk-new'));
    expect(await put(both, settings)).toBe(before.revision + 1);
    expect(await live(both)).toEqual(settings);
    const codes = await Promise.all(Array.from({ length: 40 }, () => ask(both, 'sk-new')));
    expect(new Set(codes)).toEqual(new Set([200]));
    await put(both, withoutKey(settings, 'key_new', 1_700_000_000));
    const after = await Promise.all(Array.from({ length: 40 }, () => ask(both, 'sk-new')));
    expect(new Set(after)).toEqual(new Set([401]));
  });

  it('takes no revision twice, none that is lower, and nothing it cannot use', async () => {
    const now = await live(both);
    for (const [body, status] of [
      [JSON.stringify(now), 409],
      [JSON.stringify({ ...now, revision: 0 }), 409],
      ['{', 400],
      ['{}', 400],
      [JSON.stringify({ revision: 1e6 }), 400],
      [JSON.stringify({ ...now, revision: 1e6, models: [{ id: 'm' }] }), 400],
      [JSON.stringify({ ...now, revision: 1e6, keys: [{ id: 'k' }] }), 400],
    ] as const) {
      const { host, port, key } = both.gateway.admin;
      const headers = { authorization: `Bearer ${key}` };
      const response = await fetch(`http://${host}:${port}/settings`, { method: 'PUT', headers, body });
      expect(response.status, body).toBe(status);
      expect(await response.json()).toMatchObject({ error: { message: expect.any(String) } });
    }
    expect(await live(both)).toEqual(now);
    expect(await ask(both)).toBe(200);
  });

  it('moves weights without a reload: shares as asked, no error, read back', async () => {
    for (const green of [10, 50, 0, 100]) {
      await put(both, withWeights(await live(both), 'm', { blue: 100 - green, green }));
      for (const engine of both.engines) engine.forget();
      const codes = await Promise.all(Array.from({ length: 400 }, () => ask(both)));
      expect(new Set(codes)).toEqual(new Set([200]));
      const share = both.engines[1]!.seen.length / 4;
      // Four standard deviations of 400 draws.
      expect(Math.abs(share - green)).toBeLessThanOrEqual(4 * Math.sqrt((green * (100 - green)) / 400));
      const state = await stateOf(await systemHttp.request(getState(both.gateway.admin)));
      expect(state.models[0]!.versions.map(({ weight }) => weight)).toEqual([100 - green, green]);
    }
  });

  it('tells the load of each peer over all workers, and a drained peer gets nothing new', async () => {
    both.engines[1]!.usual(stream(40, 20));
    const streams = Array.from({ length: 5 }, async () => (await both.gateway.post({ ...hello, stream: true })).text());
    const state = () => systemHttp.request(getState(both.gateway.admin)).then(stateOf);
    const greenLoad = async () => (await state()).models[0]!.versions[1]!.peers[0]!.load;
    await until('five in hand', async () => (await greenLoad()) === 5 || undefined);
    const now = await live(both);
    const drained = now.models.map((model) => ({
      ...model,
      versions: model.versions.map((one) => ({
        ...one,
        weight: 1,
        peers: one.peers.map((peer) => ({ ...peer, drain: one.name === 'green' })),
      })),
    }));
    await put(both, withModels(now, drained));
    both.engines[1]!.seen.length = 0;
    for (let i = 0; i < 10; i += 1) expect(await ask(both)).toBe(200);
    expect(both.engines[1]!.seen).toEqual([]);
    for (const text of await Promise.all(streams)) expect(text).toContain('[DONE]');
    await until('none in hand', async () => (await greenLoad()) === 0 || undefined);
  });
});

onBoth('settings.json', {}, (both) => {
  it('is taken within a second when it is replaced', async () => {
    expect(await ask(both, 'sk-two')).toBe(401);
    const next = withKey(await live(both), testKey({ id: 'key_2' }, 'sk-two'));
    await both.gateway.replaceSettings(next);
    await until('the key is known', async () => (await ask(both, 'sk-two')) === 200 || undefined, 1000);
    await both.gateway.replaceSettings(withoutKey(next, 'key_2', 5));
    await until('the key is refused', async () => (await ask(both, 'sk-two')) === 401 || undefined, 1000);
  });

  it('is taken when a ConfigMap’s link is swapped', async () => {
    const { directory } = both.gateway;
    const swap = async (name: string, settings: Settings) => {
      await mkdir(`${directory}/${name}`, { mode: 0o755 });
      await writeFile(`${directory}/${name}/settings.json`, settingsText(settings));
      await symlink(name, `${directory}/..data.new`);
      await rename(`${directory}/..data.new`, `${directory}/..data`);
    };
    const before = await live(both);
    await swap('..one', before);
    await symlink('..data/settings.json', `${directory}/settings.json.new`);
    await rename(`${directory}/settings.json.new`, `${directory}/settings.json`);
    await swap('..two', withKey(before, testKey({ id: 'key_3' }, 'sk-three')));
    await until('the key is known', async () => (await ask(both, 'sk-three')) === 200 || undefined, 1000);
  });

  it('is left alone when it cannot be used, and that is logged', async () => {
    const now = await live(both);
    await both.gateway.replaceSettings({ ...now, revision: now.revision + 5, models: 'none' as never });
    await until('the refusal', () => both.gateway.log().includes('settings.json refused') || undefined);
    expect(await live(both)).toEqual(now);
    expect(await ask(both)).toBe(200);
  });
});

onBoth('metrics', { workers: 2 }, (both) => {
  const scrape = async () => (await systemHttp.request(getMetrics(both.gateway.admin))).text();

  it('add up to what was asked, over all workers', async () => {
    both.engine.next(stream(3));
    await (await both.gateway.post({ ...hello, stream: true })).text();
    for (let i = 0; i < 9; i += 1) await ask(both);
    await ask(both, 'sk-wrong');
    await ask(both, apiKey, 'no such "model"');
    const labels = 'route="chat",model="m",version="blue"';
    const text = await until('all are counted', async () => {
      const told = await scrape();
      return told.includes(`gateway_requests_total{${labels},status="200"} 10\n`) ? told : undefined;
    });
    for (const line of [
      `gateway_outcomes_total{${labels},outcome="complete"} 10`,
      `gateway_attempts_total{${labels}} 10`,
      `gateway_tokens_total{${labels},kind="prompt"} 70`,
      `gateway_tokens_total{${labels},kind="completion"} 30`,
      `gateway_request_seconds_count{${labels}} 10`,
      `gateway_request_seconds_bucket{${labels},le="+Inf"} 10`,
      `gateway_first_byte_seconds_count{${labels}} 10`,
      'gateway_requests_total{route="chat",model="",version="",status="401"} 1',
      'gateway_requests_total{route="chat",model="",version="",status="404"} 1',
      '# TYPE gateway_request_seconds histogram',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).not.toContain('no such');
  });

  it('are counted in buckets that only grow', async () => {
    const text = await scrape();
    const counts = [...text.matchAll(/^gateway_request_seconds_bucket\{.*model="m".*\} (\d+)$/gm)].map(([, n]) =>
      Number(n),
    );
    expect(counts.length).toBe(16);
    expect([...counts].sort((a, b) => a - b)).toEqual(counts);
  });
});
