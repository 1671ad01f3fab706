/** What the configuration says about Redis, cache, breaker, degradation, CORS and tokens, as the gateway takes it. */
import type { Config } from '../config/config.js';
import { type BreakerOptions, breakerOptions, type DegradeOptions } from '../gateway/breaker.js';
import { type CacheOptions, cacheOptions, type RedisNode, type RedisOptions, redisOptions } from '../gateway/cache.js';
import { type CloudOptions, cloudOptions } from '../gateway/cloud.js';
import { type CorsOptions, corsOptions } from '../gateway/cors.js';
import { type OAuthOptions, oauthOptions } from '../gateway/oauth.js';

type Gateway = Config['gateway'];

const seconds = (ms: number): number => Math.ceil(ms / 1000);

/** Names of /etc/hosts to addresses: no DNS server knows them. The first address of a name counts. */
export function hostsIn(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    for (const name of names) if (address && !found.has(name)) found.set(name, address);
  }
  return found;
}

/** 'host:port' or 'unix:/path', as the gateway connects to it. */
export function nodeOf(text: string, hosts: ReadonlyMap<string, string>): RedisNode {
  if (text.startsWith('unix:')) return { host: text, port: 0 };
  const at = text.lastIndexOf(':');
  const name = text.slice(0, at);
  const host = hosts.get(name) ?? name;
  return { host: host.includes(':') && !host.startsWith('[') ? `[${host}]` : host, port: Number(text.slice(at + 1)) };
}

/**
 * The name that certificates of Redis are checked against: that of the first node where none is given, since nodes may
 * be reached by an address (of /etc/hosts, or of the cluster's map) that is in no certificate.
 */
const serverNameOf = ({ nodes, tls }: Gateway['redis']): string => tls.serverName ?? nodes[0]!.replace(/:\d+$/, '');

/** Undefined where silent streams get no comments. */
export const keepAliveOf = ({ keepAlive }: Gateway): number | undefined =>
  keepAlive === 'off' ? undefined : seconds(keepAlive);

/** Undefined where there is no Redis. */
export function redisOf({ redis }: Gateway, hosts: ReadonlyMap<string, string>): RedisOptions | undefined {
  if (redis.nodes.length === 0) return undefined;
  const { cluster, username, database, timeout, writeTimeout, connections, tls } = redis;
  return redisOptions({
    nodes: redis.nodes.map((node) => nodeOf(node, hosts)),
    cluster,
    database,
    ...(username === undefined ? {} : { username }),
    ...(tls.enabled ? { tls: { verify: true, serverName: serverNameOf(redis) } } : {}),
    budgetMs: timeout,
    writeMs: writeTimeout,
    connections,
  });
}

/** Undefined where no answer is cached. Without a Redis the gateway's own memory holds whole answers for all their time. */
export function cacheOf({ cache, redis, degrade }: Gateway): CacheOptions | undefined {
  if (!cache.enabled) return undefined;
  const { largestAnswer, embeddings, onlyOnRequest } = cache;
  const ttlS = seconds(cache.ttl);
  const shared = redis.nodes.length > 0;
  return cacheOptions({
    ttlS,
    staleS: shared && degrade.cachedAnswer ? seconds(cache.stale) : 0,
    maxBytes: largestAnswer,
    ...(shared ? {} : { localBytes: largestAnswer, localS: ttlS }),
    embeddings,
    onlyOnRequest,
  });
}

export function breakerOf({ breaker }: Gateway): BreakerOptions | undefined {
  if (!breaker.enabled) return undefined;
  return breakerOptions({
    windowS: seconds(breaker.window),
    minimum: breaker.minimum,
    rate: breaker.failureRate,
    openS: seconds(breaker.open),
    longestS: seconds(breaker.longestOpen),
    streamSilenceS: seconds(breaker.streamSilence),
    answerSilenceS: seconds(breaker.answerSilence),
  });
}

/** Undefined where nothing goes to a cloud. */
export const cloudOf = ({ cloud }: Gateway): CloudOptions | undefined =>
  cloud.baseUrl === undefined ? undefined : cloudOptions(cloud.baseUrl, cloud.models);

/** Undefined without a breaker, which alone calls for it. */
export function degradeOf({ breaker, degrade, cloud }: Gateway): DegradeOptions | undefined {
  if (!breaker.enabled) return undefined;
  const models = degrade.smallerModels;
  const order = [
    ...(degrade.otherVersion ? (['version'] as const) : []),
    ...(Object.keys(models).length > 0 ? (['model'] as const) : []),
    ...(cloud.baseUrl === undefined ? [] : (['cloud'] as const)),
  ];
  return order.length > 0 ? { order, models } : undefined;
}

/** Undefined where no page of another origin may read an answer. */
export const corsOf = ({ cors }: Gateway): CorsOptions | undefined =>
  cors.origins.length > 0 ? corsOptions(cors.origins, seconds(cors.maxAge)) : undefined;

export const oauthOf = ({ name, gateway: { oauth } }: Config): OAuthOptions =>
  oauthOptions(name, {
    ...(oauth.issuer === undefined ? {} : { issuer: oauth.issuer }),
    audience: oauth.audience,
    ttlS: seconds(oauth.ttl),
  });
