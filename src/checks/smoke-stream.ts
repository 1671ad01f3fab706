import { saysSomething } from '../bench/answer.js';
import { say } from '../say.js';
import { type Api, parsed, type Streamed } from './api.js';
import { all, type Check, ok, skipped, type Verdict } from './check.js';
import { type Answer, addsUp, answerIn, isText, refused, usageWords } from './shape.js';

const isStream = ({ headers }: Streamed): boolean => /^text\/event-stream\b/.test(headers['content-type'] ?? '');

const notAStream = ({ headers }: Streamed): Verdict => ({
  state: 'problem',
  found: say(
    `the content type is ${headers['content-type'] ?? 'missing'}`,
    `content-type 为 ${headers['content-type'] ?? '空'}`,
  ),
});

/** The promises of one whole stream that asked for its usage. */
export function judgeStream(events: readonly string[]): Verdict {
  const last = events.at(-1);
  const chunks = (last === '[DONE]' ? events.slice(0, -1) : events).map((data) => answerIn(parsed(data)));
  const broken = chunks.find(({ error }) => error)?.error;
  const choices = chunks.flatMap((chunk) => chunk.choices ?? []);
  const ids = new Set(chunks.map(({ id }) => id));
  const finished = choices.filter(({ finish_reason }) => isText(finish_reason)).length;
  const usages = chunks.flatMap(({ usage }) => (usage ? [usage] : []));
  const isChunk = ({ object }: Answer): boolean => object === 'chat.completion.chunk';
  return all([
    [!broken, say(`an error event: ${JSON.stringify(broken)}`, `出现错误事件：${JSON.stringify(broken)}`)],
    [last === '[DONE]', say('[DONE] is not the last event', '最后一个事件不是 [DONE]')],
    [choices[0]?.delta?.role === 'assistant', say('the first delta has no role', '首个 delta 没有 role')],
    [ids.size === 1 && isText([...ids][0]), say(`there are ${ids.size} different ids`, `出现 ${ids.size} 个不同的 id`)],
    [chunks.every(isChunk), say('an event is no chat.completion.chunk', '有事件不是 chat.completion.chunk')],
    [finished === 1, say(`finish_reason came ${finished} times`, `finish_reason 出现 ${finished} 次`)],
    [usages.length > 0, say('no usage, although it was asked for', '请求了 usage 却没有返回')],
    [
      usages.length === 0 || addsUp(usages.at(-1)),
      say(`usage does not add up: ${usageWords(usages.at(-1))}`, `usage 不符：${usageWords(usages.at(-1))}`),
    ],
  ]);
}

const whole: Check<Api> = {
  id: 'stream.whole',
  title: say('A stream has one id, one end, its usage and [DONE]', '流式返回有唯一 id、唯一结束、usage 和 [DONE]'),
  severity: 'fail',
  async run(api) {
    const streamed = await api.stream({});
    if (streamed.status !== 200) return refused(streamed);
    if (!isStream(streamed)) return notAStream(streamed);
    return judgeStream(streamed.events.map(({ data }) => data));
  },
};

/** Events nearer than this came in one piece, in ms: no model writes 3,000 tokens/s in one answer. */
const onePieceMs = 0.3;
/** Fewer say nothing. */
const neededEvents = 8;

/** Longer between two pieces is what a reader sees as stutter, ms. */
const stutterMs = 100;

export interface Flow {
  /** When each token came, ms. */
  readonly times: readonly number[];
  /** From the question to the last of them, ms. */
  readonly lasted: number;
}

/** How many tokens came in one piece on average, and how far apart the pieces were. */
export function piecesOf({ times, lasted }: Flow): { tokens: number; apartMs: number } {
  let pieces = 1;
  for (let at = 1; at < times.length; at += 1) if (times[at]! - times[at - 1]! > onePieceMs) pieces += 1;
  const apartMs = pieces === 1 ? lasted : (times.at(-1)! - times[0]!) / (pieces - 1);
  return { tokens: times.length / pieces, apartMs };
}

/** Many at once, seldom: something collects them. Many at once, often, is a fast model. */
export function isBuffered(flow: Flow): boolean {
  const { tokens, apartMs } = piecesOf(flow);
  return tokens > neededEvents / 2 && apartMs > stutterMs;
}

const shortAnswer = 48;
/** For a second look at a model that writes the short one within a second. */
const longAnswer = 400;

async function flowOf(api: Api, tokens: number): Promise<Flow> {
  const begun = api.world.clock.monotonic();
  const { events } = await api.stream({ max_tokens: tokens });
  const times = events.flatMap(({ data, at }) => {
    const delta = answerIn(parsed(data)).choices?.[0]?.delta;
    return saysSomething(delta) ? [at] : [];
  });
  return { times, lasted: (times.at(-1) ?? begun) - begun };
}

const flows: Check<Api> = {
  id: 'stream.flows',
  title: say('Tokens come as they are made', 'token 逐个实时返回'),
  severity: 'fail',
  async run(api) {
    const first = await flowOf(api, shortAnswer);
    if (first.times.length < neededEvents) return skipped('the answer was too short to tell', '回答太短，无法判断');
    if (!isBuffered(first)) return ok();
    // Once more: a client that is busy reads several events at once.
    const second = await flowOf(api, first.lasted < 1000 ? longAnswer : shortAnswer);
    if (second.times.length < neededEvents || !isBuffered(second)) return ok();
    const { tokens, apartMs } = piecesOf(second);
    return {
      state: 'problem',
      found: say(
        `${tokens.toFixed(0)} tokens came at once on average, every ${apartMs.toFixed(0)} ms`,
        `平均每 ${apartMs.toFixed(0)} 毫秒才同时到达 ${tokens.toFixed(0)} 个 token`,
      ),
      hint: say(
        'Something between here and the engine buffers: in nginx, proxy_buffering off',
        '中间有组件在缓冲：在 nginx 中设置 proxy_buffering off',
      ),
    };
  },
};

export const streamChecks: readonly Check<Api>[] = [whole, flows];
