/** What the tests of the cache have in common: settings with a cache, and engines whose answers tell which one it was. */
import { type CacheOptions, cacheOptions, type RedisOptions, redisOptions } from '../../src/gateway/cache.js';
import type { Peer, Settings } from '../../src/gateway/settings.js';
import { type Behaviour, sleep } from './engine.js';
import { apiKey, type Gateway, secrets, testKey, testSettings } from './harness.js';
import { type RedisServer, startRedis } from './redis-servers.js';

export const otherKey = 'sk-of-another-tenant';

type Options = Parameters<typeof cacheOptions>[0];

/** Two tenants, and a cache behind `redis`. */
export const cacheSettings = (
  peers: readonly Peer[],
  redis: { readonly host: string; readonly port: number } | undefined,
  options: Options = {},
  more: Partial<RedisOptions> = {},
): Settings => ({
  ...testSettings(peers),
  keys: [testKey(), testKey({ id: 'key_000000000002', tenant: 'others' }, otherKey)],
  cache: cacheOptions(options) satisfies CacheOptions,
  // A generous budget, except where it is under test: this machine does other things too.
  ...(redis
    ? { redis: redisOptions({ nodes: [{ host: redis.host, port: redis.port }], budgetMs: 500, ...more }) }
    : {}),
});

/** With the password that the gateway of the tests knows. */
export const cacheRedis = (): Promise<RedisServer> => startRedis({ password: secrets.redisPassword! });

export const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
let count = 0;

/** An answer whose text is another each time; as JSON or as a stream, as it was asked for. */
export const fresh =
  (words = 3, everyMs = 0): Behaviour =>
  async (request, response) => {
    count += 1;
    const asked = JSON.parse(request.body);
    const text = Array.from({ length: words }, (_, i) => `answer${count}word${i} `).join('');
    const head = { id: `id${count}`, created: 1_700_000_000, model: 'm' };
    if (!asked.stream) {
      await sleep(words * everyMs);
      const choice = { index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...head, object: 'chat.completion', choices: [choice], usage }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (delta: object, finish_reason: string | null = null) =>
      response.write(
        `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] })}\n\n`,
      );
    send({ role: 'assistant', content: '' });
    for (const word of text.match(/\S+ /g) ?? []) {
      send({ content: word });
      await sleep(everyMs);
    }
    send({}, 'stop');
    if (asked.stream_options?.include_usage)
      response.write(`data: ${JSON.stringify({ ...head, choices: [], usage })}\n\n`);
    response.end('data: [DONE]\n\n');
  };

export interface Answered {
  readonly status: number;
  readonly cache: string | null;
  readonly text: string;
  readonly usage: typeof usage | undefined;
  readonly events: number;
  readonly age: string | null;
  readonly id: string;
}

/** Asks at temperature 0 unless the body says otherwise, and reads the answer whichever way it comes. */
export async function ask(
  gateway: Gateway,
  body: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Answered> {
  const response = await gateway.post(
    { model: 'm', temperature: 0, messages: [{ role: 'user', content: 'hi' }], ...body },
    { headers: { authorization: `Bearer ${apiKey}`, ...headers } },
  );
  const text = await response.text();
  const chunks = body.stream
    ? (text.match(/^data: \{.*$/gm) ?? []).map((line) => JSON.parse(line.slice(6)))
    : [response.status === 200 ? JSON.parse(text) : {}];
  return {
    status: response.status,
    cache: response.headers.get('x-cache'),
    text: chunks.map((one) => one.choices?.[0]?.message?.content ?? one.choices?.[0]?.delta?.content ?? '').join(''),
    usage: chunks.map((one) => one.usage).find(Boolean),
    events: chunks.length,
    age: response.headers.get('age'),
    id: response.headers.get('x-request-id')!,
  };
}

/** The value of one series of the gateway's metrics. */
export async function metric(gateway: Gateway, series: string): Promise<number> {
  const text = await (await fetch(`http://${gateway.admin.host}:${gateway.admin.port}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}
