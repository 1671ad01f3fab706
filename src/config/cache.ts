import { say } from '../say.js';
import { type Rule, unused } from './rule.js';
import { boolean, bytes, duration, object } from './schema.js';

export const cache = object(
  {
    enabled: boolean({
      says: say(
        'Answer equal requests of a tenant from what was answered before. Only requests at temperature 0, embeddings, and those with the header X-Cache: on.',
        '同一租户的相同请求直接返回先前的回答。仅限 temperature 为 0 的请求、embeddings，以及带 X-Cache: on 请求头的请求。',
      ),
      initial: false,
    }),
    ttl: duration({
      says: say('How long an answer is served.', '回答的有效时间。'),
      min: 1000,
      max: 30 * 86_400_000,
      initial: '1h',
    }),
    stale: duration({
      says: say(
        'How long it is kept beyond that in Redis, for the time when no engine answers (gateway.degrade.cachedAnswer).',
        '过期后在 Redis 中继续保留的时间，供引擎无应答时使用（gateway.degrade.cachedAnswer）。',
      ),
      min: 1000,
      max: 30 * 86_400_000,
      initial: '1d',
    }),
    memory: bytes({
      says: say('Memory of the gateway for answers, in front of Redis.', '网关用于存放回答的内存，位于 Redis 之前。'),
      min: 1024 * 1024,
      max: 64 * 1024 * 1024 * 1024,
      initial: '64MiB',
    }),
    largestAnswer: bytes({
      says: say('Larger answers are not kept.', '超过此大小的回答不缓存。'),
      min: 1024,
      max: 16 * 1024 * 1024,
      initial: '1MiB',
    }),
    embeddings: boolean({
      says: say('Whether embeddings are kept without being asked for.', '是否默认缓存 embeddings。'),
      initial: true,
    }),
    onlyOnRequest: boolean({
      says: say(
        'Keep nothing by itself: only what is asked for with X-Cache: on.',
        '不自动缓存：仅缓存带 X-Cache: on 请求头的请求。',
      ),
      initial: false,
    }),
  },
  {
    says: say(
      'The cache of answers: sealed in Redis where gateway.redis names one, else in this gateway’s memory until it restarts.',
      '回答缓存：若配置了 gateway.redis 则加密保存于 Redis，否则仅存于本网关内存，重启即失。',
    ),
  },
);

const at = (name: string, en: string, zh: string) => ({ path: `gateway.cache.${name}`, text: say(en, zh) });

export const cacheRules: readonly Rule[] = [
  unused('cache', cache),
  ({ gateway: { cache: its, redis } }, given) =>
    its.enabled && redis.nodes.length === 0 && given.has('gateway.cache.stale')
      ? [
          at(
            'stale',
            'answers that are past their time are kept in Redis only: name one in gateway.redis.nodes',
            '过期的回答只保留在 Redis 中：请在 gateway.redis.nodes 中给出',
          ),
        ]
      : [],
  ({ gateway: { cache: its } }) =>
    its.enabled && 4 * its.largestAnswer > its.memory
      ? [at('largestAnswer', 'is more than a quarter of gateway.cache.memory', '超过 gateway.cache.memory 的四分之一')]
      : [],
];
