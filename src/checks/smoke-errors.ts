import { say, type Text } from '../say.js';
import type { Api, Reply } from './api.js';
import { type Check, ok, skipped, type Verdict } from './check.js';
import { answered, isError } from './shape.js';

interface Refusal {
  readonly id: string;
  readonly title: Text;
  readonly wanted: number;
  /** Statuses that other servers give with good reason. */
  readonly also?: readonly number[];
  /** What an answer of 200 means. */
  readonly open?: Text;
  readonly openSeverity?: 'warn';
  readonly needsKey?: true;
  ask(api: Api): Promise<Reply>;
}

/** The status is judged first, then whether OpenAI's clients can read the body. */
export function judgeRefusal(
  reply: Reply,
  refusal: Pick<Refusal, 'wanted' | 'also' | 'open' | 'openSeverity'>,
): Verdict {
  const { wanted, also = [], open, openSeverity } = refusal;
  if (reply.status === 200 && open) {
    return { state: 'problem', found: open, ...(openSeverity ? { severity: openSeverity } : {}) };
  }
  if (also.includes(reply.status)) return { state: 'problem', severity: 'warn', found: answered(reply) };
  if (reply.status !== wanted) return { state: 'problem', found: answered(reply) };
  if (isError(reply)) return ok();
  return {
    state: 'problem',
    severity: 'warn',
    found: say('the body has no error.message', '响应体中没有 error.message'),
  };
}

const refusal = ({ id, title, needsKey, ask, ...judged }: Refusal): Check<Api> => ({
  id,
  title,
  severity: 'fail',
  async run(api) {
    if (needsKey && api.target.key === undefined) {
      return skipped('this endpoint was called without a key', '调用此接口未使用密钥');
    }
    return judgeRefusal(await ask(api), judged);
  },
});

const anybody = say('anybody may ask: it answered without a valid key', '无有效密钥也得到了回答：任何人都能调用');

export const errorChecks: readonly Check<Api>[] = [
  refusal({
    id: 'error.no_key',
    title: say('Without a key: 401', '没有密钥：401'),
    wanted: 401,
    also: [403],
    open: anybody,
    needsKey: true,
    ask: (api) => api.chat({ max_tokens: 1 }, { key: null }),
  }),
  refusal({
    id: 'error.bad_key',
    title: say('With a wrong key: 401', '密钥错误：401'),
    wanted: 401,
    also: [403],
    open: anybody,
    needsKey: true,
    ask: (api) => api.chat({ max_tokens: 1 }, { key: 'sk-this-key-was-never-made' }),
  }),
  refusal({
    id: 'error.route',
    title: say('An unknown route: 404', '未知路径：404'),
    wanted: 404,
    open: say('it answered 200', '返回了 200'),
    ask: (api) => api.get('/no-such-route'),
  }),
  refusal({
    id: 'error.model',
    title: say('An unknown model: 404', '未知模型：404'),
    wanted: 404,
    also: [400, 403, 422],
    open: say('it answers for any name', '任意模型名都会回答'),
    openSeverity: 'warn',
    ask: (api) => api.chat({ model: 'no-such-model', max_tokens: 1 }),
  }),
  refusal({
    id: 'error.json',
    title: say('A body that is no JSON: 400', '请求体不是 JSON：400'),
    wanted: 400,
    also: [422],
    open: say('it answered 200', '返回了 200'),
    ask: (api) => api.post('/chat/completions', `{"model": "${api.target.model}", "messages": [`),
  }),
];
