/** One suite on both builds of nginx: a gateway with one test engine, fresh for each suite. */
import { afterAll, beforeAll, beforeEach, describe } from 'vitest';
import type { NginxOptions } from '../../src/gateway/nginx.js';
import type { Peer, Settings } from '../../src/gateway/settings.js';
import type { BuildName } from './builds.js';
import { answer, startEngine, type TestEngine } from './engine.js';
import { type Gateway, type StartOptions, startGateway, testSettings } from './harness.js';

export interface Both {
  readonly nginx: BuildName;
  readonly engines: readonly TestEngine[];
  readonly engine: TestEngine;
  readonly gateway: Gateway;
}

export interface BothOptions extends Partial<Omit<NginxOptions, 'build'>>, Pick<StartOptions, 'lua'> {
  readonly engines?: number;
  readonly settings?: (peers: readonly Peer[]) => Settings;
}

/** Declares the tests once for each build; `it` starts with engines that answer well and have seen nothing. */
export function onBoth(title: string, options: BothOptions, tests: (both: Both) => void): void {
  describe.each<BuildName>(['debian', 'current'])(`${title} (%s nginx)`, (nginx) => {
    const { engines: count = 1, settings = testSettings, ...more } = options;
    type State = { nginx: BuildName; engines: TestEngine[]; engine: TestEngine; gateway: Gateway };
    const state = { nginx, engines: [] as TestEngine[] } as State;
    beforeAll(async () => {
      for (let i = 0; i < count; i += 1) state.engines.push(await startEngine());
      state.engine = state.engines[0]!;
      state.gateway = await startGateway(settings(state.engines.map(({ peer }) => peer)), { nginx, ...more });
    }, 120_000);
    afterAll(async () => {
      await state.gateway?.stop();
      for (const engine of state.engines) await engine.stop();
    });
    beforeEach(() => {
      for (const engine of state.engines) {
        engine.usual(answer);
        engine.forget();
      }
    });
    tests(state);
  });
}
