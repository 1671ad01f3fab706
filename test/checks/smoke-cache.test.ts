import { expect, it } from 'vitest';
import { Api } from '../../src/checks/api.js';
import { chosen } from '../../src/checks/smoke.js';
import { cacheChecks } from '../../src/checks/smoke-cache.js';
import type { HttpRequest } from '../../src/world.js';
import { fakeWorld } from '../world/fake.js';

/** @param answers status, x-cache and body of each, in turn */
async function verdict(...answers: readonly (readonly [number, string | undefined, string])[]) {
  const asked: HttpRequest[] = [];
  const world = fakeWorld({
    http: {
      request: async (request) => {
        const [status, word, text] = answers[asked.push(request) - 1]!;
        const headers: Record<string, string> = word === undefined ? {} : { 'x-cache': word };
        return { status, headers, body: (async function* () {})(), text: async () => text };
      },
      stream: () => {
        throw new Error('nobody streams here');
      },
    },
  });
  const found = await cacheChecks[0]!.run(new Api(world, { baseUrl: 'http://h/v1', model: 'm', key: 'k' }));
  return { ...found, asked };
}

it('asks the same twice, at temperature 0, and wants a miss, then a hit', async () => {
  const { state, asked } = await verdict([200, 'miss', 'a'], [200, 'hit', 'a']);
  expect(state).toBe('ok');
  expect(asked[0]!.body).toBe(asked[1]!.body);
  expect(asked[0]!.headers).toMatchObject({ 'x-cache': 'on', authorization: 'Bearer k' });
  expect(JSON.parse(asked[0]!.body as string)).toMatchObject({ temperature: 0 });
});

it.each([
  [
    [
      [200, 'miss', 'a'],
      [200, 'miss', 'a'],
    ] as const,
    /says miss the second time/,
  ],
  [
    [
      [200, 'hit', 'a'],
      [200, 'hit', 'a'],
    ] as const,
    /says hit to what was never asked/,
  ],
  [
    [
      [200, 'miss', 'a'],
      [200, 'hit', 'b'],
    ] as const,
    /the answer is another/,
  ],
  [[[500, undefined, 'x']] as const, /answered 500/],
])('%j is a problem', async (answers, expected) => {
  expect(await verdict(...answers)).toMatchObject({
    state: 'problem',
    found: { en: expect.stringMatching(expected) },
  });
});

it('has nothing to look at where there is no cache', async () => {
  expect(await verdict([200, undefined, 'a'])).toMatchObject({ state: 'skipped' });
});

it('is run where it is asked for, or where the cache is on', () => {
  expect(chosen([]).map(({ id }) => id)).not.toContain('cache.hit');
  expect(chosen(['cache']).map(({ id }) => id)).toEqual(['cache.hit']);
});
