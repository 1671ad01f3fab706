import { describe, expect, it } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import {
  breakerOf,
  cacheOf,
  cloudOf,
  corsOf,
  degradeOf,
  hostsIn,
  keepAliveOf,
  nodeOf,
  oauthOf,
  redisOf,
} from '../../src/steps/policies.js';

const configOf = async (gateway: string) =>
  merge(await load(`version: 1\nname: prod\nmodel: {id: demo}\ngateway: {${gateway}}\n`, 'd.yaml'), []).config;

const nobody = new Map<string, string>();

it('by default all of it is off, and tokens live a day', async () => {
  const config = await configOf('');
  const { gateway } = config;
  expect([redisOf(gateway, nobody), cacheOf(gateway), breakerOf(gateway), degradeOf(gateway), corsOf(gateway)]).toEqual(
    Array.from({ length: 5 }, () => undefined),
  );
  expect(oauthOf(config)).toEqual({
    issuer: 'urn:deepseek-deploy:prod',
    audience: 'deepseek-api',
    ttlS: 86_400,
    leewayS: 30,
  });
});

describe('Redis', () => {
  it('a cluster with TLS, a user and times of its own', async () => {
    const { gateway } = await configOf(
      'redis: {nodes: ["r1.example:7000", "[fd00::1]:7001"], cluster: true, username: u, passwordFile: p, timeout: 40ms, ' +
        'writeTimeout: 1s, connections: 4, tls: {enabled: true, ca: x, serverName: r.example}}',
    );
    expect(redisOf(gateway, nobody)).toEqual({
      nodes: [
        { host: 'r1.example', port: 7000 },
        { host: '[fd00::1]', port: 7001 },
      ],
      ...{ cluster: true, username: 'u', database: 0, tls: { verify: true, serverName: 'r.example' } },
      ...{ budgetMs: 40, writeMs: 1000, connections: 4, waiting: 64 },
      breaker: { failures: 3, windowS: 1, coolDownS: 1 },
    });
  });

  it('by an address of /etc/hosts is still known by the name in its certificate', async () => {
    const { gateway } = await configOf('redis: {nodes: ["redis:6379"], tls: {enabled: true, ca: x}}');
    expect(redisOf(gateway, new Map([['redis', '10.0.0.9']]))).toMatchObject({
      nodes: [{ host: '10.0.0.9', port: 6379 }],
      tls: { verify: true, serverName: 'redis' },
    });
  });

  it('names of /etc/hosts become addresses: no DNS server knows them', () => {
    const hosts = hostsIn('127.0.0.1\tlocalhost # me\n::1 localhost ip6-localhost\n\n#10.0.0.1 no\n10.0.0.9 redis r\n');
    expect(nodeOf('localhost:6379', hosts)).toEqual({ host: '127.0.0.1', port: 6379 });
    expect(nodeOf('ip6-localhost:1', hosts)).toEqual({ host: '[::1]', port: 1 });
    expect(nodeOf('r:2', hosts)).toEqual({ host: '10.0.0.9', port: 2 });
    expect(nodeOf('no:3', hosts)).toEqual({ host: 'no', port: 3 });
    expect(nodeOf('unix:/run/redis.sock', hosts)).toEqual({ host: 'unix:/run/redis.sock', port: 0 });
  });
});

describe('the cache', () => {
  it('with a Redis keeps answers beyond their time, small ones in memory too', async () => {
    const { gateway } = await configOf('redis: {nodes: ["a:1"]}, cache: {enabled: true, ttl: 90s, stale: 2h}');
    expect(cacheOf(gateway)).toMatchObject({ ttlS: 90, staleS: 7200, localBytes: 65_536, localS: 60 });
  });

  it('without one holds whole answers for all their time, and none beyond it', async () => {
    const { gateway } = await configOf('cache: {enabled: true, largestAnswer: 256KiB, onlyOnRequest: true}');
    expect(cacheOf(gateway)).toMatchObject({
      ...{ ttlS: 3600, staleS: 0, maxBytes: 262_144, localBytes: 262_144, localS: 3600, onlyOnRequest: true },
    });
  });

  it('keeps nothing beyond its time where that shall not be answered with', async () => {
    const { gateway } = await configOf(
      'redis: {nodes: ["a:1"]}, cache: {enabled: true}, degrade: {cachedAnswer: false}',
    );
    expect(cacheOf(gateway)?.staleS).toBe(0);
  });
});

it('the breaker in seconds, and what is done in an engine’s stead', async () => {
  const { gateway } = await configOf('breaker: {enabled: true, failureRate: 0.2, open: 1500ms}');
  expect(breakerOf(gateway)).toEqual({
    ...{ windowS: 10, minimum: 10, rate: 0.2, openS: 2, longestS: 60, streamSilenceS: 60, answerSilenceS: 600 },
  });
  expect(degradeOf(gateway)).toEqual({ order: ['version'], models: {} });
  const small = await configOf(
    'breaker: {enabled: true}, degrade: {otherVersion: false, smallerModels: {demo: [demo]}}',
  );
  expect(degradeOf(small.gateway)).toEqual({ order: ['model'], models: { demo: ['demo'] } });
  const cloudy = await configOf(
    'breaker: {enabled: true}, cloud: {baseUrl: "https://api.example/v1", keyFile: k, models: {demo: big}}',
  );
  expect(degradeOf(cloudy.gateway)).toEqual({ order: ['version', 'cloud'], models: {} });
  expect(cloudOf(cloudy.gateway)).toMatchObject({ host: 'api.example', port: 443, models: { demo: 'big' } });
  expect(cloudOf(gateway)).toBeUndefined();
  const none = await configOf('breaker: {enabled: true}, degrade: {otherVersion: false}');
  expect(degradeOf(none.gateway)).toBeUndefined();
});

it.each([
  ['', 15],
  ['keepAlive: 1500ms', 2],
  ['keepAlive: 2m', 120],
  ['keepAlive: off', undefined],
])('silent streams get comments in whole seconds, or none: %s', async (written, expected) => {
  expect(keepAliveOf((await configOf(written)).gateway)).toBe(expected);
});

it('CORS and tokens as they are written', async () => {
  const config = await configOf(
    'cors: {origins: ["https://a.example"], maxAge: 1m}, oauth: {issuer: "https://a.example", audience: x, ttl: 1h}',
  );
  expect(corsOf(config.gateway)).toEqual({ origins: ['https://a.example'], maxAgeS: 60 });
  expect(oauthOf(config)).toMatchObject({ issuer: 'https://a.example', audience: 'x', ttlS: 3600 });
});
