import { say } from '../say.js';
import { duration, object, string } from './schema.js';

const word = {
  regexp: '^[!-~]+$',
  means: say('a word of printable ASCII, such as a URI', '可打印 ASCII 字符，如 URI'),
};

export const oauth = object(
  {
    issuer: string({
      says: say(
        'Who issues the tokens; left out: urn:deepseek-deploy:NAME. Another issuer or audience ends the tokens of before.',
        '令牌签发者；省略则为 urn:deepseek-deploy:名称。更换签发者或受众会使原有令牌失效。',
      ),
      pattern: word,
      max: 300,
      example: 'https://api.example.com',
    }),
    audience: string({
      says: say('Whom they are for.', '令牌受众。'),
      pattern: word,
      max: 300,
      initial: 'deepseek-api',
    }),
    ttl: duration({
      says: say('How long a token lives.', '令牌有效期。'),
      min: 60_000,
      max: 7 * 86_400_000,
      initial: '24h',
    }),
  },
  { says: say('OAuth2 tokens of the clients.', '客户端的 OAuth2 令牌。') },
);
