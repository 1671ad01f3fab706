/** What passes, what is refused, and what the engine gets to see of it. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { onBoth } from './both.js';
import { sleep, stream } from './engine.js';
import { apiKey, testKey, testSettings } from './harness.js';

/** Raw bytes to a port; what came back until the other side closed, or for half a second. */
export function raw(url: string, bytes: string): Promise<string> {
  const { port } = new URL(url);
  return new Promise((done) => {
    let got = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    const end = () => {
      socket.destroy();
      done(got);
    };
    socket.on('data', (data) => {
      got += data;
    });
    socket.on('close', end).on('error', end);
    setTimeout(end, 500);
  });
}

/** The path as it is, which fetch would tidy up. */
export function rawPath(url: string, path: string, method = 'GET'): Promise<number> {
  return new Promise((done, fail) => {
    const { port } = new URL(url);
    const headers = { authorization: `Bearer ${apiKey}` };
    httpRequest({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      response.resume().on('end', () => done(response.statusCode!));
    })
      .on('error', fail)
      .end();
  });
}

const settings = (peers: Parameters<typeof testSettings>[0]) =>
  testSettings(peers, {
    keys: [
      testKey(),
      testKey({ id: 'key_expired', expiresAt: 1_700_000_001 }, 'sk-expired'),
      testKey({ id: 'key_revoked', revokedAt: 1_700_000_001 }, 'sk-revoked'),
      testKey({ id: 'key_other', models: ['other'] }, 'sk-other'),
    ],
    models: [
      { id: 'm', aliases: ['also-m'], created: 7, versions: [{ name: 'blue', weight: 100, peers }] },
      { id: 'other', versions: [{ name: 'blue', weight: 1, peers }] },
      { id: 'asleep', versions: [{ name: 'blue', weight: 100, peers: [] }] },
    ],
  });

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

onBoth('requests', { settings }, (both) => {
  it('passes a chat request on and its answer back, with one audit line', async () => {
    const response = await both.gateway.post(hello, { headers: { 'x-request-id': 'chat-1' } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'hello' } }] });
    expect(response.headers.get('x-request-id')).toBe('chat-1');
    expect(response.headers.get('server')).toBe('nginx');
    expect(await both.gateway.auditOf('chat-1')).toEqual({
      id: 'chat-1',
      time: expect.any(Number),
      key: 'key_000000000001',
      tenant: 'tests',
      route: 'chat',
      model: 'm',
      version: 'blue',
      peer: `127.0.0.1:${both.engine.peer.port}`,
      attempts: 1,
      cache: null,
      degraded: null,
      status: 200,
      code: null,
      outcome: 'complete',
      stream: false,
      bytes_in: JSON.stringify(hello).length,
      bytes_out: expect.any(Number),
      prompt_tokens: 7,
      completion_tokens: 3,
      first_ms: expect.any(Number),
      total_ms: expect.any(Number),
      seq: expect.any(Number),
      mac: expect.stringMatching(/^[A-Za-z0-9+/]{24}$/),
    });
  });

  it('gives each request an id of its own, also the six hundredth', async () => {
    const ids = new Set<string>();
    for (let round = 0; round < 30; round += 1) {
      const asked = Array.from({ length: 20 }, () =>
        fetch(`${both.gateway.url}/v1/models`, { headers: { authorization: `Bearer ${apiKey}` } }),
      );
      for (const response of await Promise.all(asked)) {
        ids.add(response.headers.get('x-request-id')!);
        await response.text();
      }
    }
    expect(ids.size).toBe(600);
  });

  it.each(['/v1/chat/completions', '/v1/completions', '/v1/embeddings'])(
    '%s reaches the engine as it is',
    async (path) => {
      const body = { ...hello, prompt: 'hello', input: 'hello' };
      expect((await both.gateway.post(body, { path: `${path}?debug=1` })).status).toBe(200);
      expect(both.engine.seen[0]).toMatchObject({ method: 'POST', url: path, body: JSON.stringify(body) });
    },
  );

  it('overwrites who the caller says to be, and shows the engine its own key', async () => {
    const headers = { 'x-tenant': 'root', 'x-forwarded-for': '1.2.3.4', cookie: 'a=b', traceparent: '00-aa-bb-01' };
    await (await both.gateway.post(hello, { headers })).text();
    const { connection: _, ...seen } = both.engine.seen[0]!.headers;
    expect(seen).toEqual({
      host: 'engine',
      authorization: 'Bearer engine-key',
      'content-type': 'application/json',
      'content-length': String(JSON.stringify(hello).length),
      accept: '*/*',
      traceparent: '00-aa-bb-01',
      'x-request-id': expect.stringMatching(/^[0-9a-f]{24}$/),
    });
  });

  it('makes an id of its own for a caller’s that is no plain word', async () => {
    for (const id of ['a b', 'x'.repeat(65), 'a"b', 'a,b']) {
      const response = await both.gateway.post(hello, { headers: { 'x-request-id': id } });
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f]{24}$/);
    }
  });

  it.each([
    ['none', undefined, 'missing_api_key'],
    ['unknown', 'Bearer sk-unknown', 'invalid_api_key'],
    ['another scheme', `Basic ${apiKey}`, 'invalid_api_key'],
    ['two words', `Bearer ${apiKey} ${apiKey}`, 'invalid_api_key'],
    ['very long', `Bearer ${'x'.repeat(4000)}`, 'invalid_api_key'],
    ['expired', 'Bearer sk-expired', 'expired_api_key'],
    ['revoked', 'Bearer sk-revoked', 'invalid_api_key'],
  ])('refuses a key that is %s with 401', async (_, authorization, code) => {
    const response = await both.gateway.post(hello, {
      headers: authorization ? { authorization } : { authorization: '' },
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toEqual({
      error: { message: expect.any(String), type: 'authentication_error', param: null, code },
    });
    expect(both.engine.seen).toEqual([]);
  });

  it('a key for one model knows of no other', async () => {
    const headers = { authorization: 'Bearer sk-other' };
    expect((await both.gateway.post(hello, { headers })).status).toBe(404);
    expect((await both.gateway.post({ ...hello, model: 'other' }, { headers })).status).toBe(200);
    const list = await (await fetch(`${both.gateway.url}/v1/models`, { headers })).json();
    expect(list).toMatchObject({ data: [{ id: 'other' }] });
    expect((await fetch(`${both.gateway.url}/v1/models/m`, { headers })).status).toBe(404);
  });

  it('lists the models and tells of one', async () => {
    const headers = { authorization: `Bearer ${apiKey}` };
    const list = (await (await fetch(`${both.gateway.url}/v1/models`, { headers })).json()) as { data: unknown[] };
    expect(list).toMatchObject({ object: 'list' });
    expect(list.data[0]).toEqual({ id: 'm', object: 'model', created: 7, owned_by: 'deepseek' });
    expect(list.data).toHaveLength(3);
    expect(await (await fetch(`${both.gateway.url}/v1/models/m`, { headers })).json()).toEqual(list.data[0]);
    expect((await fetch(`${both.gateway.url}/v1/models`)).status).toBe(401);
  });

  it.each([
    ['no JSON', 'hello', 400, 'invalid_json', null],
    ['nothing', '', 400, 'empty_body', null],
    ['a list', '[1]', 400, 'invalid_json', null],
    ['an empty list', '[]', 400, 'invalid_json', null],
    ['a number', '7', 400, 'invalid_json', null],
    ['null', 'null', 400, 'invalid_json', null],
    ['too deep', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`, 400, 'invalid_json', null],
    ['a field twice', '{"model":"m","model":"other"}', 400, 'invalid_json', null],
    ['half an object', '{"model":"m"', 400, 'invalid_json', null],
    ['an object and more', '{"model":"m"}{}', 400, 'invalid_json', null],
    ['no model', '{}', 400, 'missing_model', 'model'],
    ['a model of the wrong type', '{"model":7}', 400, 'missing_model', 'model'],
    ['an unknown model', '{"model":"x\\"y"}', 404, 'model_not_found', 'model'],
    ['a model without an engine', '{"model":"asleep","messages":[]}', 503, 'no_engine', null],
  ])('refuses a body of %s', async (_, body, status, code, param) => {
    const response = await both.gateway.post(body);
    expect(await response.json()).toMatchObject({ error: { code, param } });
    expect(response.status).toBe(status);
    expect(both.engine.seen).toEqual([]);
  });

  it('knows a model by its other name', async () => {
    const response = await both.gateway.post({ ...hello, model: 'also-m' });
    expect(response.status).toBe(200);
    expect(JSON.parse(both.engine.seen[0]!.body)).toEqual(hello);
  });

  it('answers 413 to a body above the limit', async () => {
    const response = await both.gateway.post({ ...hello, x: 'x'.repeat(4 * 1024 * 1024) });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { code: 'request_too_large' } });
  });

  it('takes a body of 256 KiB, sized or chunked, without a file', async () => {
    const body = JSON.stringify({ ...hello, x: 'x'.repeat(256 * 1024) });
    expect((await both.gateway.post(body)).status).toBe(200);
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < body.length; i += 10_000) controller.enqueue(Buffer.from(body.slice(i, i + 10_000)));
        controller.close();
      },
    });
    const more = { method: 'POST', headers: { authorization: `Bearer ${apiKey}` }, body: chunks, duplex: 'half' };
    expect((await fetch(`${both.gateway.url}/v1/chat/completions`, more as RequestInit)).status).toBe(200);
    expect(both.engine.seen.map((one) => one.body)).toEqual([body, body]);
    expect(both.gateway.log()).not.toContain('temporary file');
  });

  it.each([
    ['GET', '/v1/chat/completions', 405],
    ['DELETE', '/v1/models', 405],
    ['PUT', '/v1/completions', 405],
    ['OPTIONS', '/v1/chat/completions', 405],
    ['TRACE', '/v1/chat/completions', 405],
    ['GET', '/', 404],
    ['GET', '/metrics', 404],
    ['POST', '/v1/load_lora_adapter', 404],
    ['POST', '/pause', 404],
    ['POST', '//v1/chat/completions', 404],
    ['POST', '/v1//chat/completions', 404],
    ['POST', '/v1/chat/completions/', 404],
    ['POST', '/V1/chat/completions', 404],
    ['GET', '/v1/models/../../pause', 404],
    ['GET', '/v1/models/%2e%2e/%2e%2e/pause', 404],
    ['GET', '/v1/models/..%2f..%2fpause', 404],
    ['GET', '/v1/models/m%00', 400],
    ['GET', '/health', 200],
  ])('%s %s is %d, and no engine is asked', async (method, path, status) => {
    expect(await rawPath(both.gateway.url, path, method)).toBe(status);
    expect(both.engine.seen).toEqual([]);
  });

  it.each([
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n', 400],
    ['length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 400],
    ['an odd coding', 'Transfer-Encoding: xchunked\r\n', 501],
    ['two authorizations', 'Authorization: Bearer a\r\n', 400],
    ['a broken header', ': x\r\n', 400],
  ])('refuses %s in the head', async (_, head, status) => {
    const start = 'POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n';
    const got = await raw(both.gateway.url, `${start}Authorization: Bearer ${apiKey}\r\n${head}\r\nhello`);
    expect(got).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(got).toContain('"error":{');
    expect(both.engine.seen).toEqual([]);
  });

  it('puts one audit line down for each request, also for those it refused', async () => {
    // Connections that the tests before left lingering are logged when they close.
    await sleep(100);
    const before = (await both.gateway.audit()).length;
    await both.gateway.post(hello);
    await both.gateway.post('{');
    await rawPath(both.gateway.url, '/nowhere');
    await rawPath(both.gateway.url, '/v1/models');
    await raw(both.gateway.url, 'POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n');
    const lines = (await both.gateway.audit()).slice(before);
    for (const { id } of lines) expect(id).toMatch(/^[0-9a-f]{24}$/);
    expect(lines.map(({ route, status, outcome }) => [route, status, outcome])).toEqual([
      ['chat', 200, 'complete'],
      ['chat', 400, 'refused'],
      ['none', 404, 'refused'],
      ['models', 200, 'complete'],
      ['none', 400, 'refused'],
    ]);
  });

  it('writes no secret anywhere', async () => {
    both.engine.next(stream(2));
    await (await both.gateway.post({ ...hello, stream: true })).text();
    const metrics = await (await fetch(`http://127.0.0.1:${both.gateway.admin.port}/metrics`)).text();
    const text = both.gateway.log() + JSON.stringify(await both.gateway.audit()) + metrics;
    expect(text).not.toMatch(/sk-|engine-key|pepper|admin-of/);
  });
});
