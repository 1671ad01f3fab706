/** Which requests `audit query` and `audit export` are about. */
import type { Filter } from '../audit/query.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Input, Option } from '../verb.js';

export const filterOptions: readonly Option[] = [
  { flags: '--since <time>', says: say('30m, 12h, 7d ago, or a date (UTC)', '30m、12h、7d 之前，或日期（UTC）') },
  { flags: '--until <time>', says: say('The same, exclusive', '同上，不含该时刻') },
  { flags: '--id <id>', says: say('The X-Request-Id', '请求的 X-Request-Id') },
  { flags: '--key <id>', says: say('Id of a key or client', '密钥或客户端编号') },
  { flags: '--tenant <tenant>', says: say('A tenant', '租户') },
  { flags: '--model <model>', says: say('A model', '模型') },
  { flags: '--status <status>', says: say('429, or 5xx for all of them', '429，或用 5xx 表示一类') },
  {
    flags: '--outcome <outcome>',
    says: say('How it ended', '结束方式'),
    choices: ['complete', 'cut', 'refused'],
  },
];

const units: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * Seconds since 1970 of '30m', '12h', '7d', '2w' before `now`, or of a date or time of ISO 8601 (UTC without an offset).
 * @throws UserError `audit.time`
 */
export function parseMoment(text: string, now: number): number {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  if (count) return now - Number(count) * units[unit!]!;
  const whole = /^\d{4}-\d\d-\d\d(T[\d:.]+)?$/.test(text) ? `${text}${text.includes('T') ? 'Z' : ''}` : text;
  const at = /^\d{4}-\d\d-\d\d(T.+)?$/.test(text) ? Date.parse(whole) / 1000 : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new UserError('audit.time', say(`'${text}' is not a time.`, `“${text}”不是有效的时间。`), {
    hint: say(
      'Examples: 30m, 12h, 7d, 2026-11-24, 2026-11-24T08:00',
      '例如：30m、12h、7d、2026-11-24、2026-11-24T08:00',
    ),
    exit: 'usage',
  });
}

/** @throws UserError `audit.time`, `audit.status` */
export function filterOf({ options }: Input, now: number): Filter {
  const { since, until, status, ...rest } = options as Record<string, string | undefined>;
  if (status !== undefined && !/^[1-5](\d\d|xx)$/.test(status)) {
    throw new UserError('audit.status', say(`'${status}' is no status.`, `“${status}”不是状态码。`), {
      hint: say('Examples: 200, 429, 5xx', '例如：200、429、5xx'),
      exit: 'usage',
    });
  }
  const given = Object.entries({
    id: rest.id,
    key: rest.key,
    tenant: rest.tenant,
    model: rest.model,
    outcome: rest.outcome,
    status,
  });
  return {
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    ...(since === undefined ? {} : { since: parseMoment(since, now) }),
    ...(until === undefined ? {} : { until: parseMoment(until, now) }),
  };
}
