import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisOptions, redisOptions } from '../../src/gateway/cache.js';
import type { BuildName } from './builds.js';
import { until } from './harness.js';
import { type LuaNginx, startLua } from './redis-nginx.js';
import { type RedisServer, startRedis } from './redis-servers.js';

const password = 'p4ss-of-the-tests';
/** The client of these options, as the gateway's settings would make it. */
const client = 'local options, password = ...; local client = require("core.redis").of(options, password);';

const never = { failures: 1e9, windowS: 1, coolDownS: 1 };

const at = ({ host, port }: { host: string; port: number }, more: Partial<RedisOptions> = {}) =>
  redisOptions({ nodes: [{ host, port }], ...more });

describe.each<BuildName>(['debian', 'current'])('the Redis client on %s nginx', (name) => {
  let nginx: LuaNginx;
  let redis: RedisServer;
  beforeAll(async () => {
    [nginx, redis] = await Promise.all([startLua({ nginx: name }), startRedis({ password })]);
  }, 120_000);
  afterAll(async () => {
    await nginx?.stop();
    await redis?.stop();
  });

  const run = (code: string, options = at(redis), word: string | null = password) =>
    nginx.run<[unknown, string | null]>(client + code, options, word);

  it('sets, gets, counts, deletes; tells a missing value from one that could not be had', async () => {
    expect(await run('return client:set("a", "1", 100)')).toEqual(['OK', null]);
    expect(await run('return client:get("a")')).toEqual(['1', null]);
    expect(Number(await redis.cli('ttl', 'a'))).toBeGreaterThan(90);
    expect(await run('return client:get("none")')).toEqual([false, null]);
    expect(await run('return client:incrby("n", 5, 30)')).toEqual([5, null]);
    expect(await run('return client:incrby("n", 2, 30)')).toEqual([7, null]);
    expect(Number(await redis.cli('ttl', 'n'))).toBeGreaterThan(20);
    expect(await run('return client:del("a")')).toEqual([1, null]);
    expect(await run('return client:get("n")')).toEqual(['7', null]);
    expect(await run('return client:call { "INCR", "n", "too", "many" }')).toEqual([
      null,
      "ERR wrong number of arguments for 'incr' command",
    ]);
  });

  it('carries any bytes and a value of a megabyte', async () => {
    const code = `
      local bytes = {}
      for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
      local value = table.concat(bytes):rep(4096) .. "\\r\\n$-1\\r\\n"
      client:set("big", value, 100, 1000)
      return client:call({ "GET", "big" }, 1000) == value, #value`;
    expect(await run(code)).toEqual([true, 1024 * 1024 + 7]);
  });

  it('asks for many at once, in order, errors in their places', async () => {
    await run('return client:set("x", "X", 100)');
    expect(await run('return client:mget { "x", "none", "x" }')).toEqual([['X', false, 'X'], null]);
    const mixed = 'return client:pipeline { { "GET", "x" }, { "INCR", "x" }, { "LRANGE", "none", 0, -1 } }';
    expect(await run(mixed)).toEqual([['X', { error: 'ERR value is not an integer or out of range' }, {}], null]);
  });

  it('runs scripts by their digest and sends them when Redis has forgotten them', async () => {
    const take =
      'local r = require("core.redis_scripts"); return client:eval(r.take, { "{t}a", "{t}b" }, { 1, 2, 60, 10, 15, 60 })';
    await redis.cli('script', 'flush');
    expect(await run(take)).toEqual([[1, 1, 10], null]);
    expect((await redis.cli('info', 'commandstats')).match(/cmdstat_eval:calls=(\d+)/)?.[1]).toBe('2');
    // The second counter is full: neither is raised.
    const [full] = (await run(take)) as [number[], null];
    expect(full.slice(0, 3)).toEqual([0, 2, 10]);
    expect(full[3]).toBeGreaterThan(50_000);
    expect(await run('return client:mget { "{t}a", "{t}b" }')).toEqual([['1', '10'], null]);
  });

  it('keeps connections', async () => {
    const total = async () => Number(/total_connections_received:(\d+)/.exec(await redis.cli('info', 'stats'))![1]);
    await run('return client:get("x")');
    const before = await total();
    for (let i = 0; i < 20; i += 1) await run('return client:get("x")');
    expect((await total()) - before).toBe(1); // the redis-cli that asks
  });

  it('goes on over a connection that Redis has closed in the meantime', async () => {
    for (let i = 0; i < 5; i += 1) {
      expect(await run('return client:set("k", "v", 100)')).toEqual(['OK', null]);
      await redis.cli('client', 'kill', 'type', 'normal', 'skipme', 'yes');
      expect(await run('return client:get("k")')).toEqual(['v', null]);
    }
  });

  it('is refused with a wrong password, and no log has one', async () => {
    const [value, why] = await run('return client:get("k")', at(redis), 'wr0ng-password');
    expect([value, why]).toEqual([null, 'WRONGPASS invalid username-password pair or user is disabled.']);
    const [, unasked] = await run('return client:get("k")', at(redis), null);
    expect(unasked).toMatch(/^NOAUTH/);
    await run(
      'for _ = 1, 9 do client:get("k") end ngx.sleep(0.1) return 1',
      at(redis, { database: 1 }),
      'wr0ng-password',
    );
    expect(nginx.log()).toContain('is left alone for a while: WRONGPASS');
    await until('the right password is heard again', async () => (await run('return client:get("k")'))[0] ?? undefined);
    expect(nginx.log()).not.toContain('wr0ng-password');
    expect(nginx.log()).not.toContain(password);
  });

  it('never raises where no socket may be used', async () => {
    const inLog = await startLua({
      nginx: name,
      http: `log_by_lua_block {
        if ngx.var.uri ~= "/up" then return end
        local options = require("cjson").decode([[${JSON.stringify(at(redis))}]])
        local ok, value, why = pcall(function() return require("core.redis").of(options):get("x") end)
        ngx.shared.gateway_redis:set("seen", tostring(ok) .. " " .. tostring(value) .. " " .. tostring(why))
      }`,
    });
    try {
      const seen = await until('the log phase', async () => {
        const [text] = await inLog.run<unknown[]>('return ngx.shared.gateway_redis:get "seen"');
        return (text as string | null) ?? undefined;
      });
      expect(seen).toBe('true nil not possible here');
    } finally {
      await inLog.stop();
    }
  });
});

describe('logins', () => {
  let nginx: LuaNginx;
  beforeAll(async () => {
    nginx = await startLua();
  });
  afterAll(() => nginx?.stop());

  it('logs in as a user of the ACL and selects a database', async () => {
    const redis = await startRedis({ password, user: 'app on >secret ~app:* +get +set +select' });
    try {
      const options = at(redis, { username: 'app', database: 3 });
      const run = (code: string) => nginx.run(client + code, options, 'secret');
      expect(await run('return client:set("app:a", "1", 100)')).toEqual(['OK', null]);
      expect(await redis.cli('-n', '3', 'get', 'app:a')).toBe('1');
      expect(((await run('return client:get("other")')) as string[])[1]).toMatch(/^NOPERM/);
    } finally {
      await redis.stop();
    }
  });

  it('listens to a socket in the file system', async () => {
    const redis = await startRedis({ more: ['--unixsocket', 'redis.sock', '--unixsocketperm', '777'] });
    try {
      const folder = (await redis.cli('config', 'get', 'dir')).split('\n')[1]!;
      const { chmod } = await import('node:fs/promises');
      await chmod(folder, 0o755);
      const options = at({ host: `unix:${folder}/redis.sock`, port: 0 });
      expect(await nginx.run(`${client} return client:set("a", "1", 9)`, options, null)).toEqual(['OK', null]);
    } finally {
      await redis.stop();
    }
  });

  it('speaks TLS, and believes only the CA it was given', async () => {
    const redis = await startRedis({ password, tls: true });
    const trusting = await startLua({ http: `lua_ssl_trusted_certificate ${redis.ca};` });
    try {
      const options = at(redis, { tls: { verify: true, serverName: 'localhost' }, budgetMs: 200 });
      const get = `${client} return client:set("a", "1", 9)`;
      expect(await trusting.run(get, options, password)).toEqual(['OK', null]);
      const refused = async (at: LuaNginx, one: RedisOptions) => (await at.run<[null, string]>(get, one, password))[1];
      // A handshake that fails while it is begun leaves a socket that says 'closed'; what counts is that nothing is sent.
      for (let i = 0; i < 20; i += 1) {
        await redis.cli('config', 'resetstat');
        const other = { ...options, tls: { verify: true, serverName: `other-${i}` }, breaker: never };
        expect(await refused(trusting, other)).toMatch(/^TLS: certificate host mismatch|^closed/);
        expect(await refused(nginx, { ...other, tls: { verify: true } })).toMatch(/^TLS: .*self-signed|^closed/);
        expect(await redis.cli('info', 'commandstats')).not.toMatch(/cmdstat_(set|get|auth):calls=[2-9]/);
      }
      expect(await refused(nginx, at(redis))).toMatch(/^closed|reset by peer/);
    } finally {
      await trusting.stop();
      await redis.stop();
    }
  });
});
