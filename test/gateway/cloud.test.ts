/** A cloud's API as the last resort: over HTTPS with a name and a CA of the tests' own. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { getMetrics, getState, stateOf } from '../../src/gateway/admin.js';
import { breakerOptions } from '../../src/gateway/breaker.js';
import { cacheOptions } from '../../src/gateway/cache.js';
import { cloudOptions } from '../../src/gateway/cloud.js';
import { dnsOptions } from '../../src/gateway/dns.js';
import type { Settings } from '../../src/gateway/settings.js';
import { caFile, ownFiles } from '../../src/gateway/tls.js';
import { systemHttp } from '../../src/hosts/http.js';
import type { BuildName } from './builds.js';
import { type DnsServer, startDns } from './dns-server.js';
import {
  answer,
  type Behaviour,
  dies,
  reset,
  type Seen,
  sleep,
  startEngine,
  status,
  stream,
  type TestEngine,
} from './engine.js';
import { hangsUp, startGrpcEngine } from './grpc-engine.js';
import { apiKey, type Gateway, secrets, startGateway, testKey, testSettings, until } from './harness.js';
import { type TlsHome, tlsHome } from './tls-home.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const cloudKey = secrets.cloudKey!;

it('a base URL as OpenAI’s clients take it, https alone', () => {
  const models = { m: 'deepseek-chat' };
  expect(cloudOptions('https://api.deepseek.com/v1/', models)).toEqual({
    host: 'api.deepseek.com',
    port: 443,
    path: '/v1/chat/completions',
    models,
  });
  expect(cloudOptions('https://[::1]:8443', models)).toMatchObject({
    host: '[::1]',
    port: 8443,
    path: '/chat/completions',
  });
  for (const bad of ['http://a.test', 'a.test', 'https://u:p@a.test', 'https://a.test/?x', 'https://a.test/#x', '']) {
    expect(cloudOptions(bad, models), bad).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.webUrl({ validSchemes: ['https'] }), (url) => {
      const options = cloudOptions(url, models);
      expect(options === undefined || options.path.endsWith('/chat/completions')).toBe(true);
    }),
  );
});

interface Cloud {
  readonly port: number;
  readonly seen: (Seen & { readonly rawHeaders: readonly string[] })[];
  /** The names that clients asked for by SNI. */
  readonly names: string[];
  usual(behaviour: Behaviour): void;
  server: Server;
}

async function startCloud(home: TlsHome): Promise<Cloud> {
  const files = ownFiles(home.home);
  let behaviour: Behaviour = answer;
  const seen: Cloud['seen'] = [];
  const names: string[] = [];
  const options = { cert: await readFile(files.certificate), key: await readFile(files.key) };
  const server = createServer(options, async (message, response) => {
    let body = '';
    for await (const part of message) body += part;
    const one = { method: message.method!, url: message.url!, headers: message.headers, body, at: performance.now() };
    seen.push({ ...one, rawHeaders: message.rawHeaders });
    response.setHeader('set-cookie', 'a=b');
    response.setHeader('strict-transport-security', 'max-age=1');
    response.setHeader('x-request-id', 'of-the-cloud');
    await behaviour(one, response, message.socket);
  });
  server.on('secureConnection', (socket) => names.push(String(socket.servername)));
  server.on('tlsClientError', () => {});
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    names,
    server,
    usual: (next) => {
      behaviour = next;
    },
  };
}

describe.each<BuildName>(['debian', 'current'])('the cloud (%s nginx)', (nginx) => {
  let home: TlsHome;
  let dns: DnsServer;
  let cloud: Cloud;
  let engine: TestEngine;
  let gateway: Gateway;
  let revision = 1;
  let count = 0;

  const settings = (more: Partial<Settings> = {}): Settings =>
    testSettings([engine.peer], {
      breaker: breakerOptions({ minimum: 1000 }),
      dns: dnsOptions({ servers: [{ host: '127.0.0.1', port: dns.port }], leastS: 0.3, longestS: 1 }),
      degrade: { order: ['version', 'cloud'], models: {} },
      cloud: cloudOptions(`https://cloud.test:${cloud.port}/v1`, { m: 'big "chat"' })!,
      models: [
        { id: 'm', aliases: ['alias'], versions: [{ name: 'blue', weight: 1, peers: [engine.peer] }] },
        { id: 'stays', versions: [{ name: 'blue', weight: 1, peers: [engine.peer] }] },
      ],
      ...more,
    });
  const use = async (more: Partial<Settings> = {}) => {
    revision += 1;
    const put = await gateway.put({ ...settings(more), revision });
    expect(put.status, await put.text()).toBe(200);
  };
  const ask = async (body: object = hello, path?: string) => {
    count += 1;
    const headers = { 'x-request-id': `cloud-${count}`, cookie: 'mine=1', 'x-tenant': 'me', traceparent: '00-1-2-01' };
    const response = await gateway.post(body, { headers, ...(path ? { path } : {}) });
    const text = await response.text().catch(() => 'broken');
    return {
      response,
      status: response.status,
      by: response.headers.get('x-degraded'),
      text,
      line: await gateway.auditOf(`cloud-${count}`),
    };
  };
  const state = async () => stateOf(await systemHttp.request(getState(gateway.admin)));

  beforeAll(async () => {
    home = await tlsHome();
    await home.issue(['cloud.test']);
    dns = await startDns();
    dns.set('cloud.test', { a: ['127.0.0.1'] });
    cloud = await startCloud(home);
    engine = await startEngine();
    gateway = await startGateway(settings(), { nginx, cloudCa: caFile(home.home) });
    await until('the name is known', async () => (await state()).names[0]?.addresses.length || undefined);
    await sleep(450);
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await engine?.stop();
    cloud?.server.closeAllConnections();
    cloud?.server.close();
    await dns?.stop();
    await home?.remove();
  });
  beforeEach(() => {
    engine.usual(answer);
    engine.forget();
    cloud.usual(answer);
    cloud.seen.length = 0;
  });

  it('is not asked while an engine answers', async () => {
    expect(await ask()).toMatchObject({ status: 200, by: null });
    expect(cloud.seen).toHaveLength(0);
  });

  it.each([
    ['502', status(502)],
    ['503', status(503)],
    ['a reset', reset],
  ])(
    'answers when the engine gives %s, with a key and a name of its own; its answer says so',
    async (what, behaviour) => {
      engine.usual(behaviour);
      // A 503 of an engine is its answer; only what nobody answers goes on.
      const passed = what === '503';
      const one = await ask({ ...hello, thinking: { type: 'disabled' }, temperature: 0.5 });
      if (passed) {
        expect(one).toMatchObject({ status: 503, by: null });
        return;
      }
      expect(one).toMatchObject({ status: 200, by: 'cloud' });
      expect(one.text).toContain('hello');
      expect(one.line).toMatchObject({
        version: 'cloud',
        degraded: 'cloud',
        status: 200,
        outcome: 'complete',
        model: 'm',
      });
      expect(one.line).toMatchObject({ peer: `127.0.0.1:${cloud.port}`, completion_tokens: 3, tenant: 'tests' });
      expect(one.line.attempts).toBeGreaterThanOrEqual(2);
      expect(cloud.seen).toHaveLength(1);
      const [asked] = cloud.seen;
      expect(asked).toMatchObject({ method: 'POST', url: '/v1/chat/completions' });
      // What the caller wrote, not what was made of it for engines.
      expect(JSON.parse(asked!.body)).toEqual({
        ...hello,
        thinking: { type: 'disabled' },
        temperature: 0.5,
        model: 'big "chat"',
      });
      expect(cloud.names.at(-1)).toBe('cloud.test');
    },
  );

  it('sees nothing of the caller but the body', async () => {
    engine.usual(reset);
    const one = await ask();
    const names = cloud.seen[0]!.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    expect(names.sort()).toEqual(['authorization', 'connection', 'content-length', 'content-type', 'host']);
    expect(cloud.seen[0]!.headers).toMatchObject({
      authorization: `Bearer ${cloudKey}`,
      host: `cloud.test:${cloud.port}`,
    });
    expect(JSON.stringify(cloud.seen)).not.toContain(apiKey);
    const { headers } = one.response;
    for (const name of ['set-cookie', 'strict-transport-security']) expect(headers.get(name)).toBeNull();
    expect(headers.get('x-request-id')).toBe(`cloud-${count}`);
  });

  it('streams, and a stream that breaks off there ends with an error event', async () => {
    engine.usual(reset);
    cloud.usual(stream(5));
    const one = await ask({ ...hello, stream: true });
    expect(one).toMatchObject({ status: 200, by: 'cloud', line: { outcome: 'complete', stream: true } });
    expect(one.text.match(/"content"/g)).toHaveLength(5);
    expect(one.text).toContain('data: [DONE]');
    cloud.usual(dies(2));
    const cut = await ask({ ...hello, stream: true });
    expect(cut.text).toContain('stream_broken');
    expect(cut.line).toMatchObject({ outcome: 'cut', version: 'cloud' });
  });

  it('is asked at once, engines left alone, while their breaker is open; tokens are counted for the limits all the same', async () => {
    await use({
      breaker: breakerOptions({ minimum: 4, openS: 1, longestS: 1 }),
      limits: { key: { tokensPerMinute: 1e6 }, instances: 1, reserveTokens: 100 },
    });
    engine.usual(reset);
    for (let i = 0; i < 6; i += 1) expect(await ask()).toMatchObject({ status: 200, by: 'cloud' });
    engine.forget();
    cloud.usual(stream(3));
    const one = await ask({ ...hello, stream: true });
    expect(one).toMatchObject({
      status: 200,
      by: 'cloud',
      line: { attempts: 1, prompt_tokens: 7, completion_tokens: 3 },
    });
    expect(engine.seen).toHaveLength(0);
    expect(JSON.parse(cloud.seen.at(-1)!.body)).toMatchObject({ stream_options: { include_usage: true } });
    // The caller did not ask for the event that tells the usage.
    expect(one.text).not.toContain('usage');
    const [version] = (await state()).models[0]!.versions;
    expect(version!.breaker!.state).not.toBe('closed');
    engine.usual(answer);
    await until('the engine is back', async () => (await ask()).by === null || undefined);
    await use();
  });

  it.each<[string, Behaviour, number]>([
    ['a wrong key', status(401, `{"error":"key ${cloudKey} is wrong"}`), 503],
    ['no money', status(402), 503],
    ['too many requests', status(429), 503],
    ['a failure', status(500), 503],
    ['another page', status(302), 503],
    ['nothing', (_, response) => void response.destroy(), 503],
    ['a fault of the caller', status(400, '{"error":{"message":"bad field"}}'), 400],
  ])('what it says of %s', async (_, behaviour, wanted) => {
    engine.usual(reset);
    cloud.usual(behaviour);
    const one = await ask();
    expect(one).toMatchObject({ status: wanted, by: 'cloud', line: { status: wanted, version: 'cloud' } });
    if (wanted === 400) expect(one.text).toContain('bad field');
    else expect(JSON.parse(one.text)).toMatchObject({ error: { code: 'cloud_unavailable' } });
    expect(one.text).not.toContain(cloudKey);
    expect(one.response.headers.get('www-authenticate')).toBeNull();
  });

  it('only where it is allowed: chats, models with a name there, and the order that says so', async () => {
    engine.usual(reset);
    expect(await ask({ ...hello, model: 'stays' })).toMatchObject({ status: 502, by: null });
    expect(await ask({ model: 'm', prompt: 'x' }, '/v1/completions')).toMatchObject({ status: 502, by: null });
    expect(await ask({ ...hello, model: 'alias' })).toMatchObject({ status: 200, by: 'cloud' });
    cloud.seen.length = 0;
    await use({ degrade: { order: ['version'], models: {} } });
    expect(await ask()).toMatchObject({ status: 502, by: null });
    await use({ keys: [testKey({ models: ['stays'] })] });
    expect(await ask()).toMatchObject({ status: 404, by: null });
    expect(cloud.seen).toHaveLength(0);
    await use();
  });

  it('answers for a model without any engine', async () => {
    await use({ models: [{ id: 'm', versions: [{ name: 'blue', weight: 1, peers: [] }] }] });
    expect(await ask()).toMatchObject({ status: 200, by: 'cloud', line: { attempts: 1 } });
    await use();
  });

  it('comes after a smaller model’s other engine and after cached answers; what it says is not kept', async () => {
    await use({ cache: cacheOptions({ localBytes: 65_536, localS: 60 }) });
    const body = { ...hello, temperature: 0, seed: 5 };
    expect(await ask(body)).toMatchObject({ status: 200, by: null, line: { cache: 'miss' } });
    engine.usual(reset);
    expect(await ask(body)).toMatchObject({ status: 200, by: null, line: { cache: 'hit' } });
    const other = { ...body, seed: 6 };
    for (let i = 0; i < 2; i += 1) expect(await ask(other)).toMatchObject({ by: 'cloud', line: { cache: 'miss' } });
    expect(cloud.seen).toHaveLength(2);
    await use();
  });

  it('answers for engines over gRPC too, and when it fails none of them is asked again', async () => {
    const grpc = await startGrpcEngine();
    await use({
      models: [{ id: 'm', versions: [{ name: 'blue', weight: 1, protocol: 'grpc', peers: [grpc.peer] }] }],
    });
    for (const body of [hello, { ...hello, stream: true }]) {
      grpc.usual(hangsUp);
      cloud.usual('stream' in body ? stream(3) : answer);
      expect(await ask(body)).toMatchObject({ status: 200, by: 'cloud', line: { attempts: 3, outcome: 'complete' } });
      for (const failure of [status(502), (_, response) => void response.destroy()] satisfies Behaviour[]) {
        cloud.usual(failure);
        const one = await ask(body);
        expect(one).toMatchObject({ status: 503, line: { attempts: 3, version: 'cloud' } });
        expect(one.text).toContain('cloud_unavailable');
      }
    }
    expect(grpc.calls).toHaveLength(12);
    await grpc.stop();
    await use();
  });

  it('is left alone when it fails itself', async () => {
    await use({
      breaker: breakerOptions({ minimum: 4, openS: 1, longestS: 1, rate: 0.05 }),
      models: [{ id: 'm', versions: [{ name: 'blue', weight: 1, peers: [] }] }],
    });
    cloud.usual(status(500));
    for (let i = 0; i < 5; i += 1) await ask();
    cloud.seen.length = 0;
    expect(await ask()).toMatchObject({ status: 503, by: null });
    expect(cloud.seen).toHaveLength(0);
    cloud.usual(answer);
    await until('it is asked again', async () => (await ask()).status === 200 || undefined);
    await use();
  });

  it('is not believed with a certificate of another name', async () => {
    dns.set('other.test', { a: ['127.0.0.1'] });
    await use({ cloud: cloudOptions(`https://other.test:${cloud.port}/v1`, { m: 'x' })! });
    await until(
      'the name is known',
      async () => (await state()).names.find((one) => one.name === 'other.test')?.addresses.length,
    );
    await sleep(450);
    engine.usual(reset);
    expect(await ask()).toMatchObject({ status: 503, by: 'cloud' });
    expect(cloud.seen).toHaveLength(0);
    expect(gateway.log()).toContain('certificate does not match');
    await use();
  });

  it('is told in the metrics, and no key in any of the logs', async () => {
    await until('it is counted', async () => {
      const text = await (await systemHttp.request(getMetrics(gateway.admin))).text();
      expect(text).not.toContain(cloudKey);
      return (
        (/gateway_degraded_total\{model="m",by="cloud"\} \d\d/.test(text) &&
          /gateway_requests_total\{route="chat",model="m",version="cloud",status="200"\} \d+/.test(text)) ||
        undefined
      );
    });
    expect(gateway.log()).not.toContain(cloudKey);
    expect(JSON.stringify(await gateway.audit())).not.toContain(cloudKey);
    expect(gateway.log()).toContain('the cloud answered 401');
  });

  it('is refused where nginx has no way to it, or the order makes no sense', async () => {
    for (const more of [
      { degrade: { order: ['cloud', 'version'], models: {} } },
      { cloud: undefined },
      { cloud: { ...settings().cloud!, path: '/x?y' } },
      { cloud: { ...settings().cloud!, host: 'a b' } },
      { dns: undefined },
    ]) {
      const put = await gateway.put({ ...settings(more as unknown as Partial<Settings>), revision: 10_000 });
      expect(put.status, JSON.stringify(more)).toBe(400);
    }
    const without = await startGateway(testSettings([engine.peer]), { nginx });
    expect((await without.put({ ...settings(), revision: 5 })).status).toBe(400);
    await without.stop();
  });
});
