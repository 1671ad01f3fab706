import { say } from '../say.js';
import { either, integer, object, oneOf } from './schema.js';

export const engine = object(
  {
    protocol: oneOf(['http', 'grpc'], {
      says: say(
        "How the gateway asks the engine: OpenAI's API over HTTP, or the same JSON over gRPC by SGLang's native service. Callers get the same answers.",
        '网关访问引擎的方式：经 HTTP 使用 OpenAI API，或经 gRPC 通过 SGLang 的原生服务传递相同的 JSON。调用方得到的回答相同。',
      ),
      initial: 'http',
    }),
    threads: either(
      [
        oneOf(['auto'], { says: say('Measured', '自动') }),
        integer({ says: say('A number', '数目'), min: 1, max: 1024 }),
      ],
      {
        says: say(
          'Threads that compute. auto takes the cores this process may really use (affinity and cgroup quota); more than that makes it slower, not faster.',
          '计算线程数。auto 取进程真正可用的核数（CPU 亲和性与 cgroup 配额）；超过此数只会更慢。',
        ),
        initial: 'auto',
      },
    ),
    sequences: integer({
      says: say(
        'Requests that are answered at the same time; each holds its own context in memory.',
        '同时应答的请求数；每个请求各占一份上下文内存。',
      ),
      min: 1,
      max: 256,
      initial: 4,
    }),
    contextSize: integer({
      says: say('Tokens of prompt and answer together, for each request.', '每个请求的提示与回答合计的 token 数。'),
      min: 256,
      max: 1_048_576,
      initial: 4096,
    }),
    queue: integer({
      says: say(
        'Requests that may wait for a free sequence; beyond that they are refused at once (429).',
        '可排队等待的请求数；超出者立即拒绝（429）。',
      ),
      min: 0,
      max: 10_000,
      initial: 64,
    }),
  },
  { says: say('The engine that computes the answers.', '计算回答的引擎。') },
);
