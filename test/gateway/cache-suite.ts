/** One suite on both builds of nginx: a gateway with a cache before a real Redis, and an engine that never repeats itself. */
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest';
import type { Settings } from '../../src/gateway/settings.js';
import type { BuildName } from './builds.js';
import { cacheRedis, cacheSettings, fresh } from './cache-engine.js';
import { startEngine, type TestEngine } from './engine.js';
import { type Gateway, startGateway } from './harness.js';
import type { RedisServer } from './redis-servers.js';

export interface Cached {
  readonly nginx: BuildName;
  readonly redis: RedisServer;
  readonly engine: TestEngine;
  readonly gateway: Gateway;
  readonly settings: Settings;
  /** A question nobody asked before. */
  question(): { messages: { role: string; content: string }[] };
  change(more: Partial<Settings>): Promise<void>;
  /** With another gateway, whose own memory has nothing. */
  elsewhere<T>(use: (other: Gateway) => Promise<T>): Promise<T>;
}

export function onCache(title: string, tests: (cached: Cached) => void): void {
  describe.each<BuildName>(['debian', 'current'])(`${title} (%s nginx)`, (nginx) => {
    let asked = 0;
    const state = {
      nginx,
      question() {
        asked += 1;
        return { messages: [{ role: 'user', content: `question ${nginx} ${asked}` }] };
      },
      async change(more: Partial<Settings>) {
        state.settings = { ...state.settings, ...more, revision: state.settings.revision + 1 };
        expect((await state.gateway.put(state.settings)).status).toBe(200);
      },
      async elsewhere<T>(use: (other: Gateway) => Promise<T>): Promise<T> {
        const other = await startGateway(state.settings, { nginx });
        try {
          return await use(other);
        } finally {
          await other.stop();
        }
      },
    } as { -readonly [K in keyof Cached]: Cached[K] };
    beforeAll(async () => {
      [state.redis, state.engine] = await Promise.all([cacheRedis(), startEngine()]);
      state.settings = cacheSettings([state.engine.peer], state.redis, { replay: { everyMs: 0 } });
      state.gateway = await startGateway(state.settings, { nginx });
    }, 120_000);
    afterAll(async () => {
      await state.gateway?.stop();
      await state.engine?.stop();
      await state.redis?.stop();
    });
    beforeEach(() => {
      state.engine.usual(fresh());
      state.engine.forget();
    });
    tests(state);
  });
}
