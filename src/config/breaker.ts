import { say } from '../say.js';
import { type Rule, unused } from './rule.js';
import { boolean, duration, integer, number, object } from './schema.js';

const day = 86_400_000;

export const breaker = object(
  {
    enabled: boolean({
      says: say(
        'Leave an engine that keeps failing alone for a while: 503 with Retry-After at once, or what gateway.degrade allows.',
        '引擎持续失败时暂停向其转发：立即返回 503 与 Retry-After，或按 gateway.degrade 降级。',
      ),
      initial: false,
    }),
    window: duration({
      says: say('The time that is looked back on.', '统计时间窗。'),
      min: 1000,
      max: 600_000,
      initial: '10s',
    }),
    minimum: integer({
      says: say('With fewer requests in the window nothing opens.', '时间窗内请求少于此数时不熔断。'),
      min: 1,
      max: 1_000_000,
      initial: 10,
    }),
    failureRate: number({
      says: say('The share of failures that opens it.', '触发熔断的失败比例。'),
      min: 0.01,
      max: 1,
      initial: 0.5,
    }),
    open: duration({
      says: say(
        'How long it stays open at first; twice as long after each probe that fails.',
        '首次熔断的时长；每次试探失败后加倍。',
      ),
      min: 1000,
      max: day,
      initial: '5s',
    }),
    longestOpen: duration({
      says: say('The longest that it stays open between two probes.', '两次试探之间熔断的最长时间。'),
      min: 1000,
      max: day,
      initial: '1m',
    }),
    streamSilence: duration({
      says: say(
        'A stream without a first byte for so long counts as failed.',
        '流式请求超过此时间仍无首字节，计为失败。',
      ),
      min: 1000,
      max: day,
      initial: '1m',
    }),
    answerSilence: duration({
      says: say('The same for answers that are not streamed.', '非流式请求的同一界限。'),
      min: 1000,
      max: day,
      initial: '10m',
    }),
  },
  { says: say('The circuit breakers, one for each engine and each version.', '熔断器：每个引擎、每个版本各一个。') },
);

export const breakerRules: readonly Rule[] = [
  unused('breaker', breaker),
  ({ gateway: { breaker: its } }) =>
    its.longestOpen < its.open
      ? [
          {
            path: 'gateway.breaker.longestOpen',
            text: say('is shorter than gateway.breaker.open', '短于 gateway.breaker.open'),
          },
        ]
      : [],
];
