/** deepseek.yaml's sections of the gateway, from the file to what a caller sees: real nginx, real engine, real Redis. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../gateway/harness.js';
import { type RedisServer, startRedis } from '../gateway/redis-servers.js';
import { type Stage, stage } from './stage.js';

interface Ready {
  readonly state: string;
  readonly endpoint: string;
  readonly apiKey: string;
  readonly changed: readonly string[];
  readonly smoke: { readonly passed: boolean; readonly checks: readonly { id: string; state: string }[] } | null;
  readonly redis?: { readonly answers: boolean; readonly why?: string };
  readonly cache?: { readonly hits: number; readonly misses: number };
  readonly processes: readonly { readonly id: string; readonly pid: number }[];
}

let on: Stage;
let redis: RedisServer;
let first: Ready;

const file = (name: string): string => join(on.folder, name);
const keep = (name: string, text: string): void => {
  writeFileSync(file(name), text);
  chmodSync(file(name), 0o600);
};

/** @param sections of the gateway, a line each */
async function init(...sections: string[]): Promise<Ready> {
  const gateway = sections.map((line) => `  ${line}\n`).join('');
  keep('deepseek.yaml', `version: 1\nmodel: {id: demo}\ngateway:\n  maxBodyBytes: 4MiB\n${gateway}`);
  return (await on.json('init', '--yes')) as unknown as Ready;
}
const status = async (): Promise<Ready> => (await on.json('status')) as unknown as Ready;
const pidOf = (ready: Ready, id: string): number => ready.processes.find((one) => one.id === id)!.pid;

const redisLine = (): string =>
  `redis: {nodes: ["localhost:${redis.port}"], passwordFile: redis-password, timeout: 200ms, tls: {enabled: true, ca: "${redis.ca}"}}`;
const usual = (): string[] => [
  redisLine(),
  'cache: {enabled: true}',
  'breaker: {enabled: true}',
  'cors: {origins: ["https://app.example"]}',
  // Fewer than the smoke test asks for: it goes by the CLI's own key, which has none.
  'limits: {key: {requestsPerMinute: 20}, tenant: {requestsPerMinute: 20}}',
];

const ask = (content: string, more: object = {}, key = first.apiKey): Promise<Response> =>
  fetch(`${first.endpoint}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'demo',
      messages: [{ role: 'user', content }],
      max_tokens: 8,
      temperature: 0,
      ...more,
    }),
  });

async function verdict(content: string): Promise<string | null> {
  const response = await ask(content);
  await response.text();
  expect(response.status).toBe(200);
  return response.headers.get('x-cache');
}

/** As the admin port tells them, which is what is in force. */
async function settingsInForce(): Promise<Record<string, Record<string, unknown> | undefined>> {
  const { adminKey } = JSON.parse(readFileSync(file('home/gateway/secrets.json'), 'utf8'));
  const { adminPort } = JSON.parse(readFileSync(file('home/deployment.json'), 'utf8')).gateway;
  const url = `http://127.0.0.1:${adminPort}/settings`;
  return (await fetch(url, { headers: { authorization: `Bearer ${adminKey}` } })).json() as Promise<never>;
}

beforeAll(async () => {
  [on, redis] = [stage(), await startRedis({ password: 'pw-of-before', tls: true })];
  keep('redis-password', 'pw-of-before\n');
  first = await init(...usual());
}, 240_000);

afterAll(async () => {
  await on?.remove();
  await redis?.stop();
}, 60_000);

it('comes up with all of it, and a smoke test that saw the cache answer', () => {
  expect(first).toMatchObject({ state: 'ready', smoke: { passed: true }, redis: { answers: true } });
  expect(first.smoke?.checks.find(({ id }) => id === 'cache.hit')?.state).toBe('ok');
});

it('changes nothing the second time', async () => {
  expect((await init(...usual())).changed).toEqual([]);
});

describe('the cache', () => {
  it('answers an equal request, from Redis too when the gateway is a new one, and lies there sealed', async () => {
    const words = 'the sea, the sea';
    expect([await verdict(words), await verdict(words)]).toEqual(['miss', 'hit']);
    const key = await until(
      'it is in Redis',
      async () => /^answer:\S+/m.exec(await redis.cli('keys', 'answer:*'))?.[0],
    );
    expect(await redis.cli('get', key)).not.toContain('choices');
    process.kill(pidOf(await status(), 'gateway'), 'SIGKILL');
    await until('it is back', async () => ((await status()).state === 'ready' ? true : undefined), 20_000);
    expect(await verdict(words)).toBe('hit');
    expect((await status()).cache).toEqual({ hits: 1, misses: 0 });
  });
});

it('limits of a key refuse its third request in the minute, and no other’s', async () => {
  const { secret } = (await on.json('keys', 'create', 'app', '--limit', 'rpm=2')) as { secret: string };
  const seen: number[] = [];
  for (let i = 0; i < 3; i += 1) seen.push((await ask('hello', {}, secret)).status);
  expect([seen, (await ask('hello')).status]).toEqual([[200, 200, 429], 200]);
  expect((await on.type('keys', 'list')).stdout).toMatch(/app +default +active +rpm=2 /);
  expect((await on.type('keys', 'limit', 'app', 'rpm=none')).code).toBe(0);
  expect((await ask('hello', {}, secret)).status).toBe(200);
});

it('a page of a named origin is told that it may ask, another one is not', async () => {
  const preflight = (origin: string): Promise<Response> =>
    fetch(`${first.endpoint}/chat/completions`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
  const allowed = await preflight('https://app.example');
  expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([204, 'https://app.example']);
  expect((await preflight('https://other.example')).headers.get('access-control-allow-origin')).toBeNull();
});

it('what is changed is in force when init ends; streams and processes go on', async () => {
  const before = await status();
  const stream = await ask('a long one', { stream: true, max_tokens: 3000, temperature: 1 });
  const text = stream.text();
  const after = await init(
    redisLine(),
    'cache: {enabled: true, memory: 80MiB}',
    'breaker: {enabled: true, minimum: 3, failureRate: 0.25}',
    'oauth: {ttl: 1h}',
  );
  expect(after.changed).toEqual(['gateway.configure']);
  const now = await settingsInForce();
  expect(now.breaker).toMatchObject({ minimum: 3, rate: 0.25 });
  expect(now.oauth).toMatchObject({ ttlS: 3600 });
  expect(now.cors).toBeUndefined();
  expect([pidOf(after, 'gateway'), pidOf(after, 'engine')]).toEqual([
    pidOf(before, 'gateway'),
    pidOf(before, 'engine'),
  ]);
  expect(await text).toMatch(/data: \[DONE\]\s*$/);
}, 60_000);

it('an engine that says nothing: a cached answer past its time, then a clean 503 at once, then well again', async () => {
  const ready = await init(
    redisLine(),
    'engineSilence: 3s',
    'cache: {enabled: true, ttl: 1s, stale: 1h}',
    // The smoke test's answers, all good, are in the window too.
    'breaker: {enabled: true, minimum: 3, failureRate: 0.05, open: 2s, longestOpen: 2s}',
  );
  const engine = pidOf(ready, 'engine');
  expect(await verdict('what was said before')).toBe('miss');
  await new Promise((done) => setTimeout(done, 2100));
  process.kill(engine, 'SIGSTOP');
  try {
    expect(await verdict('what was said before')).toBe('stale');
    const others = await Promise.all([1, 2, 3].map((n) => ask(`new ${n}`)));
    for (const { status: code } of others) expect([503, 504]).toContain(code);
    const started = performance.now();
    const refused = await ask('new 4');
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([503, expect.any(Number)]);
    expect(performance.now() - started).toBeLessThan(500);
    expect(await verdict('what was said before')).toBe('stale');
    expect((await status()) as object).toMatchObject({ breaker: { open: ['demo/blue'] } });
  } finally {
    process.kill(engine, 'SIGCONT');
  }
  await until('it answers again', async () => ((await ask('new 5')).status === 200 ? true : undefined), 20_000);
}, 60_000);

describe('a Redis that is away', () => {
  it('is told by status and by init, and requests go on', async () => {
    await redis.kill();
    expect(await status()).toMatchObject({ state: 'degraded', redis: { answers: false } });
    const shown = await on.type('status');
    expect([shown.code, shown.stdout]).toEqual([1, expect.stringMatching(/redis +● away/)]);
    expect((await ask('anybody there?')).status).toBe(200);
    await redis.restart();
    await until('it is seen again', async () => ((await status()).state === 'ready' ? true : undefined), 20_000);
  }, 60_000);

  it('with another password is reached again once the file has it', async () => {
    await redis.cli('config', 'set', 'requirepass', 'pw-of-now');
    await redis.cli('-a', 'pw-of-now', 'client', 'kill', 'type', 'normal');
    await until('it is refused', async () => ((await status()).state === 'degraded' ? true : undefined), 20_000);
    keep('redis-password', 'pw-of-now\n');
    const { changed } = await init(redisLine(), 'cache: {enabled: true}');
    expect(changed).toEqual(['gateway.secrets', 'gateway.configure']);
    await until('it answers', async () => ((await status()).state === 'ready' ? true : undefined), 20_000);
  }, 60_000);
});

it('what is taken away is off', async () => {
  expect(await init()).toMatchObject({ state: 'ready', changed: ['gateway.secrets', 'gateway.configure'] });
  expect(await verdict('the sea, the sea')).toBeNull();
  expect(await status()).not.toHaveProperty('redis');
  const secrets = readFileSync(file('home/gateway/secrets.json'), 'utf8');
  expect([secrets.includes('cacheSecret'), secrets.includes('redisPassword')]).toEqual([true, false]);
});
