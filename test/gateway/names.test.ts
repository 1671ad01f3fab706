/** Peers by name: a real DNS server whose answers change, fail and go missing, under a gateway that goes on. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { getMetrics, getState, stateOf } from '../../src/gateway/admin.js';
import { dnsOptions } from '../../src/gateway/dns.js';
import type { Settings } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import type { BuildName } from './builds.js';
import { type DnsServer, startDns, type Zone } from './dns-server.js';
import { answer, sleep, startEngine, stream, type TestEngine } from './engine.js';
import { type Gateway, startGateway, testSettings, until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const { staleS } = dnsOptions();
const name = 'engines.ai.svc.cluster.local';

describe.each<BuildName>(['debian', 'current'])('peers by name (%s nginx)', (nginx) => {
  let dns: DnsServer;
  let gateway: Gateway;
  const engines: TestEngine[] = [];
  const hosts = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
  let settings: Settings;
  let revision = 1;

  beforeAll(async () => {
    dns = await startDns();
    engines.push(await startEngine(answer, { host: hosts[0]! }));
    const { port } = engines[0]!.peer;
    for (const host of hosts.slice(1)) engines.push(await startEngine(answer, { host, port }));
    settings = testSettings([{ host: name, port }], {
      dns: dnsOptions({ servers: [{ host: '127.0.0.1', port: dns.port }], timeoutMs: 300, leastS: 0.3, longestS: 1 }),
    });
    dns.set(name, { a: hosts });
    gateway = await startGateway(settings, { nginx, workers: 2 });
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    for (const engine of engines) await engine.stop();
    await dns?.stop();
  });
  beforeEach(() => {
    for (const engine of engines) {
      engine.usual(answer);
      engine.forget();
    }
  });

  const state = async () => stateOf(await systemHttp.request(getState(gateway.admin)));
  const addresses = async () => (await state()).models[0]!.versions[0]!.peers.map((peer) => peer.address.split(':')[0]);
  const ask = async () => {
    const response = await gateway.post(hello);
    await response.text();
    return response.status;
  };
  const use = async (zone: Zone | undefined, wanted: readonly string[]) => {
    dns.set(name, zone);
    await until(`peers are ${wanted}`, async () => `${await addresses()}` === `${wanted}` || undefined);
    // Both workers go by it a tick later.
    await sleep(450);
  };
  const failing = async (why: string) =>
    until(`${why} is told`, async () => (await state()).names[0]!.error === why || undefined);

  it('all addresses become peers, and are asked', async () => {
    await use({ a: hosts }, hosts);
    for (let i = 0; i < 40; i += 1) expect(await ask()).toBe(200);
    expect(engines.every(({ seen }) => seen.length > 0)).toBe(true);
    const [one] = (await state()).models[0]!.versions;
    expect(one!.peers[0]).toMatchObject({ address: `${hosts[0]}:${engines[0]!.peer.port}`, name });
  });

  it('changes are taken up without a reload, and streams on an address that went are finished', async () => {
    await use({ a: [hosts[0]!] }, [hosts[0]!]);
    engines[0]!.usual(stream(40, 50));
    const long = gateway.post({ ...hello, stream: true }).then((response) => response.text());
    await until('it is in hand', () => engines[0]!.seen.length === 1 || undefined);
    await use({ a: [hosts[1]!] }, [hosts[1]!]);
    for (let i = 0; i < 20; i += 1) expect(await ask()).toBe(200);
    expect(engines[0]!.seen).toHaveLength(1);
    expect(engines[1]!.seen).toHaveLength(20);
    expect(await long).toContain('[DONE]');
  });

  it.each<[string, Zone | undefined]>([
    ['empty', {}],
    ['NXDOMAIN', undefined],
    ['SERVFAIL', { a: ['127.0.0.9'], fails: 'SERVFAIL' }],
    ['timeout', { a: ['127.0.0.9'], fails: 'silent' }],
    ['malformed', { a: ['127.0.0.9'], fails: 'cut' }],
  ])('the last good peers are kept when the answer is %s', async (why, zone) => {
    await use({ a: hosts.slice(0, 2) }, hosts.slice(0, 2));
    dns.set(name, zone);
    await failing(why);
    for (let i = 0; i < 10; i += 1) expect(await ask()).toBe(200);
    expect(await addresses()).toEqual(hosts.slice(0, 2));
    // Half a second of old workers' last breath aside, a reload changes nothing about it.
    gateway.process.kill('SIGHUP');
    await sleep(700);
    expect(await addresses()).toEqual(hosts.slice(0, 2));
    for (let i = 0; i < 10; i += 1) expect(await ask()).toBe(200);
    await use({ a: hosts.slice(2) }, hosts.slice(2));
    expect((await state()).names[0]!.error).toBeUndefined();
    expect(gateway.log()).toContain(`name ${name}: ${why}; its last good addresses are kept`);
  });

  it.each<[string, Zone]>([
    ['empty', {}],
    ['timeout', { fails: 'silent' }],
    ['SERVFAIL for AAAA', { a: ['127.0.0.2'], fails: 'SERVFAIL for AAAA' }],
  ])(
    'addresses that are too old are used no more when the answer is %s, and told of before that',
    async (why, zone) => {
      const metrics = async () => (await systemHttp.request(getMetrics(gateway.admin))).text();
      const stale = async () => Number(/^gateway_dns_stale_seconds\{[^}]*\} (\S+)$/m.exec(await metrics())?.[1]);
      const partly = zone.a !== undefined;
      await use({ a: hosts.slice(0, 1), aaaa: ['0:0:0:0:0:0:0:9'] }, [hosts[0]!, '[0']);
      expect(await stale()).toBe(0);
      const put = (staleS: number) => {
        revision += 1;
        return gateway.put({ ...settings, revision, dns: { ...settings.dns!, staleS } });
      };
      expect((await put(2)).status).toBe(200);
      dns.set(name, zone);
      if (!partly) {
        await failing(why);
        await until('it is told', async () => (await stale()) > 0.3 || undefined);
      }
      const left = partly ? hosts[0]! : '';
      await until('they are gone', async () => `${await addresses()}` === left || undefined);
      expect(gateway.log()).toMatch(/no good answer for \d+ s, its 1 AAAA addresses are dropped/);
      await sleep(450);
      expect(await ask()).toBe(partly ? 200 : 503);
      expect(await stale()).toBe(0);
      await use({ a: hosts.slice(0, 1) }, hosts.slice(0, 1));
      expect(await ask()).toBe(200);
      expect((await put(3600)).status).toBe(200);
    },
  );

  it('settings from before there was a limit to their age are taken: the last good peers are kept for an hour', async () => {
    await use({ a: hosts.slice(0, 1) }, hosts.slice(0, 1));
    const { staleS: _, ...older } = settings.dns!;
    revision += 1;
    const put = await gateway.put({ ...settings, revision, dns: older as never });
    expect(put.status, await put.text()).toBe(200);
    dns.set(name, {});
    await failing('empty');
    await sleep(450);
    expect(await ask()).toBe(200);
    expect(gateway.log()).toContain(
      `name ${name}: empty; its last good addresses are kept, for ${staleS} s at the most`,
    );
  });

  it('an answer that does not fit into UDP is asked for over TCP', async () => {
    const many = Array.from({ length: 60 }, (_, i) => `127.0.1.${i + 10}`);
    await use({ a: many, fails: 'truncated' }, many);
    expect(dns.asked).toContain(`${name} A tcp`);
  });

  it('a forged answer is passed over, and the right one taken', async () => {
    await use({ a: [hosts[1]!], fails: 'forged' }, [hosts[1]!]);
    expect(await ask()).toBe(200);
  });

  it('an alias is followed, IPv6 addresses are peers too, and a server that fails at AAAA alone does no harm', async () => {
    await use({ a: [hosts[0]!], cname: 'pods.ai.svc.cluster.local' }, [hosts[0]!]);
    dns.set(name, { a: [hosts[0]!], aaaa: ['0:0:0:0:0:0:0:1'] });
    const all = async () => (await state()).models[0]!.versions[0]!.peers.map((peer) => peer.address);
    const { port } = engines[0]!.peer;
    await until(
      'both are there',
      async () => (await all()).join() === `${hosts[0]}:${port},[0:0:0:0:0:0:0:1]:${port}` || undefined,
    );
    await sleep(450);
    const six = await startEngine(answer, { host: '::1', port });
    for (let i = 0; i < 40; i += 1) expect(await ask()).toBe(200);
    expect(six.seen.length).toBeGreaterThan(0);
    await six.stop();
    dns.set(name, { a: [hosts[0]!] });
    await until('one is left', async () => (await all()).length === 1 || undefined);
    await use({ a: [hosts[1]!], fails: 'SERVFAIL for AAAA' }, [hosts[1]!]);
  });

  it('a time to live is honoured, within bounds', async () => {
    const count = async (zone: Zone, ms: number) => {
      await use(zone, hosts.slice(0, 1));
      await sleep(1100);
      dns.asked.length = 0;
      await sleep(ms);
      return dns.asked.filter((one) => one.includes(' A ')).length;
    };
    // 0 is held to `leastS`, an hour to `longestS`.
    const often = await count({ a: hosts.slice(0, 1), ttl: 0 }, 2200);
    const seldom = await count({ a: hosts.slice(0, 1), ttl: 3600 }, 2200);
    expect(often).toBeGreaterThanOrEqual(4);
    expect(often).toBeLessThanOrEqual(8);
    expect(seldom).toBeGreaterThanOrEqual(1);
    expect(seldom).toBeLessThanOrEqual(3);
  });

  it('a name without an answer yet is 503 until it has one; names that left the settings are forgotten', async () => {
    revision += 1;
    const other = 'others.ai.svc.cluster.local';
    const { port } = engines[0]!.peer;
    const models = [
      { id: 'm', versions: [{ name: 'blue', weight: 1, peers: [{ host: `${other.toUpperCase()}.`, port }] }] },
    ];
    expect((await gateway.put({ ...settings, revision, models })).status).toBe(200);
    expect(await ask()).toBe(503);
    dns.set(other, { a: [hosts[2]!] });
    await until('it answers', async () => (await ask()) === 200 || undefined);
    expect((await state()).names.map((one) => one.name)).toEqual([other]);
    const text = await (await systemHttp.request(getMetrics(gateway.admin))).text();
    expect(text).toContain(`gateway_dns_addresses{name="${other}"} 1\n`);
    expect(text).toMatch(/gateway_dns_lookups_total\{result="answered"\} \d+/);
    expect(text).toMatch(/gateway_dns_lookups_total\{result="failed"\} \d+/);
    revision += 1;
    expect((await gateway.put({ ...settings, revision })).status).toBe(200);
  });

  it('refuses what is no name, and names without dns', async () => {
    const { port } = engines[0]!.peer;
    for (const [host, dns] of [
      ['-a b', settings.dns],
      ['a..b', settings.dns],
      [`${'x'.repeat(64)}.local`, settings.dns],
      ['$(id)', settings.dns],
      [name, undefined],
    ] as const) {
      const models = [{ id: 'm', versions: [{ name: 'blue', weight: 1, peers: [{ host, port }] }] }];
      const put = await gateway.put({ ...settings, dns: dns as never, revision: 1000, models });
      expect(put.status, host).toBe(400);
    }
  });
});
