import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RedisOptions, redisOptions } from '../../src/gateway/cache.js';
import { until } from './harness.js';
import { type LuaNginx, startLua } from './redis-nginx.js';
import { fakeRedis, startRedis } from './redis-servers.js';

const client = 'local options = ...; local client = require("core.redis").of(options);';

const at = ({ host, port }: { host: string; port: number }, more: Partial<RedisOptions> = {}) =>
  redisOptions({ nodes: [{ host, port }], ...more });

describe('a Redis that is slow, broken or away', () => {
  let nginx: LuaNginx;
  const open: { stop?: () => unknown; close?: () => unknown }[] = [];
  beforeAll(async () => {
    nginx = await startLua({ workers: 2 });
  });
  afterAll(() => nginx?.stop());
  afterEach(async () => {
    for (const one of open.splice(0)) await (one.stop ?? one.close)?.call(one);
  });

  /** The result, and how long it took in nginx, in ms. */
  const timed = async (options: RedisOptions) => {
    const code = `${client} ngx.update_time(); local from = ngx.now(); local value, why = client:get("a")
      ngx.update_time(); return { value == nil and ngx.null or value, why or ngx.null, (ngx.now() - from) * 1000 }`;
    const [[value, why, ms]] = await nginx.run<[[unknown, string | null, number]]>(
      code.replaceAll('ngx.null', 'require("cjson").null'),
      options,
    );
    return { value, why, ms };
  };

  it('costs one request its budget when it is stopped, nobody after that, and comes back by itself', async () => {
    const redis = await startRedis();
    open.push(redis);
    const options = at(redis);
    await redis.cli('set', 'a', '1');
    expect((await timed(options)).value).toBe('1');
    redis.signal('SIGSTOP');
    const first = await timed(options);
    expect(first.why).toBe('timeout');
    expect(first.ms).toBeGreaterThan(20);
    expect(first.ms).toBeLessThan(500);
    // Over both workers, and over several cool-downs: the probe is not a request.
    const later = [];
    for (const end = Date.now() + 2500; Date.now() < end; ) later.push(await timed(options));
    expect(later.length).toBeGreaterThan(20);
    expect(new Set(later.map((one) => one.why))).toEqual(new Set(['breaker open']));
    expect(later.map((one) => one.ms).sort((a, b) => a - b)[later.length >> 1]).toBeLessThan(10);
    redis.signal('SIGCONT');
    await until('it is asked again', async () => (await timed(options)).value === '1' || undefined, 3000);
    expect(nginx.log()).toMatch(/is left alone for a while: timeout/);
    expect(nginx.log()).toMatch(/answers again/);
  });

  it('is not blamed for the time that the worker itself was busy', async () => {
    const redis = await startRedis();
    open.push(redis);
    await redis.cli('set', 'a', '1');
    const code = `${client}
      local function burn(ms)
        local from = os.clock()
        while os.clock() - from < ms / 1000 do end
      end
      local function get()
        local value, why = client:get "a"
        return value or why
      end
      local seen = {}
      for round = 1, 2 do
        burn(1500)
        seen[#seen + 1] = get()
        -- Ten at once, each of which keeps the worker from reading the answers of those before.
        local threads = {}
        for i = 1, 10 do
          threads[i] = ngx.thread.spawn(function()
            burn(150)
            return get()
          end)
        end
        for i = 1, 10 do
          local _, value = ngx.thread.wait(threads[i])
          seen[#seen + 1] = value
        end
      end
      return seen`;
    const [seen] = await nginx.run<[string[]]>(code, at(redis, { budgetMs: 1000 }));
    expect(seen).toEqual(Array(22).fill('1'));
  });

  it('is left alone after some refused connections', async () => {
    const redis = await startRedis();
    open.push(redis);
    await redis.kill();
    const seen = [];
    for (let i = 0; i < 5; i += 1) seen.push((await timed(at(redis))).why);
    expect(seen).toEqual([...Array(3).fill('connection refused'), 'breaker open', 'breaker open']);
    await redis.restart();
    await until('it is asked again', async () => (await timed(at(redis))).value === false || undefined, 3000);
  });

  it('cannot stretch the budget by trickling', async () => {
    const server = await fakeRedis((_, socket) => {
      socket.write('$1000\r\n');
      const timer = setInterval(() => socket.write('x'), 5);
      socket.on('close', () => clearInterval(timer));
    });
    open.push(server);
    const seen = [];
    // Other settings each time, for which the breaker is closed.
    for (let i = 0; i < 5; i += 1) seen.push(await timed(at(server, { writeMs: 100 + i })));
    expect(seen.map((one) => one.why)).toEqual(Array(5).fill('timeout'));
    // The best of them: the machine may be busy with other things.
    expect(Math.min(...seen.map((one) => one.ms))).toBeLessThan(35);
  });

  it.each([
    ['no type', '?what\r\n', 'protocol: an unknown type'],
    ['a length that is none', '$12x\r\n', 'protocol: a broken length'],
    ['a huge length', '$99999999999\r\n', 'protocol: a broken length'],
    ['a bulk string without its end', '$3\r\nabcde', 'protocol: a bulk string without end'],
    ['a broken number', ':1x\r\n', 'protocol: a broken number'],
    ['an endless line', 'x'.repeat(10_000), 'protocol: a line without end'],
    ['nested arrays', '*1\r\n'.repeat(50), 'protocol: a broken array'],
    ['more than was asked for', '$1\r\na\r\n$1\r\nb\r\n', 'protocol: more replies than commands'],
    ['an empty line', '\r\n', 'protocol: an unknown type'],
  ])('takes %s for an error and drops the connection', async (_, bytes, why) => {
    let closed = 0;
    const server = await fakeRedis((_, socket) => {
      socket.on('close', () => {
        closed += 1;
      });
      return bytes;
    });
    open.push(server);
    expect((await timed(at(server))).why).toBe(why);
    await until('the connection is closed', () => (closed > 0 ? true : undefined));
  });

  it('understands a reply however it is cut into pieces', async () => {
    const reply = '*4\r\n$5\r\nab\r\nc\r\n:-12\r\n*2\r\n+OK\r\n$-1\r\n-ERR no\r\n';
    for (let cut = 1; cut < reply.length; cut += 1) {
      const server = await fakeRedis((_, socket) => {
        setTimeout(() => socket.write(reply.slice(cut)), 3);
        return reply.slice(0, cut);
      });
      const [value] = await nginx.run<unknown[]>(
        `${client} return client:call { "X" }`,
        at(server, { budgetMs: 500 }),
        null,
      );
      server.close();
      expect(value).toEqual(['ab\r\nc', -12, ['OK', false], { error: 'ERR no' }]);
    }
  });

  it('is not asked by more requests than may wait for a connection', async () => {
    const server = await fakeRedis((_, socket) => {
      setTimeout(() => socket.write('$1\r\na\r\n'), 30);
    });
    open.push(server);
    const options = at(server, { connections: 2, waiting: 1, budgetMs: 500 });
    const code = `${client} local threads, seen = {}, {}
      for i = 1, 8 do threads[i] = ngx.thread.spawn(function() return client:get("a") end) end
      for i = 1, 8 do local _, value, why = ngx.thread.wait(threads[i]); seen[i] = value or why end
      return seen`;
    const [seen] = await nginx.run<[string[]]>(code, options);
    expect(seen.filter((one) => one === 'a')).toHaveLength(3);
    expect(seen.filter((one) => one === 'too many waiting connect operations')).toHaveLength(5);
    // That was our own bound, and no fault of the server's.
    expect((await timed(options)).value).toBe('a');
  });
});
