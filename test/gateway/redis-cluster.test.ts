import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import { type RedisOptions, redisOptions } from '../../src/gateway/cache.js';
import { cacheOf, redisOf } from '../../src/steps/policies.js';
import { startEngine } from './engine.js';
import { type Gateway, startGateway, testSettings, until } from './harness.js';
import { type LuaNginx, startLua } from './redis-nginx.js';
import { fakeRedis, type RedisCluster, type RedisServer, startCluster } from './redis-servers.js';

const client = 'local options, a, b = ...; local client = require("core.redis").of(options);';

describe('a cluster of six nodes', () => {
  let nginx: LuaNginx;
  let cluster: RedisCluster;
  let options: RedisOptions;
  beforeAll(async () => {
    [nginx, cluster] = await Promise.all([startLua({ workers: 2 }), startCluster()]);
    // A generous budget: what is under test here is the way to the right node, on a machine that does other things.
    options = redisOptions({ nodes: cluster.servers.slice(0, 2), cluster: true, budgetMs: 1000 });
  }, 120_000);
  afterAll(async () => {
    await nginx?.stop();
    await cluster?.stop();
  });

  const run = <T = unknown>(code: string, ...more: unknown[]) =>
    nginx.run<[T, string | null]>(client + code, { ...options, nodes: options.nodes.map(plain) }, ...more);
  const plain = ({ host, port }: { host: string; port: number }) => ({ host, port });

  const stat = async (server: RedisServer, pattern: RegExp) =>
    Number(pattern.exec(await server.cli('info', 'all'))?.[1] ?? 0);
  const looks = async () => {
    const each = await Promise.all(
      cluster.servers.map((one) => stat(one, /cmdstat_cluster\|slots:calls=(\d+)/).catch(() => 0)),
    );
    return each.reduce((sum, one) => sum + one, 0);
  };

  it('is one line of deepseek.yaml: two gateways share what one was answered', async () => {
    const nodes = cluster.servers.slice(0, 3).map(({ port }) => `"localhost:${port}"`);
    const text = `version: 1\ngateway:\n  redis: {nodes: [${nodes}], cluster: true, username: default, passwordFile: p, timeout: 1s}\n  cache: {enabled: true}\n`;
    const { gateway: given } = merge(await load(text, 'deepseek.yaml'), []).config;
    const engine = await startEngine();
    const settings = testSettings([engine.peer], {
      redis: redisOf(given, new Map([['localhost', '127.0.0.1']]))!,
      cache: cacheOf(given)!,
    });
    const gateways = await Promise.all([startGateway(settings), startGateway(settings)]);
    const ask = async (gateway: Gateway, i: number): Promise<string | null> => {
      const response = await gateway.post({
        model: 'm',
        messages: [{ role: 'user', content: `${i}` }],
        temperature: 0,
      });
      await response.text();
      return response.headers.get('x-cache');
    };
    const all = Array.from({ length: 30 }, (_, i) => i);
    const [one, other] = gateways as [Gateway, Gateway];
    for (const i of all) expect(await ask(one, i)).toBe('miss');
    // 30 answers, each on a master and its replica.
    await until('they are in the cluster', async () => {
      const sizes = await Promise.all(cluster.servers.map((server) => server.cli('keys', 'answer:*')));
      return sizes.join('\n').match(/answer:/g)?.length === 60 || undefined;
    });
    for (const i of all) expect(await ask(other, i)).toBe('hit');
    expect(engine.seen).toHaveLength(30);
    for (const { admin } of gateways) {
      const headers = { authorization: `Bearer ${admin.key}` };
      const state = await (await fetch(`http://127.0.0.1:${admin.port}/state`, { headers })).json();
      expect(state, JSON.stringify(state)).toMatchObject({ redis: { answers: true } });
    }
    for (const gateway of gateways) await gateway.stop();
    // Replicas refuse, and follow.
    for (const server of cluster.servers) await server.cli('flushall');
    await engine.stop();
  });

  it('has the slots that Redis itself computes', async () => {
    const known = [
      '123456789',
      '',
      'foo{hash_tag}',
      '{user1000}.following',
      'foo{}{bar}',
      'foo{{bar}}zap',
      '}{',
      '日{é}',
    ];
    const keys = [...known, ...fc.sample(fc.string({ unit: fc.constantFrom('a', '{', '}', 'é', '\0') }), 200)];
    const code = `for i, key in ipairs(a) do
        a[i] = { require("core.redis_slot")(key), client:call { "CLUSTER", "KEYSLOT", key } }
      end return a`;
    const [pairs] = await run<[number, number][]>(code, keys);
    expect(pairs.map(([ours]) => ours)).toEqual(pairs.map(([, theirs]) => theirs));
  });

  it('finds each key from the first request on, without a map', async () => {
    const code = `
      local wrong = 0
      for i = 1, 200 do
        if client:set("k" .. i, "v" .. i, 600) ~= "OK" then wrong = wrong + 1 end
        if client:get("k" .. i) ~= "v" .. i then wrong = wrong + 1 end
      end
      return wrong`;
    expect((await run(code))[0]).toBe(0);
    const sizes = async () => Promise.all(cluster.servers.map(async (one) => Number(await one.cli('dbsize'))));
    // Masters, and a little later their replicas.
    const each = await until('all keys are there twice', async () => {
      const found = await sizes();
      return found.reduce((sum, one) => sum + one, 0) === 400 ? found : undefined;
    });
    expect(Math.min(...each)).toBeGreaterThan(40);
  });

  it('asks the right node at once when it has the map, and reads the map once for each worker', async () => {
    const pids = new Set();
    await until('both workers have been used', async () => {
      // Several at once, so that one worker does not take them all.
      const one = () => run('client:get("k1") ngx.sleep(0.05) return ngx.worker.pid()');
      for (const [pid] of await Promise.all([one(), one(), one(), one()])) pids.add(pid);
      return pids.size === 2 || undefined;
    });
    for (const one of cluster.servers) await one.cli('config', 'resetstat');
    await run('for i = 1, 500 do client:get("k" .. (i % 200)) end return 1');
    for (const one of cluster.servers) expect(await one.cli('info', 'errorstats')).not.toContain('MOVED');
    expect(await looks()).toBeLessThanOrEqual(2);
  });

  it('gets many keys over all nodes at once, in order; scripts go to the slot of their keys', async () => {
    const [values] = await run<unknown[]>('return client:mget(a)', ['k7', 'none', 'k1', 'k200', 'k99']);
    expect(values).toEqual(['v7', false, 'v1', 'v200', 'v99']);
    const take = 'return client:eval(require("core.redis_scripts").take, { "{t}a", "{t}b" }, { 1, 9, 60, 1, 9, 60 })';
    expect((await run(take))[0]).toEqual([1, 1, 1]);
    const [, apart] = await run(take.replace('{t}b', 'other'));
    expect(apart).toMatch(/^CROSSSLOT/);
  });

  it.each(['-MOVED 1 :%p', '-MOVED 1 ?:%p', '-MOVED 1 127.0.0.1:%p', '-ASK 1 :%p'])(
    'reads %s: without a name, the host is the one that was asked',
    async (words) => {
      const target = await fakeRedis((data) => `${data.includes('ASKING') ? '+OK\r\n' : ''}$2\r\nhi\r\n`);
      const line = `${words.replace('%p', `${target.port}`)}\r\n`;
      const first = await fakeRedis((data) => (data.includes('SLOTS') ? '*0\r\n' : line));
      try {
        const away = { ...options, nodes: [plain(first)] };
        expect(await nginx.run(`${client} return client:get "a"`, away)).toEqual(['hi', null]);
      } finally {
        first.close();
        target.close();
      }
    },
  );

  it('gives up on nodes that send it in circles', async () => {
    let asked = 0;
    const first = await fakeRedis((data) => {
      asked += data.includes('SLOTS') ? 0 : 1;
      return data.includes('SLOTS') ? '*0\r\n' : `-MOVED 1 :${first.port}\r\n`;
    });
    try {
      const [, why] = await nginx.run<[null, string]>(`${client} return client:get "a"`, {
        ...options,
        nodes: [plain(first)],
      });
      expect(why).toMatch(/^MOVED/);
      expect(asked).toBe(5);
    } finally {
      first.close();
    }
  });

  it('loses nothing while slots move under traffic', async () => {
    // Two loops that read and write all the time; they count what went wrong and stop when told.
    const loop = `
      local stop, wrong, done, why = ngx.shared.gateway_flights, 0, 0
      while not stop:get("stop") do
        for i = 1, 200 do
          local value, err = client:get("k" .. i)
          local ok, problem = client:set("k" .. i, "v" .. i, 600)
          done = done + 2
          if value ~= "v" .. i then wrong, why = wrong + 1, err or "another value" end
          if not ok then wrong, why = wrong + 1, problem end
        end
        ngx.sleep(0.001)
      end
      return { wrong, done, why }`;
    const before = await looks();
    const loops = [run<[number, number, string?]>(loop), run<[number, number, string?]>(loop)];
    const from = await cluster.masterOf(100);
    const to = await cluster.masterOf(16_000);
    await cluster.reshard(from, to, 400);
    await cluster.reshard(to, from, 200);
    await nginx.run('ngx.shared.gateway_flights:set("stop", true)');
    const seen = (await Promise.all(loops)).map(([one]) => one);
    expect(seen.map(([wrong, , why]) => [wrong, why])).toEqual([
      [0, undefined],
      [0, undefined],
    ]);
    expect(Math.min(...seen.map(([, done]) => done))).toBeGreaterThan(1000);
    const asked = await Promise.all(cluster.servers.map((one) => stat(one, /errorstat_(?:MOVED|ASK):count=(\d+)/)));
    expect(Math.max(...asked)).toBeGreaterThan(0);
    // Some seconds, two workers: the map is read once a second at most, not once a MOVED.
    expect((await looks()) - before).toBeLessThan(60);
  }, 60_000);

  it('goes where ASK points while a slot is half moved', async () => {
    const slot = Number(await cluster.seed.cli('cluster', 'keyslot', 'k5'));
    const from = await cluster.masterOf(slot);
    const to = await cluster.masterOf((slot + 8192) % 16_384);
    const [fromId, toId] = [await from.cli('cluster', 'myid'), await to.cli('cluster', 'myid')];
    await to.cli('cluster', 'setslot', `${slot}`, 'importing', fromId);
    await from.cli('cluster', 'setslot', `${slot}`, 'migrating', toId);
    try {
      for (const one of cluster.servers) await one.cli('config', 'resetstat');
      const asked = async () => stat(from, /errorstat_ASK:count=(\d+)/);
      // k5 is still at its old place; a new key of its slot is written to the new one.
      expect((await run('return client:get("k5")'))[0]).toBe('v5');
      expect(await asked()).toBe(0);
      expect((await run('return client:set("{k5}new", "there", 2)'))[0]).toBe('OK');
      expect((await run('return client:mget { "k5", "{k5}new", "k6" }'))[0]).toEqual(['v5', 'there', 'v6']);
      expect(await asked()).toBe(2);
    } finally {
      await to.cli('cluster', 'setslot', `${slot}`, 'stable');
      await from.cli('cluster', 'setslot', `${slot}`, 'stable');
    }
  });

  it('takes the slots of a dead master for misses at once, serves the others, and finds the new master', async () => {
    const slot = Number(await cluster.seed.cli('cluster', 'keyslot', 'k1'));
    const dead = await cluster.masterOf(slot);
    const alive = cluster.servers.find((one) => one !== dead)!;
    const before = await looks();
    await dead.kill();
    const code = `ngx.update_time() local from = ngx.now() local value, why = client:get(a) ngx.update_time()
      return { value or false, why or false, (ngx.now() - from) * 1000 }`;
    const get = async (key: string) => (await run<[string | false, string | false, number]>(code, key))[0];
    const away = [];
    for (let i = 0; i < 40; i += 1) away.push(await get('k1'));
    expect(new Set(away.map(([value]) => value))).toEqual(new Set([false]));
    const reasons = away.map(([, why]) => why);
    expect(reasons[0]).toMatch(/connection refused|closed|reset/);
    expect(reasons.filter((why) => why === 'breaker open').length).toBeGreaterThan(30);
    expect(away.map(([, , ms]) => ms).sort((x, y) => x - y)[20]).toBeLessThan(5);
    // Its replica takes over after the node timeout and an election.
    const back = await until(
      'a new master answers',
      async () => {
        const [value] = await get('k1');
        return value || undefined;
      },
      20_000,
    );
    expect(back).toBe('v1');
    expect(await alive.cli('cluster', 'info')).toContain('cluster_state:ok');
    const all = Array.from({ length: 200 }, (_, i) => `k${i + 1}`);
    // The other worker learns of it when it looks at the map again, a second later at the most.
    const known = async () => (await run<unknown[]>('return client:mget(a)', all))[0];
    const wanted = all.map((key) => key.replace('k', 'v')).join();
    await until('all is found again', async () => ((await known()).join() === wanted ? true : undefined));
    expect((await looks()) - before).toBeLessThan(60);
  }, 60_000);
});
