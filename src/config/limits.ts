import type { Text } from '../say.js';
import { say } from '../say.js';
import { boolean, either, integer, map, object, oneOf } from './schema.js';

/** At most so many, or as many as there are. */
const most = (says: Text, max: number) =>
  either(
    [oneOf(['none'], { says: say('No bound', '不限') }), integer({ says: say('A number', '数目'), min: 1, max })],
    { says, initial: 'none' },
  );

const bounds = {
  requestsPerMinute: most(say('Requests in a minute; none: as many as come.', '每分钟请求数；none 表示不限。'), 1e9),
  tokensPerMinute: most(
    say('Tokens in a minute, prompt and answer together.', '每分钟 token 数，提示与回答合计。'),
    1e12,
  ),
  tokensPerDay: most(
    say(
      'Tokens in a day, prompt and answer together, from midnight to midnight UTC.',
      '每日 token 数，提示与回答合计，按 UTC 自然日计。',
    ),
    1e15,
  ),
  concurrent: most(say('Requests and streams that are open at the same time.', '同时进行的请求与流式应答数。'), 1e6),
};

export const limits = object(
  {
    key: object(bounds, { says: say('What each API key or client may ask for.', '每个 API 密钥或客户端的上限。') }),
    tenant: object(bounds, {
      says: say('What all keys of a tenant together may ask for.', '同一租户所有密钥合计的上限。'),
    }),
    tenants: map(object(bounds, { says: say('The limits of a tenant.', '某个租户的上限。') }), {
      says: say(
        'Tenants with limits of their own, by name, each in place of all that stands under tenant.',
        '单独设限的租户，以名称为键；整体取代 tenant 中的上限。',
      ),
      keys: {
        regexp: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
        means: say('the name of a tenant: letters, digits, . _ -, at most 64', '租户名：字母、数字、. _ -，最多 64 个'),
      },
      initial: {},
    }),
    perEngine: most(
      say(
        'Requests that an engine is given at the same time; beyond that: 429 at once. none: as many as it takes itself.',
        '同时交给一个引擎的请求数，超出者立即返回 429；none 表示由引擎自行决定。',
      ),
      1e6,
    ),
    reserveTokens: integer({
      says: say(
        'Tokens that an answer is taken to need until it has ended, or max_tokens where that is less.',
        '回答结束前预留的 token 数；若 max_tokens 更小，则取 max_tokens。',
      ),
      min: 1,
      max: 1_048_576,
      initial: 1024,
    }),
  },
  { says: say('How much may be asked for; more is refused with 429.', '用量上限，超出者返回 429。') },
);

export const validation = object(
  {
    strict: boolean({
      says: say(
        'Outside of what is recommended for DeepSeek (temperature 0.1 to 1, top_p 0.85 to 0.95): refused, not only warned about.',
        '超出 DeepSeek 推荐范围（temperature 0.1 至 1，top_p 0.85 至 0.95）时拒绝请求，而不只是警告。',
      ),
      initial: false,
    }),
    status: oneOf([400, 422], {
      says: say(
        'What a request with a wrong parameter is answered with: 400 is OpenAI’s way, 422 DeepSeek’s.',
        '参数错误时返回的状态码：400 与 OpenAI 一致，422 与 DeepSeek 一致。',
      ),
      initial: 400,
    }),
  },
  { says: say('The check of a request’s parameters.', '请求参数的检查。') },
);
