/** An error that a client is told, in OpenAI's shape: https://platform.openai.com/docs/guides/error-codes */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly param: string | null = null,
    readonly code: string | null = null,
    /** Seconds. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  json(): string {
    const { message, type, param, code } = this;
    return JSON.stringify({ error: { message, type, param, code } });
  }
}

export const invalid = (message: string, param: string | null = null, code: string | null = null): Problem =>
  new Problem(400, 'invalid_request_error', message, param, code);

export const unauthorized = (): Problem =>
  new Problem(401, 'authentication_error', 'Incorrect API key provided.', null, 'invalid_api_key');

export const unknownModel = (model: string, served: string): Problem =>
  new Problem(
    404,
    'invalid_request_error',
    `The model '${model.slice(0, 100)}' does not exist; this engine serves '${served}'.`,
    'model',
    'model_not_found',
  );

export const queueFull = (): Problem =>
  new Problem(429, 'rate_limit_error', 'The engine is full; try again later.', null, 'queue_full', 1);

export const notReady = (reason: string): Problem =>
  new Problem(503, 'service_unavailable', `The engine is not ready: ${reason}.`, null, 'not_ready', 2);

export const broken = (message: string): Problem => new Problem(500, 'server_error', message, null, 'internal_error');
