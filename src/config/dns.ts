import { say } from '../say.js';
import { duration, object } from './schema.js';

export const dns = object(
  {
    stale: duration({
      says: say(
        'How long the last good addresses of a name are used when its servers do not answer, or answer with none; then the name has none.',
        '名称的 DNS 服务器无应答或应答为空时，上一次有效地址的最长使用时间；超过后该名称视为没有地址。',
      ),
      min: 1000,
      max: 7 * 86_400_000,
      initial: '1h',
    }),
  },
  {
    says: say(
      'Names that engines and Redis are reached by. An address that is old may be another’s by now.',
      '引擎与 Redis 的名称解析。过旧的地址可能已属于他人。',
    ),
  },
);
