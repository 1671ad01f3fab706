import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditOptions } from '../../src/gateway/audit.js';
import { redisOptions } from '../../src/gateway/cache.js';
import { type LimitOptions, limitOptions, type OwnLimits } from '../../src/gateway/limits.js';
import type { Settings } from '../../src/gateway/settings.js';
import type { BuildName } from './builds.js';
import { answer, fallsSilent, hang, reset, startEngine, status, stream, type TestEngine } from './engine.js';
import { apiKey, type Gateway, secrets, startGateway, testKey, testSettings, until } from './harness.js';
import { type RedisServer, startRedis } from './redis-servers.js';

const prompt = { model: 'm', messages: [{ role: 'user', content: 'hello' }], max_tokens: 100 };
const second = 'sk-another-key-of-the-tenant';
const third = 'sk-key-of-another-tenant';

const keys = [
  testKey(),
  testKey({ id: 'key_000000000002' }, second),
  testKey({ id: 'key_000000000003', tenant: 'others' }, third),
];

const header = (response: Response, name: string) => response.headers.get(`x-ratelimit-${name}`);
const as = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } });

/** Tokens that a request takes before it is answered: its bytes by four, and what it may answer. */
const reserved = (body: object = prompt, most = 100) => Math.ceil(JSON.stringify(body).length / 4) + most;

for (const where of ['memory', 'Redis'] as const) {
  describe.each<BuildName>(['debian', 'current'])(`limits in ${where} (%s nginx)`, (nginx) => {
    let engine: TestEngine;
    let redis: RedisServer | undefined;
    let gateway: Gateway;
    let settings: Settings;
    let revision = 1;
    beforeAll(async () => {
      engine = await startEngine();
      if (where === 'Redis') redis = await startRedis({ password: secrets.redisPassword! });
      const server = redis && redisOptions({ nodes: [{ host: redis.host, port: redis.port }], budgetMs: 500 });
      settings = testSettings([engine.peer], { keys, ...(server ? { redis: server } : {}) });
      gateway = await startGateway(settings, { nginx });
    }, 120_000);
    afterAll(async () => {
      await gateway?.stop();
      await engine?.stop();
      await redis?.stop();
    });
    beforeEach(() => {
      engine.usual(answer);
      engine.forget();
    });

    let tenant = 0;
    /** Other limits, for tenants that nobody asked for before. */
    const limit = async (given: Partial<LimitOptions>, own: readonly OwnLimits[] = []) => {
      revision += 1;
      tenant += 1;
      settings = {
        ...settings,
        keys: keys.map((key, at) => ({
          ...key,
          ...(own[at] ? { limits: own[at] } : {}),
          tenant: `${key.tenant}${nginx}${tenant}`,
        })),
        limits: limitOptions(given),
        // What asks for usage here is the limits.
        audit: auditOptions({ streamTokens: false }),
        revision,
      };
      expect((await gateway.put(settings)).status).toBe(200);
    };
    const post = (more: object = {}, secret = apiKey) => gateway.post({ ...prompt, ...more }, as(secret));
    const statuses = async (count: number, secret = apiKey) => {
      const seen: number[] = [];
      for (let i = 0; i < count; i += 1) {
        const response = await post({}, secret);
        await response.text();
        seen.push(response.status);
      }
      return seen;
    };

    it('count the requests of a key, and say truly what is left', async () => {
      await limit({ key: { requestsPerMinute: 3 } });
      const first = await post();
      expect(first.status).toBe(200);
      expect([
        header(first, 'limit-requests'),
        header(first, 'remaining-requests'),
        header(first, 'reset-requests'),
      ]).toEqual(['3', '2', '20s']);
      expect(header(first, 'limit-tokens')).toBeNull();
      expect(await statuses(2)).toEqual([200, 200]);
      const refused = await post();
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(15);
      expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(20);
      expect(header(refused, 'remaining-requests')).toBe('0');
      expect(await refused.json()).toMatchObject({
        error: { type: 'rate_limit_error', code: 'rate_limit_exceeded', param: null },
      });
      expect(engine.seen).toHaveLength(3);
      expect(await statuses(1, second)).toEqual([200]);
    });

    it('let in who has waited as long as Retry-After said', async () => {
      await limit({ key: { requestsPerMinute: 60 } });
      await Promise.all(Array.from({ length: 60 }, () => post().then((response) => response.text())));
      let refused = await post();
      while (refused.status === 200) refused = await post();
      const wait = Number(refused.headers.get('retry-after'));
      expect(wait).toBe(1);
      await new Promise((done) => setTimeout(done, wait * 1000));
      expect(await statuses(1)).toEqual([200]);
    });

    it('count a tenant over its keys, and no other tenant', async () => {
      await limit({ tenant: { requestsPerMinute: 2 }, key: { requestsPerMinute: 10 } });
      const one = await post();
      expect([header(one, 'limit-requests'), header(one, 'remaining-requests')]).toEqual(['2', '1']);
      expect(await statuses(1, second)).toEqual([200]);
      expect(await statuses(1)).toEqual([429]);
      expect(await statuses(2, third)).toEqual([200, 200]);
    });

    it('take a key’s own bounds in place of the usual, bound by bound', async () => {
      await limit({ key: { requestsPerMinute: 1, concurrent: 9 } }, [
        {},
        { requestsPerMinute: 'none', tokensPerMinute: 1_000_000 },
        { requestsPerMinute: 2 },
      ]);
      expect(await statuses(2)).toEqual([200, 429]);
      expect(await statuses(3, second)).toEqual([200, 200, 200]);
      expect(await statuses(3, third)).toEqual([200, 200, 429]);
    });

    it('reserve tokens by estimate, and settle by what was used', async () => {
      await limit({ key: { tokensPerMinute: 10_000 } });
      const first = await post();
      expect(header(first, 'limit-tokens')).toBe('10000');
      expect(header(first, 'remaining-tokens')).toBe(`${10_000 - reserved()}`);
      await first.text();
      // The test engine says 10; the bucket has been filling a little since.
      const later = await until('settled', async () => {
        const left = Number(header(await post({ max_tokens: 1 }), 'remaining-tokens'));
        return left > 10_000 - reserved() + 20 ? left : undefined;
      });
      expect(later).toBeGreaterThan(9_900);
    });

    it('reserve no more than the cap, for an answer without an end too', async () => {
      await limit({ key: { tokensPerMinute: 100_000 }, reserveTokens: 500 });
      for (const max of [undefined, 50_000, 1e15]) {
        const body = { ...prompt, max_tokens: max };
        const before = Number(header(await post({ max_tokens: 1 }), 'remaining-tokens'));
        const after = Number(header(await post({ max_tokens: max }), 'remaining-tokens'));
        expect(before - after).toBeGreaterThan(reserved(body, 500) - 100);
        expect(before - after).toBeLessThan(reserved(body, 500) + 100);
      }
    });

    it('refuse nobody for ever because of an estimate', async () => {
      await limit({ key: { tokensPerMinute: 20, tokensPerDay: 1000 } });
      const first = await post();
      expect([first.status, header(first, 'remaining-tokens')]).toEqual([200, '0']);
      await first.text();
    });

    it('give back the tokens of what came to nothing', async () => {
      await limit({ key: { tokensPerDay: 1000 } });
      const left = async () => Number(header(await post({ max_tokens: 1 }), 'remaining-tokens'));
      engine.usual(status(500));
      const before = await left();
      for (const bad of [status(500), status(400), reset]) {
        engine.next(bad);
        await (await post()).text();
      }
      await until('given back', async () => (before - (await left()) <= 30 ? true : undefined));
    });

    it('hold a day to its budget, by OpenAI’s word for it', async () => {
      await limit({ key: { tokensPerDay: 250 } });
      engine.usual((request, response) => {
        const usage = { prompt_tokens: 100, completion_tokens: 100, total_tokens: 200 };
        response.end(JSON.stringify({ choices: [], usage, asked: request.body.length }));
      });
      expect(await statuses(1)).toEqual([200]);
      const refused = await until('settled', async () => {
        const response = await post();
        return response.status === 429 ? response : undefined;
      });
      expect(await refused.json()).toMatchObject({ error: { code: 'insufficient_quota' } });
      const wait = Number(refused.headers.get('retry-after'));
      const midnight = 86_400 - (Math.floor(Date.now() / 1000) % 86_400);
      expect(Math.abs(wait - midnight)).toBeLessThan(5);
      expect(header(refused, 'reset-tokens')).toMatch(/^(\d+h)?(\d+m)?\d+s$/);
    });

    it('bound what is open at the same time, and let go at the end of each', async () => {
      await limit({ key: { concurrent: 2 } });
      engine.usual(fallsSilent(1));
      const stop = new AbortController();
      const open = [1, 2].map(() => gateway.post({ ...prompt, stream: true }, { ...as(apiKey), signal: stop.signal }));
      for (const one of open) expect((await one).status).toBe(200);
      const refused = await post();
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
      engine.usual(answer);
      expect(await statuses(1, second)).toEqual([200]);
      stop.abort();
      await until('let go', async () => ((await statuses(1))[0] === 200 ? true : undefined));
      // One after the other never meets its own shadow.
      await limit({ key: { concurrent: 1 } });
      expect(await statuses(20)).toEqual(Array(20).fill(200));
    });

    it('know the tokens of a stream, and show its usage only to who asked for it', async () => {
      const asked = async (more: object) => (await post({ stream: true, ...more })).text();
      engine.usual(stream(5, 1));
      await limit({ key: { requestsPerMinute: 100 } });
      expect(await asked({})).toContain('"usage"');
      expect(JSON.parse(engine.seen.at(-1)!.body)).not.toHaveProperty('stream_options');
      await limit({ key: { tokensPerDay: 1000 } });
      const plain = await asked({});
      expect(JSON.parse(engine.seen.at(-1)!.body)).toMatchObject({
        ...prompt,
        stream_options: { include_usage: true },
      });
      expect(plain).not.toContain('"usage"');
      expect(plain.match(/data: /g)).toHaveLength(6);
      expect(plain).toMatch(/data: \[DONE\]\n\n$/);
      const full = await asked({ stream_options: { include_usage: true } });
      expect(full).toContain('"usage"');
      // Twice 10 by the engine's word.
      const third = await until('settled', async () => {
        const response = await post({ max_tokens: 1 });
        await response.text();
        return Number(header(response, 'remaining-tokens')) > 800 ? response : undefined;
      });
      expect(third.status).toBe(200);
    });

    it('show each event as it comes, however it is cut into pieces', async () => {
      await limit({ key: { tokensPerMinute: 1_000_000 } });
      const whole = [
        'data: {"choices":[{"delta":{"content":"a\\"usage\\": {"}}],"usage":null}\n\n',
        ': alive\n\n',
        'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}\n\n',
        'data: [DONE]\n\n',
      ];
      const text = whole.join('');
      engine.usual(async (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (let at = 0; at < text.length; at += 7) {
          response.write(text.slice(at, at + 7));
          await new Promise((done) => setTimeout(done, 1));
        }
        response.end();
      });
      const seen = await post({ stream: true });
      expect(await seen.text()).toBe(whole.filter((_, i) => i !== 2).join(''));
    });

    it('refuse at once when all engines are full', async () => {
      await limit({ perEngine: 2 });
      engine.usual(hang);
      const stop = new AbortController();
      const open = [1, 2].map(() => gateway.post(prompt, { signal: stop.signal }).catch(() => undefined));
      await until('both are with the engine', () => engine.seen.length === 2 || undefined);
      const refused = await post({}, third);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
      expect(await refused.json()).toMatchObject({ error: { code: 'engine_overloaded' } });
      stop.abort();
      await Promise.all(open);
      engine.usual(answer);
      await until('room again', async () => ((await statuses(1))[0] === 200 ? true : undefined));
    });

    it('are not taken when they make no sense', async () => {
      const bad: object[] = [
        { key: { requestsPerMinute: 0 } },
        { key: { requestsPerHour: 5 } },
        { tenants: { a: { concurrent: 'many' } } },
        { instances: 0 },
      ];
      for (const limits of bad) {
        const response = await gateway.put({
          ...settings,
          revision: revision + 1,
          limits: { ...limitOptions(), ...limits } as LimitOptions,
        });
        expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('limits.')]);
      }
      for (const own of [{ requestsPerMinute: 'many' }, { requestsPerHour: 1 }, { concurrent: 0 }]) {
        const wrong = { ...keys[0]!, limits: own as OwnLimits };
        const response = await gateway.put({ ...settings, revision: revision + 1, keys: [wrong] });
        expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(`${wrong.id}.limits.`)]);
      }
    });

    it('do without where there are none', async () => {
      await limit({});
      const response = await post();
      expect(response.status).toBe(200);
      expect([...response.headers.keys()].filter((name) => name.startsWith('x-ratelimit'))).toEqual([]);
    });
  });
}
