/** The cache beside the limits: an answer from it costs a request and no tokens, and what limits ask for serves it too. */
import { expect, it } from 'vitest';
import { limitOptions } from '../../src/gateway/limits.js';
import { ask } from './cache-engine.js';
import { onCache } from './cache-suite.js';
import { apiKey } from './harness.js';

onCache('the cache and limits', (cached) => {
  const left = async () => {
    const response = await cached.gateway.post(
      { model: 'm', temperature: 0, max_tokens: 10, ...first },
      { headers: { authorization: `Bearer ${apiKey}` } },
    );
    await response.text();
    expect(response.headers.get('x-cache')).toBe('hit');
    return ['requests', 'tokens'].map((of) => Number(response.headers.get(`x-ratelimit-remaining-${of}`)));
  };
  const first = { messages: [{ role: 'user', content: 'first' }] };

  it('a hit costs a request and no tokens', async () => {
    await cached.change({ limits: limitOptions({ key: { requestsPerMinute: 1000, tokensPerDay: 10_000 } }) });
    await ask(cached.gateway, { max_tokens: 10, ...first });
    const [requests, tokens] = await left();
    expect(tokens).toBeGreaterThan(1000);
    for (let i = 0; i < 5; i += 1) await left();
    const [after, same] = await left();
    expect(requests! - after!).toBeGreaterThanOrEqual(5);
    expect(same).toBe(tokens);
  });

  it('a stream whose usage only the limits asked for can answer who wants JSON', async () => {
    await cached.change({ limits: limitOptions({ key: { tokensPerDay: 10_000 } }) });
    const one = cached.question();
    const streamed = await ask(cached.gateway, { ...one, stream: true });
    expect(streamed).toMatchObject({ cache: 'miss', usage: undefined });
    const plain = await ask(cached.gateway, one);
    expect(plain).toMatchObject({ cache: 'hit', text: streamed.text });
    expect(plain.usage).toBeDefined();
    expect(await ask(cached.gateway, { ...one, stream: true })).toMatchObject({ cache: 'hit', usage: undefined });
  });
});
