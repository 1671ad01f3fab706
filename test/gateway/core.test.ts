import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildName } from './builds.js';
import { startEngine, stream, type TestEngine } from './engine.js';
import { apiKey, type Gateway, startGateway, testSettings } from './harness.js';

describe.each<BuildName>(['debian', 'current'])('the gateway on %s nginx', (nginx) => {
  let engine: TestEngine;
  let gateway: Gateway;
  beforeAll(async () => {
    engine = await startEngine();
    gateway = await startGateway(testSettings([engine.peer]), { nginx });
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await engine?.stop();
  });

  it('passes a chat request on and its answer back, with one audit line', async () => {
    const response = await gateway.post({ model: 'm', messages: [] }, { headers: { 'x-request-id': 'chat-1' } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'hello' } }] });
    expect(response.headers.get('x-request-id')).toBe('chat-1');
    expect(await gateway.auditOf('chat-1')).toMatchObject({
      key: 'key_000000000001',
      tenant: 'tests',
      route: 'chat',
      model: 'm',
      version: 'blue',
      peer: `127.0.0.1:${engine.peer.port}`,
      attempts: 1,
      status: 200,
      outcome: 'complete',
      prompt_tokens: 7,
      completion_tokens: 3,
    });
  });

  it('streams', async () => {
    engine.next(stream(3));
    const response = await gateway.post({ model: 'm', stream: true }, { headers: { 'x-request-id': 'stream-1' } });
    const text = await response.text();
    expect(text.match(/data: /g)).toHaveLength(5);
    expect(await gateway.auditOf('stream-1')).toMatchObject({
      outcome: 'complete',
      stream: true,
      completion_tokens: 3,
    });
  });
  void apiKey;
});
