/** A Redis that is known by its name: looked up in the background, so that no request ever waits for a DNS server. */
import { expect, it } from 'vitest';
import type { GatewayState } from '../../src/gateway/admin.js';
import { cacheOptions, redisOptions } from '../../src/gateway/cache.js';
import { dnsOptions } from '../../src/gateway/dns.js';
import { type DnsServer, startDns } from './dns-server.js';
import { startEngine, type TestEngine } from './engine.js';
import { type Gateway, secrets, startGateway, testSettings, until } from './harness.js';
import { type RedisServer, startRedis } from './redis-servers.js';

const redisSays = async ({ admin }: Gateway): Promise<GatewayState['redis']> => {
  const headers = { authorization: `Bearer ${admin.key}` };
  const response = await fetch(`http://127.0.0.1:${admin.port}/state`, { headers });
  return ((await response.json()) as GatewayState).redis;
};

const body = (content: string) => ({ model: 'm', messages: [{ role: 'user', content }], temperature: 0 });
const ask = async (gateway: Gateway, content: string): Promise<string | null> => {
  const response = await gateway.post(body(content));
  await response.text();
  expect(response.status).toBe(200);
  return response.headers.get('x-cache');
};

it.each(['debian', 'current'] as const)(
  'is found once its name is, and kept when the DNS is silent (%s nginx)',
  async (nginx) => {
    const parts: { stop(): Promise<unknown> }[] = [];
    const keep = <T extends { stop(): Promise<unknown> }>(part: T): T => {
      parts.unshift(part);
      return part;
    };
    try {
      const dns: DnsServer = keep(await startDns());
      const redis: RedisServer = keep(await startRedis({ password: secrets.redisPassword! }));
      const engine: TestEngine = keep(await startEngine());
      const settings = testSettings([engine.peer], {
        dns: dnsOptions({
          servers: [{ host: '127.0.0.1', port: dns.port }],
          leastS: 0.2,
          longestS: 0.4,
          timeoutMs: 300,
        }),
        redis: redisOptions({ nodes: [{ host: 'redis.test', port: redis.port }], budgetMs: 500 }),
        cache: cacheOptions(),
      });
      const gateway = keep(await startGateway(settings, { nginx }));
      expect(await ask(gateway, 'a')).toBe('miss');
      expect(await redisSays(gateway)).toMatchObject({ answers: false, why: expect.stringContaining('redis.test') });
      dns.set('redis.test', { a: ['127.0.0.1'], ttl: 0 });
      await until('it answers', async () => ((await redisSays(gateway))?.answers ? true : undefined));
      expect(await ask(gateway, 'b')).toBe('miss');
      await until('it is in Redis', async () => ((await redis.cli('dbsize')).trim() === '1' ? true : undefined));
      dns.set('redis.test', { fails: 'silent' });
      const before = dns.asked.length;
      await until('it was asked in vain', () => (dns.asked.length > before + 2 ? true : undefined));
      const started = performance.now();
      expect(await ask(gateway, 'c')).toBe('miss');
      expect(performance.now() - started).toBeLessThan(250);
      expect(await redisSays(gateway)).toEqual({ answers: true });
    } finally {
      for (const part of parts) await part.stop();
    }
  },
);
