/** HTTPS on real nginx: versions, HSTS, who is trusted, and a certificate that changes under a running stream. */
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, ownFiles } from '../../src/gateway/tls.js';
import { systemHttp } from '../../src/hosts/http.js';
import { trusting } from '../../src/targets/endpoint.js';
import type { HttpRequest } from '../../src/world.js';
import { fakeWorld } from '../world/fake.js';
import type { BuildName } from './builds.js';
import { startEngine, stream, type TestEngine } from './engine.js';
import { apiKey, type Gateway, startGateway, testSettings, until } from './harness.js';
import { type TlsHome, tlsHome } from './tls-home.js';

const hello = JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] });

describe.each<BuildName>(['debian', 'current'])('HTTPS (%s nginx)', (nginx) => {
  let home: TlsHome;
  let engine: TestEngine;
  let gateway: Gateway;
  let ca: string;
  beforeAll(async () => {
    home = await tlsHome();
    await home.issue();
    ca = await home.ca();
    engine = await startEngine();
    gateway = await startGateway(testSettings([engine.peer]), { nginx, tls: ownFiles(home.home) });
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await engine?.stop();
    await home?.remove();
  });

  const dial = (options: ConnectionOptions): Promise<TLSSocket> =>
    new Promise((done, fail) => {
      const port = Number(new URL(gateway.url).port);
      const socket = connect({ host: '127.0.0.1', port, ca, ...options }, () => done(socket));
      socket.on('error', fail);
    });
  const chat = (): HttpRequest => ({
    method: 'POST',
    url: `${gateway.url}/v1/chat/completions`,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: hello,
    ca,
  });

  it('answers with HSTS, refusals too', async () => {
    for (const [path, status] of [
      ['/health', 200],
      ['/nothing', 404],
      ['/v1/models', 401],
    ] as const) {
      const response = await systemHttp.request({ url: gateway.url + path, ca });
      await response.text();
      expect([response.status, response.headers['strict-transport-security']]).toEqual([status, 'max-age=31536000']);
    }
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s with forward secrecy', async (version) => {
    const socket = await dial({ minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    expect((socket.getEphemeralKeyInfo() as { type: string }).type).toBe('ECDH');
    expect(socket.getCipher().standardName).toMatch(/_(GCM|POLY1305)_/);
    socket.destroy();
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('refuses %s', async (version) => {
    // Security level 0, else it is OpenSSL on our side that refuses.
    const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(dial(old)).rejects.toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  });

  it.each(['ECDHE-ECDSA-AES128-SHA', 'AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-SHA384'])(
    'refuses %s',
    async (ciphers) => {
      await expect(dial({ maxVersion: 'TLSv1.2', ciphers })).rejects.toMatchObject({
        code: expect.stringMatching(/^E/),
      });
    },
  );

  it('is trusted by its CA alone, and by its names alone', async () => {
    const url = `${gateway.url}/health`;
    await expect(systemHttp.request({ url })).rejects.toThrow(/self-signed|unable to/);
    const other = await tlsHome();
    await other.issue();
    await expect(systemHttp.request({ url, ca: await other.ca() })).rejects.toThrow();
    await other.remove();
    await expect(dial({ servername: 'evil.example' })).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  it('tells plain HTTP what is wanted, and gives it nothing', async () => {
    const response = await fetch(`${gateway.url.replace('https', 'http')}/v1/models`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'https_needed', type: 'invalid_request_error' } });
  });

  it('changes its certificate under a running stream, which loses nothing', async () => {
    const before = fingerprint(await home.certificate())!;
    engine.next(stream(60, 40));
    const events: string[] = [];
    const ended = new Promise<void>((done, fail) => {
      systemHttp.stream(chat(), {
        onHeaders: (status) => expect(status).toBe(200),
        onData: (chunk) =>
          events.push(
            ...(Buffer.from(chunk)
              .toString()
              .match(/data: \{/g) ?? []),
          ),
        onEnd: () => done(),
        onError: fail,
      });
    });
    await until('the stream runs', () => events.length > 2 || undefined);
    await home.issue();
    const after = fingerprint(await home.certificate())!;
    expect(after).not.toBe(before);
    gateway.process.kill('SIGHUP');
    await until('the new certificate', async () => {
      const socket = await dial({});
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      expect([before, after]).toContain(fingerprint256);
      return fingerprint256 === after || undefined;
    });
    expect(events.length).toBeLessThan(55);
    const again = await systemHttp.request({ url: `${gateway.url}/health`, ca });
    expect(again.status).toBe(200);
    await again.text();
    await ended;
    // 60 pieces and the usage.
    expect(events.length).toBeGreaterThanOrEqual(60);
  });

  it('is trusted by the world of a command, which trusts nothing more for it', async () => {
    const world = trusting({ url: `${gateway.url}/v1`, ca }, fakeWorld({ http: systemHttp }));
    const { status } = await world.http.request({ url: `${gateway.url}/health` });
    expect(status).toBe(200);
    const elsewhere = gateway.url.replace('127.0.0.1', 'localhost');
    await expect(world.http.request({ url: `${elsewhere}/health` })).rejects.toThrow(/self-signed|unable to/);
  });

  it('keeps connections that trust one CA from requests that trust another', async () => {
    const status = (request: HttpRequest) =>
      new Promise<number | string>((done) => {
        let got = 0;
        systemHttp.stream(request, {
          onHeaders: (code) => {
            got = code;
          },
          onData: () => {},
          onEnd: () => done(got),
          onError: () => done('refused'),
        });
      });
    const url = `${gateway.url}/health`;
    expect(await status({ url, ca })).toBe(200);
    expect(await status({ url })).toBe('refused');
    expect(await status({ url, ca })).toBe(200);
  });
});
