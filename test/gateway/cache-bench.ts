/** Gateways for the benchmark: each answers the question of `hitBody` from one place. */
import { cacheSettings } from './cache-engine.js';
import { apiKey, type StartOptions, startGateway } from './harness.js';
import type { RedisServer } from './redis-servers.js';

export interface CachedGateway {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** A question at temperature 0 with a prompt of so many bytes. */
export const hitBody = (bytes: number): string =>
  JSON.stringify({
    model: 'm',
    temperature: 0,
    max_tokens: 256,
    messages: [{ role: 'user', content: 'The quick brown fox. '.repeat(bytes / 21) }],
  });

async function warmed(
  name: string,
  body: string,
  settings: ReturnType<typeof cacheSettings>,
  options: StartOptions,
): Promise<CachedGateway> {
  const { url, pid, stop } = await startGateway(settings, { connections: 4096, ...options });
  const path = `${url}/v1/chat/completions`;
  const ask = async () =>
    (await fetch(path, { method: 'POST', headers: { authorization: `Bearer ${apiKey}` }, body })).headers.get(
      'x-cache',
    );
  for (let i = 0; (await ask()) !== 'hit'; i += 1) {
    if (i > 50) throw new Error(`${name}: no hit`);
    await new Promise((done) => setTimeout(done, 20));
  }
  return { name, url: path, pid, stop };
}

/** Hits in the gateway's own memory, and hits in Redis alone; `body` is known to both. */
export async function cachedGateways(
  enginePort: number,
  redis: RedisServer,
  body: string,
  options: StartOptions = {},
): Promise<readonly CachedGateway[]> {
  const peers = [{ host: '127.0.0.1', port: enginePort }];
  return [
    await warmed('hit in memory', body, cacheSettings(peers, redis), options),
    await warmed('hit in Redis', body, cacheSettings(peers, redis, { localBytes: 0 }), options),
  ];
}
