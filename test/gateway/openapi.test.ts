/** The document against what is served: every path of it answers, every route is in it, and answers fit their schemas. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from 'vitest';
import { cacheOptions } from '../../src/gateway/cache.js';
import { limitOptions, validationOptions } from '../../src/gateway/limits.js';
import { routes } from '../../src/gateway/nginx.js';
import { openapi } from '../../src/gateway/openapi.js';
import { onBoth } from './both.js';
import { answer, type Behaviour, sleep } from './engine.js';
import { apiKey, testSettings } from './harness.js';
import { basic, clientSecret, oauthSettings, signingKey, testClient, useKeys } from './oauth-client.js';

interface Operation {
  readonly operationId: string;
  readonly requestBody?: { content: Record<string, { schema: { $ref: string } }> };
  readonly responses: Record<
    string,
    { content: Record<string, { schema: { $ref: string } }>; headers?: Record<string, object> }
  >;
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}

const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const text: Behaviour = (_, response) => {
  response.setHeader('content-type', 'application/json');
  const choices = [{ index: 0, text: 'world', finish_reason: 'stop' }];
  response.end(JSON.stringify({ id: 'cmpl-1', object: 'text_completion', created: 5, model: 'm', choices, usage }));
};
const vectors: Behaviour = (_, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ object: 'list', data: [{ index: 0, embedding: [0.5] }], usage }));
};

/** A good request by the schema's name, and what the engine says to it. */
const good: Readonly<Record<string, readonly [object, Behaviour]>> = {
  ChatRequest: [{ model: 'm', messages: [{ role: 'user', content: 'hi' }] }, answer],
  CompletionRequest: [{ model: 'm', prompt: 'hello ' }, text],
  GenerateRequest: [{ prompt: 'hello ', max_tokens: 5, temperature: 0.7, top_p: 0.9 }, text],
  EmbeddingRequest: [{ model: 'm', input: 'hello' }, vectors],
};

const document = openapi() as unknown as Document;

function validator(name: string) {
  const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true });
  ajv.addVocabulary(['components']);
  ajv.addSchema({ $id: 'doc', components: document.components });
  return ajv.compile({ $ref: `doc#/components/schemas/${name}` });
}

const nameOf = (content: Record<string, { schema: { $ref: string } }>) =>
  content['application/json']!.schema.$ref.split('/').at(-1)!;

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => [method.toUpperCase(), path, operation] as const),
);

onBoth('/openapi.json', {}, (both) => {
  const call = (method: string, path: string, body?: unknown, key: string | undefined = apiKey) =>
    fetch(both.gateway.url + path.replace('{model}', 'm'), {
      method,
      headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  it('is served, without a key, as it was rendered', async () => {
    const response = await call('GET', '/openapi.json', undefined, '');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual(openapi());
  });

  it('has every route, each once, under a name of its own', () => {
    expect(Object.keys(document.paths)).toHaveLength(routes.length);
    expect(new Set(operations.map(([, , { operationId }]) => operationId)).size).toBe(operations.length);
  });

  it.each(operations)('%s %s answers as it says', async (method, path, operation) => {
    const request = operation.requestBody?.content['application/json'];
    if (request) {
      const name = request.schema.$ref.split('/').at(-1)!;
      const [body, behaviour] = good[name]!;
      expect(validator(name)(body), name).toBe(true);
      both.engine.next(behaviour);
      const response = await call(method, path, body);
      expect(response.status).toBe(200);
      const told = await response.json();
      const check = validator(nameOf(operation.responses[200]!.content));
      expect(check(told), JSON.stringify([check.errors, told])).toBe(true);
      return;
    }
    const response = await call(method, path);
    expect([404, 405]).not.toContain(response.status);
    const told = await response.json();
    const kind = response.status === 200 ? operation.responses[200]! : operation.responses.default!;
    const check = validator(nameOf(kind.content));
    expect(check(told), JSON.stringify([check.errors, told])).toBe(true);
    if (operation.requestBody === undefined) expect(response.status).toBe(200);
  });

  it.each(operations)(
    '%s %s: no other method is served, and refusals have the shape that it says',
    async (method, path, operation) => {
      for (const other of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'].filter((one) => one !== method)) {
        const response = await call(other, path, other === 'GET' ? undefined : {});
        expect(response.status, other).toBe(405);
        const told = await response.json();
        expect(validator(nameOf(operation.responses[405]!.content))(told), JSON.stringify(told)).toBe(true);
      }
      await sleep(0);
      expect(both.engine.seen).toHaveLength(0);
    },
  );

  it('gives tokens as it says, and refuses in the shape that it says', async () => {
    const { responses, requestBody } = document.paths['/oauth2/token']!.post!;
    const settings = { ...oauthSettings([both.engine.peer]), revision: 50 };
    expect((await both.gateway.put(settings)).status).toBe(200);
    await useKeys(both.gateway, { current: signingKey });
    const ask = (authorization: string, body: Record<string, string>) =>
      fetch(`${both.gateway.url}/oauth2/token`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(body),
      });
    const body = { grant_type: 'client_credentials' };
    const form = requestBody!.content['application/x-www-form-urlencoded']!.schema.$ref.split('/').at(-1)!;
    expect(validator(form)(body)).toBe(true);
    const token = await ask(basic(testClient().id, clientSecret), body);
    expect([token.status, validator(nameOf(responses[200]!.content))(await token.json())]).toEqual([200, true]);
    for (const [who, fields] of [
      ['wrong', body],
      [clientSecret, { grant_type: 'password' }],
    ] as const) {
      const refused = await ask(basic(testClient().id, who), fields);
      const told = await refused.json();
      expect([refused.status >= 400, validator(nameOf(responses.default!.content))(told)]).toEqual([true, true]);
    }
  });

  it('names the headers of answers: those that are sent, and those that pages may read', async () => {
    const more = {
      cache: cacheOptions(),
      validation: validationOptions(),
      limits: limitOptions({ key: { requestsPerMinute: 100, tokensPerMinute: 100_000 } }),
      cors: { origins: ['*'], maxAgeS: 60 },
    };
    expect((await both.gateway.put(testSettings([both.engine.peer], { ...more, revision: 60 }))).status).toBe(200);
    for (const [method, path, operation] of operations) {
      const request = operation.requestBody?.content['application/json'];
      if (!request) continue;
      const name = request.schema.$ref.split('/').at(-1)!;
      const [body, behaviour] = good[name]!;
      const said = Object.keys(operation.responses[200]!.headers!).map((one) => one.toLowerCase());
      both.engine.next(behaviour);
      const odd = name === 'EmbeddingRequest' ? body : { ...body, temperature: 1.9 };
      const response = await fetch(both.gateway.url + path, {
        method,
        headers: { authorization: `Bearer ${apiKey}`, 'x-cache': 'refresh', origin: 'https://x.example' },
        body: JSON.stringify(odd),
      });
      await response.text();
      const sent = [...response.headers.keys()].filter((one) => /^x-(?!accel)|^age$/.test(one));
      expect(sent.filter((one) => !said.includes(one))).toEqual([]);
      expect(sent).toEqual(expect.arrayContaining(['x-request-id', 'x-cache', 'x-ratelimit-limit-tokens']));
      expect(response.headers.get('x-cache')).toBe('miss');
      expect(sent.includes('x-deepseek-warning')).toBe(name !== 'EmbeddingRequest');
      const exposed = response.headers.get('access-control-expose-headers')!.toLowerCase().split(', ');
      expect(exposed.filter((one) => one !== 'retry-after').sort()).toEqual([...said].sort());
    }
  });

  it('says of requests without a key what they get', async () => {
    for (const [method, path, operation] of operations) {
      const response = await call(method, path, method === 'GET' ? undefined : {}, '');
      const open = (operation as { security?: unknown[] }).security?.length === 0;
      if (!open) expect(response.status, path).toBe(401);
      await response.text();
    }
  });

  it('has no schema that nothing refers to', () => {
    const said = JSON.stringify(document);
    for (const name of Object.keys(document.components.schemas)) {
      expect(said).toContain(`"#/components/schemas/${name}"`);
    }
  });
});
