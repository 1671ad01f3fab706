/** The step `gateway.tls` on this machine's own openssl and nginx: what it finds, what it does, and that it ends. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { merge } from '../../src/config/load.js';
import { gatewayDirectory } from '../../src/gateway/files.js';
import { caFile, fingerprint, flawOf, ownFiles } from '../../src/gateway/tls.js';
import { localFiles } from '../../src/hosts/files.js';
import { systemHttp } from '../../src/hosts/http.js';
import { localHost } from '../../src/hosts/local.js';
import { perform } from '../../src/plan/perform.js';
import { endpointOf } from '../../src/steps/record.js';
import type { Setup } from '../../src/steps/setup.js';
import { tls } from '../../src/steps/tls.js';
import type { World } from '../../src/world.js';
import { fakeWorld } from '../world/fake.js';
import { type Gateway, startGateway, testSettings } from './harness.js';
import { type TlsHome, tlsHome } from './tls-home.js';

let home: TlsHome;
let gateway: Gateway | undefined;
beforeEach(async () => {
  home = await tlsHome();
});
afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await home.remove();
});

const world = (now = Date.now()): World => {
  const fake = fakeWorld();
  const random = (n: number) => crypto.getRandomValues(new Uint8Array(n));
  const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
  const clock = { now: () => now, monotonic: () => performance.now(), sleep };
  return { ...fake, places: { ...fake.places, home: home.home }, host: localHost, files: localFiles, clock, random };
};

function setup(section: Record<string, string>, port: number, host = '127.0.0.1'): Setup {
  const overrides = Object.entries({ host, ...section }).map(([name, value]) => ({
    path: name === 'host' ? 'gateway.host' : `gateway.tls.${name}`,
    value,
    flag: '--x',
  }));
  const { config } = merge(undefined, overrides);
  const { places } = world();
  return { name: 'tests', places, config, gateway: { host, port, adminPort: 1 } } as unknown as Setup;
}

async function apply(context: Setup, at = world()): Promise<void> {
  for (const action of await tls.apply(context, at)) await perform(action, at, () => {});
}

const port = (): number => Number(new URL(gateway!.url).port);
const start = async (files = ownFiles(home.home)) => {
  gateway = await startGateway(testSettings([]), { tls: files, directory: gatewayDirectory(home.home) });
};

describe('gateway.tls', () => {
  it('makes a certificate for all that callers may say, and then is done', async () => {
    const context = setup({ mode: 'own-ca' }, 1, '0.0.0.0');
    expect(await tls.done(context, world())).toBe(false);
    await apply(context);
    expect(await tls.done(context, world())).toBe(true);
    const text = await home.certificate();
    const names = ['localhost', '127.0.0.1', '::1'];
    expect(flawOf({ certificate: text, key: text }, Date.now(), { ca: await home.ca(), names })).toBeUndefined();
    expect(endpointOf(context)).toBe('https://127.0.0.1:1/v1');
  });

  it('renews before the end, by the same CA, and the running gateway serves the new one at once', async () => {
    const context = setup({ mode: 'own-ca' }, 1);
    await apply(context);
    await start();
    const running = setup({ mode: 'own-ca' }, port());
    expect(await tls.done(running, world())).toBe(true);
    const ca = await readFile(caFile(home.home), 'utf8');
    const before = fingerprint(await home.certificate());
    const late = world(Date.now() + 340 * 24 * 3600 * 1000);
    expect(await tls.done(running, late)).toBe(false);
    await apply(running, late);
    expect(fingerprint(await home.certificate())).not.toBe(before);
    expect(await tls.done(running, world())).toBe(true);
    expect(await readFile(caFile(home.home), 'utf8')).toBe(ca);
    const { status } = await systemHttp.request({ url: `${gateway!.url}/health`, ca });
    expect(status).toBe(200);
  });

  it('sees that a certificate was changed beneath a running gateway, and has it read', async () => {
    await home.issue();
    const [certificate, key] = ['cert', 'key'].map((name) => `${home.home}/${name}.pem`);
    const bring = async () => {
      for (const file of [certificate!, key!]) {
        await writeFile(file, await home.certificate(), { mode: 0o600 });
        await chmod(file, 0o600);
      }
    };
    await bring();
    await start({ certificate: certificate!, key: key! });
    const context = setup({ mode: 'files', certificate: certificate!, key: key! }, port());
    expect(await tls.done(context, world())).toBe(true);
    await home.issue();
    await bring();
    expect(await tls.done(context, world())).toBe(false);
    await apply(context);
    expect(await tls.done(context, world())).toBe(true);
  });

  it.each([
    ['ended', 400],
    ['early', -2],
  ])('refuses a certificate that was brought along and has %s', async (_, days) => {
    await home.issue();
    const { certificate, key } = ownFiles(home.home);
    const context = setup({ mode: 'files', certificate, key }, 1);
    const at = world(Date.now() + days * 24 * 3600 * 1000);
    expect(await tls.done(context, at)).toBe(false);
    await expect(tls.apply(context, at)).rejects.toMatchObject({ id: 'gateway.tls' });
  });
});

describe('the configuration', () => {
  it.each(['0.0.0.0', '192.168.1.5', '::', 'api.example.com', '127.0.0.1.example.com'])(
    'refuses plain HTTP on %s',
    (host) => {
      expect(() => setup({}, 1, host)).toThrow(expect.objectContaining({ exit: 'usage' }));
      expect(setup({ mode: 'own-ca' }, 1, host).config.gateway.host).toBe(host);
    },
  );

  it.each(['127.0.0.1', '127.8.9.1', 'localhost', '::1'])('allows it on %s', (host) => {
    expect(setup({}, 1, host).config.gateway.tls.mode).toBe('off');
  });

  it.each([
    [{ mode: 'files' }],
    [{ mode: 'files', certificate: '/c' }],
    [{ mode: 'own-ca', certificate: '/c', key: '/k' }],
    [{ key: '/k' }],
  ])('refuses %j', (section) => {
    expect(() => setup(section, 1)).toThrow(expect.objectContaining({ exit: 'usage' }));
  });
});
