/** The shapes of requests and answers, as JSON Schema 2020-12 (OpenAPI 3.1). Fields that engines know beyond these pass. */

export type Schema = Readonly<Record<string, unknown>>;

export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const text: Schema = { type: 'string' };
const whole: Schema = { type: 'integer', minimum: 0 };
const texts: Schema = { anyOf: [text, { type: 'array', items: text }] };
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });

const object = (
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[],
  more: Schema = {},
): Schema => ({
  type: 'object',
  properties,
  required,
  ...more,
});

/** What all that generate text take. */
const sampling: Readonly<Record<string, Schema>> = {
  max_tokens: orNull({ type: 'integer', minimum: 1 }),
  temperature: orNull({ type: 'number', minimum: 0, maximum: 2, description: 'Recommended: 0.1 to 1.0.' }),
  top_p: orNull({ type: 'number', exclusiveMinimum: 0, maximum: 1, description: 'Recommended: 0.85 to 0.95.' }),
  stop: orNull(texts),
  seed: orNull({ type: 'integer' }),
  stream: orNull({ type: 'boolean', description: 'Server-sent events; the last one is [DONE].' }),
  user: orNull(text),
};

const streamOptions = orNull(object({ include_usage: { type: 'boolean' } }, []));

const requests: Readonly<Record<string, Schema>> = {
  ChatRequest: object(
    {
      model: text,
      messages: { type: 'array', minItems: 1, items: object({ role: text }, ['role']) },
      ...sampling,
      max_completion_tokens: orNull({ type: 'integer', minimum: 1 }),
      stream_options: streamOptions,
      n: orNull({ type: 'integer', minimum: 1 }),
      response_format: orNull({ type: 'object' }),
      tools: orNull({ type: 'array', items: { type: 'object' } }),
      thinking: orNull(object({ type: { enum: ['enabled', 'disabled'] } }, ['type'])),
      reasoning_effort: orNull({
        type: 'string',
        description: 'low, high or max; minimal counts as low, medium and xhigh as high, ultra as max.',
      }),
      chat_template_kwargs: orNull({ type: 'object' }),
    },
    ['model', 'messages'],
  ),
  CompletionRequest: object(
    {
      model: text,
      prompt: {},
      suffix: orNull({ ...text, description: 'Fill in the middle: what follows the gap. Not every engine can.' }),
      ...sampling,
      stream_options: streamOptions,
    },
    ['model', 'prompt'],
  ),
  GenerateRequest: object(
    {
      model: orNull({ ...text, description: 'The first model that the key may use, when left out.' }),
      prompt: { ...text, minLength: 1 },
      ...sampling,
    },
    ['prompt'],
    { additionalProperties: false },
  ),
  EmbeddingRequest: object({ model: text, input: {}, encoding_format: orNull({ enum: ['float', 'base64'] }) }, [
    'model',
    'input',
  ]),
  TokenRequest: object(
    {
      grant_type: { const: 'client_credentials' },
      client_id: { ...text, description: 'Or by HTTP Basic.' },
      client_secret: text,
      scope: { ...text, description: 'Model ids, by spaces.' },
    },
    ['grant_type'],
  ),
};

const finish = orNull(text);
const usage = ref('Usage');

const answers: Readonly<Record<string, Schema>> = {
  Usage: object(
    {
      prompt_tokens: whole,
      completion_tokens: whole,
      total_tokens: whole,
      prompt_cache_hit_tokens: { ...whole, description: 'Where the engine tells it.' },
      prompt_cache_miss_tokens: whole,
    },
    ['prompt_tokens', 'total_tokens'],
  ),
  ChatAnswer: object(
    {
      id: text,
      object: { const: 'chat.completion' },
      created: whole,
      model: text,
      choices: {
        type: 'array',
        items: object(
          {
            index: whole,
            message: object({ role: text, content: orNull(text), reasoning_content: orNull(text) }, ['role']),
            finish_reason: finish,
          },
          ['index', 'message', 'finish_reason'],
        ),
      },
      usage,
    },
    ['id', 'object', 'choices'],
  ),
  CompletionAnswer: object(
    {
      id: text,
      object: { const: 'text_completion' },
      created: whole,
      model: text,
      choices: {
        type: 'array',
        items: object({ index: whole, text, finish_reason: finish }, ['index', 'text', 'finish_reason']),
      },
      usage,
    },
    ['id', 'object', 'choices'],
  ),
  GenerateAnswer: object(
    { id: orNull(text), created: whole, model: orNull(text), text, finish_reason: finish, usage: orNull(usage) },
    ['id', 'created', 'model', 'text', 'finish_reason', 'usage'],
    { additionalProperties: false },
  ),
  EmbeddingAnswer: object({ object: { const: 'list' }, data: { type: 'array', items: { type: 'object' } } }, [
    'object',
    'data',
  ]),
  Model: object({ id: text, object: { const: 'model' }, created: whole, owned_by: text }, [
    'id',
    'object',
    'created',
    'owned_by',
  ]),
  Models: object({ object: { const: 'list' }, data: { type: 'array', items: ref('Model') } }, ['object', 'data']),
  Health: object({ status: { const: 'ok' } }, ['status']),
  OpenApi: object({ openapi: text, info: { type: 'object' }, paths: { type: 'object' } }, ['openapi', 'info', 'paths']),
  Token: object({ access_token: text, token_type: { const: 'Bearer' }, expires_in: whole, scope: text }, [
    'access_token',
    'token_type',
    'expires_in',
  ]),
};

const errors: Readonly<Record<string, Schema>> = {
  Error: object(
    {
      error: object({ message: text, type: text, param: orNull(text), code: orNull(text) }, [
        'message',
        'type',
        'param',
        'code',
      ]),
    },
    ['error'],
  ),
  TokenError: object({ error: text, error_description: text }, ['error']),
};

export const schemas: Readonly<Record<string, Schema>> = { ...requests, ...answers, ...errors };
