import { say } from '../say.js';
import type { Api, Reply, Streamed } from './api.js';
import { all, type Check, ok, skipped } from './check.js';
import { answered, answerIn, isRefusal, isText, refused } from './shape.js';

const parallelRequests = 8;

const parallel: Check<Api> = {
  id: 'load.parallel',
  title: say(`${parallelRequests} at once are all answered`, `${parallelRequests} 个并发请求全部得到回答`),
  severity: 'fail',
  async run(api) {
    const replies = await Promise.all(Array.from({ length: parallelRequests }, () => api.chat({ max_tokens: 8 })));
    const good = replies.filter(({ status }) => status === 200);
    const limited = replies.filter(({ status }) => status === 429);
    const other = replies.find(({ status }) => status !== 200 && status !== 429);
    if (other) return refused(other);
    if (limited[0]) {
      const { en, zh } = answered(limited[0]);
      return {
        state: 'problem',
        severity: 'warn',
        found: say(
          `${limited.length} of ${parallelRequests} ${en}`,
          `${parallelRequests} 个中有 ${limited.length} 个${zh}`,
        ),
      };
    }
    const ids = new Set(good.map(({ json }) => answerIn(json).id));
    const whole = ({ json }: Reply): boolean => isText(answerIn(json).choices?.[0]?.finish_reason);
    return all([
      [ids.size === good.length, say('two answers have the same id', '有两个回答的 id 相同')],
      [good.every(whole), say('an answer has no finish_reason', '有回答缺少 finish_reason')],
    ]);
  },
};

/** The gauge of vLLM (and of our own engine), and SGLang's under both its spellings; undefined when neither is there. */
export function runningIn(exposition: string): number | undefined {
  const found = exposition.matchAll(
    /^(?:vllm:num_requests_running|sglang[:_]num_running_reqs)(?:\{[^}]*\})?\s+(\S+)/gm,
  );
  const values = [...found].map((hit) => Number(hit[1]));
  return values.length > 0 ? values.reduce((a, b) => a + b) : undefined;
}

async function running({ world, target }: Api): Promise<number | undefined> {
  if (target.engineMetricsUrl === undefined) return undefined;
  try {
    const reply = await world.http.request({ url: target.engineMetricsUrl, timeoutMs: 2000, signal: world.stop });
    return runningIn(await reply.text());
  } catch (error) {
    if (world.stop.aborted) throw error;
    return undefined;
  }
}

const pollMs = 25;
const patienceMs = 3000;
/** What comes after the first is for engines whose context does not hold it. */
const longAnswers = [3072, 900, 256];
const eventsBefore = 12;

/** A long answer, hung up on after a few events. */
async function cutShort(api: Api): Promise<{ streamed: Streamed; tokens: number }> {
  for (const tokens of longAnswers) {
    const streamed = await api.stream({ max_tokens: tokens }, (count) => count >= eventsBefore);
    if (!isRefusal(streamed) || tokens === longAnswers.at(-1)) return { streamed, tokens };
  }
  throw new Error('unreachable: the last of the list returns');
}

/**
 * How long to wait for the engine, in ms: half of what it would take to write the rest, so that an engine that goes
 * on is not taken for one that stopped. @param times when the first events came
 */
export function patience(times: readonly number[], tokens: number): number {
  if (times.length < 2) return 0;
  const perToken = (times.at(-1)! - times[0]!) / (times.length - 1);
  return Math.min(patienceMs, (perToken * (tokens - times.length)) / 2);
}
/** Less is no time for anybody. */
const leastMs = 100;

async function freedWithin(api: Api, ms: number): Promise<boolean> {
  const { clock, stop } = api.world;
  const until = clock.monotonic() + ms;
  for (;;) {
    if ((await running(api)) === 0) return true;
    if (clock.monotonic() >= until) return false;
    await clock.sleep(pollMs, stop);
  }
}

const cancel: Check<Api> = {
  id: 'load.cancel',
  title: say('Who hangs up frees the engine', '客户端断开后引擎立即释放'),
  severity: 'fail',
  async run(api) {
    const before = await running(api);
    if (before === undefined) return skipped("the engine's metrics are out of reach", '无法访问引擎指标');
    if (before > 0) return skipped('the engine is busy with other requests', '引擎正在处理其他请求');
    const { streamed, tokens } = await cutShort(api);
    if (streamed.status !== 200) return refused(streamed);
    const ms = streamed.whole
      ? 0
      : patience(
          streamed.events.map(({ at }) => at),
          tokens,
        );
    if (ms < leastMs) return skipped('the answer was over too soon to tell', '回答结束得太快，无法判断');
    if (await freedWithin(api, ms)) return ok();
    const seconds = (ms / 1000).toFixed(1);
    return {
      state: 'problem',
      found: say(
        `${seconds} s after the client hung up, the engine still works on its answer`,
        `客户端断开 ${seconds} 秒后，引擎仍在生成`,
      ),
    };
  },
};

export const loadChecks: readonly Check<Api>[] = [parallel, cancel];
