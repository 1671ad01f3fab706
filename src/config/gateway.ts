import { say } from '../say.js';
import { audit } from './audit.js';
import { breaker } from './breaker.js';
import { cache } from './cache.js';
import { cloud } from './cloud.js';
import { cors } from './cors.js';
import { degrade } from './degrade.js';
import { dns } from './dns.js';
import { limits, validation } from './limits.js';
import { oauth } from './oauth.js';
import { redis } from './redis.js';
import { bytes, duration, either, object, oneOf, port, string } from './schema.js';
import { tls } from './tls.js';

export const gateway = object(
  {
    host: string({
      says: say('The address it listens on; 127.0.0.1 is this machine only.', '监听地址；127.0.0.1 表示仅限本机访问。'),
      pattern: {
        regexp: '^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$',
        means: say('an IP address or a host name', 'IP 地址或主机名'),
      },
      max: 253,
      initial: '127.0.0.1',
    }),
    port: port({
      says: say(
        'The port of the API. Left out, the next free one is taken when 8080 is in use.',
        'API 端口。省略时若 8080 已被占用，则取下一个空闲端口。',
      ),
      initial: 8080,
    }),
    maxBodyBytes: bytes({
      says: say('The largest request that is read.', '请求体的大小上限。'),
      min: 1024,
      max: 1024 * 1024 * 1024,
      initial: '4MiB',
    }),
    engineSilence: duration({
      says: say(
        'The longest that an engine may say nothing: more than the longest prompt takes to be read.',
        '引擎无任何输出的最长时间，应大于读取最长提示所需的时间。',
      ),
      min: 1000,
      max: 86_400_000,
      initial: '10m',
    }),
    keepAlive: either(
      [
        duration({ says: say('A time', '时长'), min: 1000, max: 3_600_000 }),
        oneOf(['off'], { says: say('None', '关闭') }),
      ],
      {
        says: say(
          'A stream that is silent for so long gets a comment, so that nobody on the way takes it for dead; once the engine has opened its answer.',
          '引擎开始应答后，流若沉默达到此时长，则发送一条 SSE 注释，以免中间环节误认为连接已断。',
        ),
        initial: '15s',
      },
    ),
    tls,
    limits,
    validation,
    audit,
    dns,
    redis,
    cache,
    breaker,
    degrade,
    cloud,
    cors,
    oauth,
  },
  { says: say('The gateway: what people call.', '网关：对外提供服务的入口。') },
);
