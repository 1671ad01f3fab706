/** What nginx, Redis and DNS have in store for a gateway, each with the test that guards against it; some stand here. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { renderNginx } from '../../src/gateway/nginx.js';
import { onBoth } from './both.js';
import { testSettings } from './harness.js';
import { startLua } from './lua.js';

/** The trap, and where its test is: a file of this folder and how the test is called there. */
const traps: readonly (readonly [string, string, string])[] = [
  ['a POST is not retried without non_idempotent', 'engines', 'a POST answered by %s goes to another peer'],
  ['one 502 marks peers dead for ten seconds', 'engines', 'nobody is marked dead for ten seconds'],
  ['a slow failure tried again is the work done twice', 'engines', 'is not tried again: the work would be done twice'],
  [
    'kept connections add tries of nginx’s own',
    'engines',
    'is given up after three tries, also where connections are kept',
  ],
  ['ngx.exit(504) in the balancer is a 500', 'versions', 'three tries are the end, whoever is left'],
  [
    'no waiting in the balancer, no Redis when logging: writes queue',
    'cache-faults',
    'is slow to take writes: what waits is bounded',
  ],
  ['after the first byte nothing is tried again', 'versions', 'not after the first byte'],
  ['a broken stream ends as a dead connection', 'engines', 'ends with an error event, is told as cut'],
  ['a redirect to an error page loses the request’s state', 'engines', 'gives the load back after every kind of end'],
  ['counters in shared memory outlive a crash', 'faults', 'its streams break, its load is gone'],
  ['proxy_set_header in a location loses keep-alive', 'nginx', 'so that none is lost by inheritance'],
  ['the same, as engines see it', 'faults', 'keeps its connections to the engine'],
  ['an engine closes idle connections before us', 'nginx', 'keeps idle engine connections for less than uvicorn does'],
  ['a body that is buffered into a file blocks the worker', 'requests', 'sized or chunked, without a file'],
  ['a stream that is buffered comes late', 'engines', 'passes each event on at once'],
  ['worker_shutdown_timeout cuts streams', 'traps', 'old workers stay for longer than an engine may be silent'],
  ['a buffered log is lost with its worker', 'faults', 'has every answered request on record, however it is killed'],
  ['requests with two lengths, headers that say who one is', 'requests', 'overwrites who the caller says to be'],
  ['the same, by the thousand', 'fuzz', 'nothing at the engine that should not be there'],
  ['a full dictionary evicts keys', 'traps', 'settings that do not fit are refused, and those before stay'],
  ['tokens whose algorithm or time is forged', 'oauth-tokens', 'are refused with any one character changed'],
  [
    'a Redis that hangs costs every request its timeout',
    'redis-faults',
    'costs one request its budget when it is stopped',
  ],
  ['slots of a dead master', 'redis-cluster', 'takes the slots of a dead master for misses at once'],
  ['an answer cached for one is given to another', 'cache-flight', 'do not wait for what another tenant asked'],
  ['a stale or empty DNS answer takes all engines away', 'names', 'the last good peers are kept when the answer is %s'],
  ['nginx’s resolver does not read resolv.conf', 'traps', 'the servers of resolv.conf are asked where none are named'],
  ['Lua is cached: what changes must be data', 'admin', 'is taken within a second when it is replaced'],
  ['limits of each gateway alone add up', 'limits-faults', 'are those of all instances together'],
  ['labels from callers make series without end', 'admin', 'add up to what was asked, over all workers'],
  [
    'builds of nginx differ in their defaults',
    'nginx',
    'writes out what the two dialects would otherwise choose differently',
  ],
];

it.each(traps)('%s: %s.test.ts, “%s”', (_, file, title) => {
  expect(readFileSync(new URL(`${file}.test.ts`, import.meta.url), 'utf8')).toContain(title);
});

describe('worker_shutdown_timeout', () => {
  it('old workers stay for longer than an engine may be silent', () => {
    const at = { host: '127.0.0.1', port: 1 };
    const conf = renderNginx({ build: { version: [1, 22, 1], modules: [] }, listen: at, admin: at, workers: 1 });
    const seconds = (name: string) => Number(new RegExp(`\\b${name} (\\d+)s;`).exec(conf)?.[1]);
    expect(seconds('worker_shutdown_timeout')).toBeGreaterThanOrEqual(seconds('proxy_read_timeout'));
  });
});

it('the servers of resolv.conf are asked where none are named', async () => {
  const text = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  const hosts = [...text.matchAll(/^\s*nameserver\s+([\da-fA-F:.]+)/gm)].map(([, host]) =>
    host!.includes(':') ? `[${host}]` : host,
  );
  const lua = await startLua();
  const found = (await lua.run('return require("core.dns").system()')) as { host: string; port: number }[];
  await lua.stop();
  expect([...found].map((one) => [one.host, one.port])).toEqual(hosts.map((host) => [host, 53]));
  expect(hosts.length).toBeGreaterThan(0);
});

onBoth('a dictionary that is full', { workers: 2 }, (both) => {
  it('settings that do not fit are refused, and those before stay', async () => {
    const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
    const settings = testSettings([both.engine.peer]);
    const key = { ...settings.keys[0]!, id: 'key_2', name: 'x'.repeat(16 * 1024 * 1024 - 4096) };
    const put = await both.gateway.put({ ...settings, revision: 50, keys: [...settings.keys, key] });
    expect(put.status, await put.text()).toBe(507);
    for (let i = 0; i < 20; i += 1) expect((await both.gateway.post(hello)).status).toBe(200);
    expect((await both.gateway.put({ ...settings, revision: 51 })).status).toBe(200);
    expect((await both.gateway.post(hello)).status).toBe(200);
  });
});
