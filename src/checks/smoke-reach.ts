import { say } from '../say.js';
import type { Api } from './api.js';
import { all, type Check, ok, skipped } from './check.js';
import { answered, refused } from './shape.js';

const health: Check<Api> = {
  id: 'reach.health',
  title: say('/health says that it can answer', '/health 表明服务可用'),
  severity: 'fail',
  gate: true,
  async run(api) {
    const reply = await api.get('//health', { timeoutMs: 10_000 });
    if (reply.status === 200) return ok();
    // Not part of OpenAI's API; a cloud has none.
    if (reply.status < 500) return skipped(`there is none (${reply.status})`, `没有此接口（${reply.status}）`);
    return { state: 'problem', found: answered(reply) };
  },
};

interface Listed {
  readonly id?: unknown;
  readonly object?: unknown;
}

const models: Check<Api> = {
  id: 'reach.models',
  title: say('/models lists the model', '/models 列出所用模型'),
  severity: 'fail',
  gate: true,
  async run(api) {
    const reply = await api.get('/models', { timeoutMs: 10_000 });
    if (reply.status !== 200) return refused(reply);
    const { object, data } = (reply.json ?? {}) as { object?: unknown; data?: unknown };
    const list = Array.isArray(data) ? (data as Listed[]) : [];
    const ids = list.map(({ id }) => String(id));
    const { model } = api.target;
    return all([
      [object === 'list' && Array.isArray(data), say('the answer is no list', '返回的不是列表')],
      [list.every((one) => one.object === 'model'), say('an entry is no model', '有条目不是 model')],
      [
        ids.includes(model),
        say(`${model} is not among ${ids.join(', ') || 'none'}`, `${model} 不在列表中：${ids.join('、')}`),
      ],
    ]);
  },
};

export const reachChecks: readonly Check<Api>[] = [health, models];
