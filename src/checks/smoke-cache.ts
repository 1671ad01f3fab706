import { say } from '../say.js';
import type { Api, Reply } from './api.js';
import { all, type Check, skipped } from './check.js';
import { refused } from './shape.js';

const verdictOf = ({ headers }: Reply): string | undefined => headers['x-cache'];

/** Nobody has asked for this before. */
const unheard = (api: Api): string => `Say this again: ${Buffer.from(api.world.random(12)).toString('hex')}`;

const hit: Check<Api> = {
  id: 'cache.hit',
  title: say('An equal request is answered from the cache', '相同请求由缓存应答'),
  severity: 'fail',
  async run(api) {
    const messages = [{ role: 'user', content: unheard(api) }];
    const ask = (): Promise<Reply> => api.chat({ messages, temperature: 0 }, { headers: { 'x-cache': 'on' } });
    const first = await ask();
    if (first.status !== 200) return refused(first);
    const word = verdictOf(first);
    if (word === undefined) return skipped('there is no cache', '没有缓存');
    const second = await ask();
    if (second.status !== 200) return refused(second);
    const again = verdictOf(second);
    return all([
      [
        word === 'miss',
        say(`x-cache says ${word} to what was never asked before`, `从未问过的请求，x-cache 却为 ${word}`),
      ],
      [again === 'hit', say(`x-cache says ${again} the second time`, `第二次请求的 x-cache 为 ${again}`)],
      [first.text === second.text, say('the answer is another', '两次回答不同')],
    ]);
  },
};

export const cacheChecks: readonly Check<Api>[] = [hit];
