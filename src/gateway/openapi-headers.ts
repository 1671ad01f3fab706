/** Headers of requests and answers, for the document at /openapi.json. */
import type { Schema } from './openapi-schemas.js';

const text: Schema = { type: 'string' };
const whole: Schema = { type: 'integer', minimum: 0 };
const words = (...values: readonly string[]): Schema => ({ type: 'string', enum: values });
const header = (description: string, schema: Schema): Schema => ({ description, schema });

const ofLimit = (of: 'requests' | 'tokens'): Readonly<Record<string, Schema>> => ({
  [`x-ratelimit-limit-${of}`]: header(`The limit on ${of} that is nearest, where there is one.`, whole),
  [`x-ratelimit-remaining-${of}`]: header(`What is left of it.`, whole),
  [`x-ratelimit-reset-${of}`]: header(`When it is whole again: 6m0s, 1.2s, 20ms.`, text),
});

/** Of answers, by their names. All but the first are there when there is something to say. */
export const headers: Readonly<Record<string, Schema>> = {
  'X-Request-Id': header('The request in the logs: the caller’s own, where it gave one.', text),
  'X-Cache': header(
    'Whether the answer was given before; stale: past its time, because no engine answered.',
    words('hit', 'miss', 'bypass', 'stale'),
  ),
  Age: header('Seconds since the answer was stored, where it was.', whole),
  'X-Degraded': header('What answered in place of what was asked for.', words('version', 'model', 'cloud')),
  'X-DeepSeek-Warning': header('Parameters outside of the range that is recommended for DeepSeek’s models.', text),
  ...ofLimit('requests'),
  ...ofLimit('tokens'),
};

export const retryAfter = header('Seconds to wait, where it is worth asking again.', whole);

/** What a request for an answer of an engine may carry. */
export const asked: readonly Schema[] = [
  {
    name: 'X-Cache',
    in: 'header',
    description:
      'on: an answer that was given before will do, whatever the temperature; off: none; refresh: a new one.',
    schema: words('on', 'off', 'refresh'),
  },
  { name: 'X-Request-Id', in: 'header', description: 'An id of your own, a word of at most 64.', schema: text },
];

const ref = (kind: string, name: string): Schema => ({ $ref: `#/components/${kind}/${name}` });

export const headerRefs: Schema = Object.fromEntries(Object.keys(headers).map((name) => [name, ref('headers', name)]));
export const retryRef: Schema = {
  'Retry-After': ref('headers', 'Retry-After'),
  'X-Request-Id': ref('headers', 'X-Request-Id'),
};
