/** What deepseek.yaml says about the gateway, from `init` to what stands on the disk and what runs. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Secrets, Settings } from '../../src/gateway/settings.js';
import type { FakeWorld } from '../world/fake.js';
import { type Machine, machine, type } from '../world/machine.js';

const home = '/home/u/state';
const init = 'init --config d.yaml --yes --no-smoke';
const steps = (world: FakeWorld): string[] => world.shown.filter((line) => /^[✔–✗] /.test(line));
const reloads = (world: FakeWorld): number => world.ran.filter((line) => line.includes('kill -HUP')).length;

const read = async <T>(world: FakeWorld, name: string): Promise<T> =>
  JSON.parse(await world.files.read(`${home}/gateway/${name}`)) as T;
const settings = (world: FakeWorld) => read<Settings>(world, 'settings.json');
const secrets = (world: FakeWorld) => read<Secrets>(world, 'secrets.json');
const conf = (world: FakeWorld) => world.files.read(`${home}/gateway/nginx.conf`);

const everything = `
  engineSilence: 25m
  redis:
    nodes: ["r1.example:7000", "10.0.0.2:7000"]
    cluster: true
    username: gateway
    passwordFile: /etc/redis-password
    tls: {enabled: true, ca: /etc/redis-ca.crt, serverName: r.example}
  cache: {enabled: true, memory: 96MiB}
  breaker: {enabled: true}
  cors: {origins: ["https://app.example"]}
  oauth: {issuer: "https://api.example"}
`;

let world: FakeWorld;
const write = (gateway: string): Promise<void> =>
  world.files.write('/work/d.yaml', `version: 1\nmodel: {id: demo}\ngateway:\n  port: 8080\n${gateway}`);

async function start(options: Machine = {}): Promise<void> {
  world = machine(options);
  for (const folder of ['/etc', '/work']) await world.files.makeDir(folder);
  await world.files.write('/etc/redis-password', 'pw-of-before\n');
  await world.files.write('/etc/redis-ca.crt', 'PEM');
  await world.files.write(
    '/etc/resolv.conf',
    '# local\nnameserver 10.0.0.53\nnameserver fd00::53\nnameserver fe80::1%eth0\nsearch x\n',
  );
}

async function run(gateway: string): Promise<void> {
  await write(gateway);
  world.shown.length = 0;
  world.errors.length = 0;
  expect(await type(world, init), world.errors.join('\n')).toBe(0);
}

beforeEach(() => start());

describe('init', () => {
  it('brings all of it about at once: settings, secrets, nginx', async () => {
    await run(everything);
    const made = await settings(world);
    expect(made).toMatchObject({
      redis: {
        nodes: [
          { host: 'r1.example', port: 7000 },
          { host: '10.0.0.2', port: 7000 },
        ],
        ...{ cluster: true, username: 'gateway', tls: { verify: true, serverName: 'r.example' } },
      },
      cache: { ttlS: 3600, staleS: 86_400 },
      breaker: { rate: 0.5 },
      degrade: { order: ['version'] },
      cors: { origins: ['https://app.example'] },
      oauth: { issuer: 'https://api.example', ttlS: 86_400 },
      // Names are looked up in the background, by the servers of this machine.
      dns: { servers: [] },
    });
    expect(made.models[0]!.versions[0]!.revision).toMatch(/^[0-9a-f]{16}$/);
    expect(await secrets(world)).toMatchObject({
      redisPassword: 'pw-of-before',
      cacheSecret: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(world.disk.get(`${home}/gateway/secrets.json`)!.mode).toBe(0o600);
    const text = await conf(world);
    expect(text).toContain('lua_shared_dict gateway_cache 96m;');
    expect(text).toContain('proxy_read_timeout 1500s;');
    expect(text).toContain('lua_ssl_trusted_certificate "/proc/self/cwd/redis-ca.crt";');
    expect(await world.files.read(`${home}/gateway/redis-ca.crt`)).toBe('PEM');
  });

  it('as a person of this machine who is not root, too', async () => {
    await start({ uid: 1000, nginx: true });
    await run(everything);
    expect(await conf(world)).toContain('lua_ssl_trusted_certificate "/home/u/state/gateway/redis-ca.crt";');
  });

  it('tells no secret, in the plan or anywhere a worker may read', async () => {
    await run(everything);
    const { cacheSecret } = await secrets(world);
    for (const [path, { content, mode }] of world.disk) {
      const text = Buffer.from(content).toString();
      if ((mode & 0o077) === 0 && !path.includes('journal')) continue;
      expect(text.includes(cacheSecret!) || text.includes('pw-of-before'), path).toBe(false);
    }
    expect(world.shown.join('\n')).not.toContain(cacheSecret);
  });

  it('changes nothing the second time', async () => {
    await run(everything);
    const before = new Map(world.disk);
    await run(everything);
    expect(world.shown[0]).toBe('Nothing to change.');
    expect(new Map(world.disk)).toEqual(before);
    expect(reloads(world)).toBe(0);
  });

  it('a setting that is data changes without a reload', async () => {
    await run(everything);
    const before = await settings(world);
    await run(everything.replace('breaker: {enabled: true}', 'breaker: {enabled: true, minimum: 3}'));
    const after = await settings(world);
    expect(after.breaker).toMatchObject({ minimum: 3 });
    expect(after.revision).toBe(before.revision + 1);
    expect(reloads(world)).toBe(0);
    expect(steps(world).slice(-2)).toEqual(['✔ Gateway configuration', '– Engine and gateway running']);
  });

  it('what nginx itself reads is taken up by a reload; engine and gateway stay', async () => {
    await run(everything);
    await run(everything.replace('96MiB', '128MiB'));
    expect(reloads(world)).toBe(1);
    expect(steps(world).at(-1)).toBe('– Engine and gateway running');
  });

  it('another password is taken up, and the other secrets stay', async () => {
    await run(everything);
    const before = await secrets(world);
    await world.files.write('/etc/redis-password', 'pw-of-now\n');
    await run(everything);
    expect(await secrets(world)).toEqual({ ...before, redisPassword: 'pw-of-now' });
    expect(reloads(world)).toBe(1);
  });

  it('a section that is removed is off, and its password is gone', async () => {
    await run(everything);
    const { cacheSecret } = await secrets(world);
    await run('');
    const left = await settings(world);
    for (const name of ['redis', 'cache', 'breaker', 'degrade', 'cors']) expect(left).not.toHaveProperty(name);
    expect(await secrets(world)).toMatchObject({ cacheSecret });
    expect(await secrets(world)).not.toHaveProperty('redisPassword');
    expect(await conf(world)).not.toContain('lua_ssl_trusted_certificate');
  });

  it('keeps keys, clients and signing keys over all of that', async () => {
    await run('');
    const { keys } = await settings(world);
    await run(everything);
    expect((await settings(world)).keys).toEqual(keys);
  });

  it('a cloud as the last resort: its key, its CA, its place in the order; and gone with its section', async () => {
    const cloud = `
  breaker: {enabled: true}
  cloud: {baseUrl: "https://api.example/v1", keyFile: /etc/cloud-key, models: {demo: big}, ca: /etc/redis-ca.crt}
`;
    await world.files.write('/etc/cloud-key', 'sk-of-the-cloud\n');
    await run(cloud);
    expect(await settings(world)).toMatchObject({
      cloud: { host: 'api.example', port: 443, path: '/v1/chat/completions', models: { demo: 'big' } },
      degrade: { order: ['version', 'cloud'] },
    });
    expect((await secrets(world)).cloudKey).toBe('sk-of-the-cloud');
    expect(await conf(world)).toContain('proxy_ssl_trusted_certificate "/etc/redis-ca.crt";');
    expect(JSON.stringify([world.shown, world.ran, await settings(world), await conf(world)])).not.toContain(
      'sk-of-the-cloud',
    );
    await run('');
    expect((await settings(world)).cloud).toBeUndefined();
    expect((await secrets(world)).cloudKey).toBeUndefined();
    expect(await conf(world)).not.toContain('proxy_ssl');
  });

  it('an empty file for a password is told as such', async () => {
    await world.files.write('/etc/redis-password', '\n');
    await write(everything);
    expect(await type(world, init)).toBe(2);
    expect(world.errors.join('\n')).toContain('/etc/redis-password is empty');
  });

  it('another model file is another revision', async () => {
    await world.files.write('/work/m.gguf', 'x');
    const first = await settingsWith('/work/m.gguf', 'x');
    const second = await settingsWith('/work/m.gguf', 'other');
    expect(second).not.toBe(first);
  });
});

describe('a Redis that does not answer', () => {
  it('is found by init at its end, and by status: it is degraded, with the reason and the cure', async () => {
    await start({ redis: { answers: false, why: 'connection refused' } });
    await write(everything);
    expect(await type(world, init)).toBe(1);
    world.shown.length = 0;
    expect(await type(world, 'status')).toBe(1);
    const text = world.shown.join('\n');
    expect(text).toContain('● degraded');
    expect(text).toContain('Redis (r1.example:7000, 10.0.0.2:7000) does not answer the gateway: connection refused.');
    expect(text).toContain('correct gateway.redis in deepseek.yaml');
    expect(text).toMatch(/cache +● on/);
    expect(await type(world, 'status --json')).toBe(1);
    expect(JSON.parse(world.out.at(-1)!)).toMatchObject({
      state: 'degraded',
      redis: { answers: false, why: 'connection refused', nodes: ['r1.example:7000', '10.0.0.2:7000'] },
      cache: { hits: 0, misses: 0 },
      breaker: { open: [] },
    });
  });
});

it('what nginx refuses is told in its own words, before the running one is asked to take it', async () => {
  let stderr = '';
  await start({ nginxTest: () => (stderr ? { code: 1, stderr } : {}) });
  await run('');
  stderr = 'nginx: [emerg] SSL_CTX_load_verify_locations("/x.crt") failed\nnginx: configuration file test failed\n';
  await write(everything);
  world.errors.length = 0;
  expect(await type(world, init)).toBe(4);
  expect(world.errors.join('\n')).toContain('nginx refuses its configuration: SSL_CTX_load_verify_locations("/x.crt")');
  expect(reloads(world)).toBe(0);
});

/** The revision that answers of this file are cached under. */
async function settingsWith(path: string, content: string): Promise<string | undefined> {
  await world.files.write(path, content);
  const { revisionOf } = await import('../../src/steps/settings.js');
  const setup = {
    model: { id: 'm', file: path, source: { kind: 'file' } },
    config: { engine: { contextSize: 4096 } },
    places: world.places,
  };
  return revisionOf(setup as never, world);
}
