import { describe, expect, it } from 'vitest';
import { merge } from '../../src/config/load.js';
import { idOfFile } from '../../src/models/name.js';
import { type Chosen, decide } from '../../src/targets/decide.js';
import type { Deployment } from '../../src/targets/deployment.js';
import { fakeWorld } from '../world/fake.js';

const demo: Chosen = { id: 'demo', file: '/m/demo.gguf', source: { kind: 'demo' } };
const wish = (port?: number) => ({
  config: merge(undefined, [{ path: 'gateway.port', value: port, flag: '--port' }]).config,
  portGiven: port !== undefined,
  modelGiven: false,
  remembered: { overrides: [] },
});
const before: Deployment = {
  version: 1,
  name: 'default',
  target: 'local',
  model: 'demo',
  endpoint: 'http://127.0.0.1:8085/v1',
  gateway: { host: '127.0.0.1', port: 8085, adminPort: 41_000 },
  engine: { host: '127.0.0.1', port: 41_001 },
  wish: { overrides: [] },
  createdAt: '2026-11-24T00:00:00.000Z',
};

describe('the port', () => {
  it.each([
    ['8080 when it is free', undefined, undefined, [], 8080],
    ['the next free one when nobody insists', undefined, undefined, [8080, 8081], 8082],
    ['the one that was asked for', 9000, undefined, [8080], 9000],
    ['the one of before, though our own gateway holds it', undefined, before, [8085], 8085],
    ['the one of before when the same is asked for', 8085, before, [8085], 8085],
    ['a new one that is asked for', 9000, before, [8085], 9000],
  ])('%s', async (_, port, stood, taken, expected) => {
    const world = fakeWorld({ takenPorts: new Set(taken) });
    expect((await decide(wish(port), demo, stood, world)).gateway.port).toBe(expected);
  });

  it('refuses a taken one that was asked for', async () => {
    const world = fakeWorld({ takenPorts: new Set([9000]) });
    await expect(decide(wish(9000), demo, undefined, world)).rejects.toMatchObject({
      id: 'port.taken',
      exit: 'unready',
    });
  });
});

it('has a port for gRPC while that is asked for, the same one each time', async () => {
  const asked = (protocol: string) => ({
    ...wish(),
    config: merge(undefined, [{ path: 'engine.protocol', value: protocol, flag: '--x' }]).config,
  });
  const { engine } = await decide(asked('grpc'), demo, before, fakeWorld());
  expect(engine).toEqual({ ...before.engine, grpcPort: expect.any(Number) });
  const again = await decide(asked('grpc'), demo, { ...before, engine }, fakeWorld());
  expect(again.engine).toEqual(engine);
  expect((await decide(asked('http'), demo, { ...before, engine }, fakeWorld())).engine).toEqual(before.engine);
});

it('keeps the inner ports of before, so that a second run changes nothing', async () => {
  const setup = await decide(wish(), demo, before, fakeWorld());
  expect(setup.engine).toEqual(before.engine);
  expect(setup.gateway.adminPort).toBe(before.gateway.adminPort);
});

it.each([
  ['/m/DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf', 'deepseek-r1-distill-qwen-1.5b-q4-k-m'],
  ['/m/模型.gguf', 'model'],
  ['/m/my model.GGUF', 'my-model'],
])('%s is served as %s', (path, id) => {
  expect(idOfFile(path)).toBe(id);
});
