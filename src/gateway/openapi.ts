/** The document at /openapi.json, made from the routes that nginx.conf is made from. */
import { routes } from './nginx.js';
import { asked, headerRefs, headers, retryAfter, retryRef } from './openapi-headers.js';
import { ref, type Schema, schemas } from './openapi-schemas.js';

interface Operation {
  readonly method: 'get' | 'post';
  readonly says: string;
  /** Schemas by name. */
  readonly body?: string;
  readonly answer: string;
  readonly error?: string;
  readonly streams?: boolean;
  /** Asked without a key. */
  readonly open?: boolean;
  readonly form?: boolean;
  /** An engine answers it. */
  readonly engine?: boolean;
}

/** By the routes' names. */
const operations: Readonly<Record<string, Operation>> = {
  chat: {
    method: 'post',
    says: 'An answer to a conversation.',
    body: 'ChatRequest',
    answer: 'ChatAnswer',
    engine: true,
    streams: true,
  },
  completions: {
    method: 'post',
    says: 'What follows a text, or fills its gap.',
    body: 'CompletionRequest',
    answer: 'CompletionAnswer',
    engine: true,
    streams: true,
  },
  generate: {
    method: 'post',
    says: 'A text for a prompt; of a stream, each event has the next piece of it.',
    body: 'GenerateRequest',
    answer: 'GenerateAnswer',
    engine: true,
    streams: true,
  },
  embeddings: {
    method: 'post',
    says: 'Vectors of texts.',
    body: 'EmbeddingRequest',
    answer: 'EmbeddingAnswer',
    engine: true,
  },
  models: { method: 'get', says: 'The models that the key may use.', answer: 'Models' },
  model: { method: 'get', says: 'One model.', answer: 'Model' },
  health: { method: 'get', says: 'Whether the gateway answers.', answer: 'Health', open: true },
  openapi: { method: 'get', says: 'This document.', answer: 'OpenApi', open: true },
  token: {
    method: 'post',
    says: 'A token for client credentials (RFC 6749, 4.4).',
    body: 'TokenRequest',
    answer: 'Token',
    error: 'TokenError',
    open: true,
    form: true,
  },
};

const json = (name: string) => ({ 'application/json': { schema: ref(name) } });

const answerOf = (operation: Operation) => ({
  description: 'OK',
  ...(operation.engine ? { headers: headerRefs } : {}),
  content: {
    ...json(operation.answer),
    ...(operation.streams ? { 'text/event-stream': { schema: { type: 'string' } } } : {}),
  },
});

const render = (name: string, id: string, operation: Operation, parameters: readonly Schema[]) => ({
  [operation.method]: {
    operationId: id,
    summary: operation.says,
    tags: [name],
    ...(operation.open ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(operation.engine ? { parameters: asked } : {}),
    ...(operation.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: operation.form
              ? { 'application/x-www-form-urlencoded': { schema: ref(operation.body) } }
              : json(operation.body),
          },
        }),
    responses: {
      200: answerOf(operation),
      405: { description: 'Another method', content: json('Error') },
      default: { description: 'A refusal or a failure', headers: retryRef, content: json(operation.error ?? 'Error') },
    },
  },
});

const parameter: Schema = { name: 'model', in: 'path', required: true, schema: { type: 'string' } };

/** nginx's `= /path` and `^~ /prefix/` as paths of OpenAPI. */
const pathOf = (location: string): string => location.replace(/^= /, '').replace(/^\^~ (.*)$/, '$1{model}');

const idOf = (path: string): string =>
  path
    .replace(/[{}]/g, '')
    .split(/[^a-z0-9]+/i)
    .filter(Boolean)
    .join('_');

/** @returns an OpenAPI 3.1 document */
export function openapi(): Schema {
  const paths = routes.map(({ name, location }) => {
    const path = pathOf(location);
    const one = path.includes('{');
    const operation = operations[one ? 'model' : name];
    if (!operation) throw new Error(`The route ${name} is not described`);
    return [path, render(name, idOf(path), operation, one ? [parameter] : [])] as const;
  });
  return {
    openapi: '3.1.0',
    info: {
      title: 'DeepSeek API',
      version: '1.0.0',
      description: "OpenAI's API and DeepSeek's, as this gateway serves them.",
    },
    security: [{ bearer: [] }],
    paths: Object.fromEntries(paths),
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key, or a token of /oauth2/token.' },
      },
      headers: { ...headers, 'Retry-After': retryAfter },
      schemas,
    },
  };
}

export const openapiText = (): string => JSON.stringify(openapi());
