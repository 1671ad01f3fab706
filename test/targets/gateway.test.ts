import { expect, it } from 'vitest';
import { cacheCounts } from '../../src/targets/gateway.js';

it('hits are what the cache answered, however it came by it', () => {
  const line = (result: string, value: number, model = 'm'): string =>
    `gateway_cache_total{model="${model}",result="${result}"} ${value}\n`;
  const text = `# TYPE gateway_cache_total counter\n${line('local', 3)}${line('redis', 4)}${line('flight', 1)}${line('stale', 2)}${line('miss', 7)}${line('refresh', 1)}${line('bypass', 99)}${line('local', 10, 'n')}gateway_cache_answers_total{result="kept"} 5\n`;
  expect(cacheCounts(text)).toEqual({ hits: 20, misses: 8 });
  expect(cacheCounts('')).toEqual({ hits: 0, misses: 0 });
});
