import { nameOf } from '../models/name.js';
import { say } from '../say.js';
import type { Finding, Rule } from './rule.js';
import { boolean, list, map, object, string } from './schema.js';

const id = {
  regexp: '^[A-Za-z0-9][A-Za-z0-9._:/-]*$',
  means: say('the id of a model', '模型 id'),
};

export const degrade = object(
  {
    otherVersion: boolean({
      says: say(
        'Another version of the model answers while the breaker of one is open, and where all of its engines fail fast.',
        '某个版本熔断，或其引擎全部快速失败时，由该模型的其他版本应答。',
      ),
      initial: true,
    }),
    smallerModels: map(
      list(string({ says: say('A model', '模型'), pattern: id, max: 200, example: 'small' }), {
        says: say('Smaller models, in the order in which they are tried', '更小的模型，按尝试顺序'),
        min: 1,
        max: 10,
      }),
      {
        says: say(
          'After that, models that are served here too and may answer in a model’s place, by its id.',
          '其次：同样部署于此、可代替某模型应答的模型，以被代替的模型 id 为键。',
        ),
        keys: id,
        initial: {},
      },
    ),
    cachedAnswer: boolean({
      says: say(
        'After that, an answer of before that is past its time (gateway.cache.stale). In the end a clean 503 with Retry-After.',
        '再次：已过期的缓存回答（gateway.cache.stale）。最后：带 Retry-After 的 503。',
      ),
      initial: true,
    }),
  },
  { says: say('What is done while engines fail, in this order.', '引擎失败时的降级，按此顺序。') },
);

const path = 'gateway.degrade.smallerModels';

const smallerModelsAreServed: Rule = ({ model, gateway }) => {
  const served = [nameOf(model)];
  const named = Object.entries(gateway.degrade.smallerModels).flat(2);
  const unknown = named.find((name) => !served.includes(name));
  if (unknown === undefined) return [];
  const text = say(
    `no model ${unknown} is served here; served: ${served.join(', ')}`,
    `此处未部署模型 ${unknown}；已部署：${served.join('、')}`,
  );
  return [{ path, text }];
};

const smallerModelsNeedTheBreaker: Rule = ({ gateway: { degrade: its, breaker } }): Finding[] =>
  breaker.enabled || Object.keys(its.smallerModels).length === 0
    ? []
    : [{ path, text: say('needs gateway.breaker.enabled: true', '需要 gateway.breaker.enabled: true') }];

export const degradeRules: readonly Rule[] = [smallerModelsAreServed, smallerModelsNeedTheBreaker];
