import { say } from '../say.js';
import { duration, list, object, string } from './schema.js';

export const cors = object(
  {
    origins: list(
      string({
        says: say('An origin, or * for all.', '来源，或以 * 表示全部。'),
        pattern: {
          regexp: '^(\\*|[a-z][a-z0-9+.-]*://[A-Za-z0-9.:\\[\\]-]+)$',
          means: say('https://app.example.com without a path, or *', '不带路径的 https://app.example.com，或 *'),
        },
        max: 300,
        example: 'https://app.example.com',
      }),
      {
        says: say('Web pages that may call the API from a browser.', '可在浏览器中调用 API 的网页来源。'),
        max: 200,
        initial: [],
      },
    ),
    maxAge: duration({
      says: say('How long a browser may remember that.', '浏览器可缓存该结果的时间。'),
      min: 0,
      max: 86_400_000,
      initial: '10m',
    }),
  },
  { says: say('Pages of other origins (CORS); none by default.', '跨域网页（CORS）；默认不允许。') },
);
