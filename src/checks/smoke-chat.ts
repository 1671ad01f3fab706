import { say } from '../say.js';
import { type Api, parsed } from './api.js';
import { all, type Check, ok, skipped } from './check.js';
import { type Answer, addsUp, answerIn, isRefusal, isText, refused, usageWords } from './shape.js';

const choiceOf = (answer: Answer) => answer.choices?.[0];

const plain: Check<Api> = {
  id: 'chat.plain',
  title: say('A chat completion is whole', '普通对话返回完整'),
  severity: 'fail',
  async run(api) {
    const reply = await api.chat({});
    if (reply.status !== 200) return refused(reply);
    const answer = answerIn(reply.json);
    const choice = choiceOf(answer);
    const content = choice?.message?.content;
    const tokens = answer.usage?.completion_tokens;
    return all([
      [isText(answer.id), say('no id', '缺少 id')],
      [answer.object === 'chat.completion', say(`object is ${answer.object}`, `object 为 ${answer.object}`)],
      [isText(answer.model), say('no model', '缺少 model')],
      [choice?.message?.role === 'assistant', say('the role is not assistant', 'role 不是 assistant')],
      // Null or empty while a thinking model thinks: its right.
      [typeof content === 'string' || content === null, say('content is no text', 'content 不是文本')],
      [isText(choice?.finish_reason), say('no finish_reason', '缺少 finish_reason')],
      [
        addsUp(answer.usage),
        say(`usage does not add up: ${usageWords(answer.usage)}`, `usage 不符：${usageWords(answer.usage)}`),
      ],
      [!(Number(tokens) > 16), say(`16 tokens were asked for, ${tokens} came`, `请求 16 个 token，返回 ${tokens} 个`)],
    ]);
  },
};

const maxTokens: Check<Api> = {
  id: 'chat.max_tokens',
  title: say('max_tokens ends an answer, and says "length"', 'max_tokens 生效并返回 "length"'),
  severity: 'fail',
  async run(api) {
    const limit = 3;
    const reply = await api.chat({ max_tokens: limit });
    if (reply.status !== 200) return refused(reply);
    const answer = answerIn(reply.json);
    const finish = choiceOf(answer)?.finish_reason;
    const tokens = Number(answer.usage?.completion_tokens);
    if (tokens > limit) {
      return {
        state: 'problem',
        found: say(`${limit} tokens were asked for, ${tokens} came`, `请求 ${limit} 个 token，返回 ${tokens} 个`),
      };
    }
    if (finish === 'length') return ok();
    if (tokens < limit) return ok(say('the model stopped before', '模型提前结束'));
    return {
      state: 'problem',
      severity: 'warn',
      found: say(`finish_reason is ${finish}`, `finish_reason 为 ${finish}`),
    };
  },
};

/** A word of an answer that is likely to come again. */
export function stopIn(content: string): string | undefined {
  const words = content.match(/[\p{L}\p{N}]{1,3}/gu);
  return words?.[Math.floor(words.length / 2)];
}

const stop: Check<Api> = {
  id: 'chat.stop',
  title: say('A stop sequence ends an answer, and is not in it', 'stop 序列生效且不出现在回答中'),
  severity: 'fail',
  async run(api) {
    const fixed = { max_tokens: 24, seed: 7 };
    const first = await api.chat(fixed);
    if (first.status !== 200) return refused(first);
    const content = choiceOf(answerIn(first.json))?.message?.content;
    const word = isText(content) ? stopIn(content) : undefined;
    if (word === undefined) return skipped('the model gave no word to stop at', '模型没有输出可用作停止的词');
    const reply = await api.chat({ ...fixed, stop: [word] });
    if (isRefusal(reply)) return skipped('the server refuses it', '服务端拒绝该参数');
    if (reply.status !== 200) return refused(reply);
    const second = choiceOf(answerIn(reply.json))?.message?.content;
    const there = typeof second === 'string' && second.includes(word);
    return there
      ? {
          state: 'problem',
          found: say(`"${word}" was asked to stop at, and is there`, `要求在 “${word}” 处停止，但它出现了`),
        }
      : ok();
  },
};

const json: Check<Api> = {
  id: 'chat.json',
  title: say('JSON mode gives JSON', 'JSON 模式返回 JSON'),
  severity: 'fail',
  async run(api) {
    const messages = [{ role: 'user', content: 'Answer with a JSON object that has one key, "ok".' }];
    const reply = await api.chat({ messages, max_tokens: 96, response_format: { type: 'json_object' } });
    if (isRefusal(reply)) return skipped('the server refuses it', '服务端拒绝该参数');
    if (reply.status !== 200) return refused(reply);
    const choice = choiceOf(answerIn(reply.json));
    const content = choice?.message?.content;
    if (!isText(content)) return skipped('the model wrote no content', '模型没有输出内容');
    const begins = content.trimStart().startsWith('{');
    if (choice?.finish_reason === 'length') {
      return begins
        ? ok(say('cut by max_tokens; it begins as JSON', '被 max_tokens 截断，开头是 JSON'))
        : { state: 'problem', found: notJson(content) };
    }
    const value = parsed(content);
    return typeof value === 'object' && value !== null ? ok() : { state: 'problem', found: notJson(content) };
  },
};

const notJson = (content: string) =>
  say(`the content is no JSON: ${content.slice(0, 40)}`, `内容不是 JSON:${content.slice(0, 40)}`);

export const chatChecks: readonly Check<Api>[] = [plain, maxTokens, stop, json];
