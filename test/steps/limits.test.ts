import { expect, test } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import { limitsOf, validationOf } from '../../src/steps/limits.js';

const configOf = async (text: string) => merge(await load(`version: 1\n${text}`, 'deepseek.yaml'), []).config;

test('nothing is limited unless it is said, and parameters are checked the way OpenAI does', async () => {
  const config = await configOf('');
  expect(limitsOf(config)).toEqual({ instances: 1, reserveTokens: 1024 });
  expect(validationOf(config)).toEqual({
    strict: false,
    status: 400,
    temperature: [0.1, 1],
    topP: [0.85, 0.95],
    messagesBytes: 16_384,
  });
});

test('what is said is what the gateway gets', async () => {
  const config = await configOf(`gateway:
  limits:
    key: {requestsPerMinute: 60, concurrent: 4}
    tenant: {tokensPerDay: 1000000, tokensPerMinute: none}
    perEngine: 68
    reserveTokens: 256
  validation: {strict: true, status: 422}
`);
  expect(limitsOf(config)).toEqual({
    key: { requestsPerMinute: 60, concurrent: 4 },
    tenant: { tokensPerDay: 1_000_000 },
    // What the CLI itself asks is not counted against anybody.
    tenants: { cli: {} },
    perEngine: 68,
    instances: 1,
    reserveTokens: 256,
  });
  expect(validationOf(config)).toMatchObject({ strict: true, status: 422 });
});

test('one bound alone makes no others', async () => {
  expect(limitsOf(await configOf('gateway: {limits: {perEngine: 2}}\n'))).toEqual({
    perEngine: 2,
    instances: 1,
    reserveTokens: 1024,
  });
});

test('a tenant of its own has what it says, and nothing of the rest', async () => {
  const limits = limitsOf(
    await configOf(
      'gateway: {limits: {tenant: {concurrent: 2}, tenants: {shop: {requestsPerMinute: 9}, free.of-all: {}}}}\n',
    ),
  );
  expect(limits).toMatchObject({
    tenant: { concurrent: 2 },
    tenants: { cli: {}, shop: { requestsPerMinute: 9 }, 'free.of-all': {} },
  });
});
