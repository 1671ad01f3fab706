/** Certificates of a CA of our own: what they hold, who may read them, and what is wrong with others. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { caFile, fingerprint, flawOf, issueCommand, ownFiles, tlsDirectory } from '../../src/gateway/tls.js';
import { type TlsHome, tlsHome } from './tls-home.js';

const day = 24 * 3600 * 1000;
let home: TlsHome;
beforeAll(async () => {
  home = await tlsHome();
  await home.issue(['api.example.com', '10.0.0.7', 'fd00::7']);
});
afterAll(() => home?.remove());

const pair = async () => {
  const text = await home.certificate();
  return { certificate: text, key: text };
};

describe('a certificate of our own', () => {
  it('is for its names and addresses, and no CA itself', async () => {
    const certificate = new X509Certificate(await home.certificate());
    expect(certificate.subjectAltName).toBe('DNS:api.example.com, IP Address:10.0.0.7, IP Address:FD00:0:0:0:0:0:0:7');
    expect(certificate.ca).toBe(false);
    expect(new X509Certificate(await home.ca()).ca).toBe(true);
    const days = (Date.parse(certificate.validTo) - Date.now()) / day;
    expect(days).toBeGreaterThan(395);
    expect(days).toBeLessThan(398);
  });

  it('is read by its owner alone, and nothing is left over', async () => {
    const folder = tlsDirectory(home.home);
    expect((await readdir(folder)).sort()).toEqual(['ca.crt', 'ca.pem', 'server.pem']);
    const modes = await Promise.all(['ca.pem', 'server.pem', 'ca.crt'].map((name) => stat(`${folder}/${name}`)));
    expect(modes.map(({ mode }) => (mode & 0o777).toString(8))).toEqual(['600', '600', '644']);
    expect(await readFile(caFile(home.home), 'utf8')).not.toContain('PRIVATE');
  });

  it('is made anew by the same CA, whose key alone is kept', async () => {
    const [ca, before] = [await home.ca(), await home.certificate()];
    await home.issue(['other.example.com']);
    const after = await home.certificate();
    expect(await home.ca()).toBe(ca);
    expect(fingerprint(after)).not.toBe(fingerprint(before));
    const keys = [before, after].map((text) => createPrivateKey(text).export({ type: 'pkcs8', format: 'pem' }));
    expect(keys[0]).not.toBe(keys[1]);
    await home.issue(['api.example.com', '10.0.0.7', 'fd00::7']);
  });

  it('stays as it was when making another fails half-way', async () => {
    const before = await home.certificate();
    const [file, ...args] = issueCommand(home.home, ['999.999.999.999'], 'tests', new Uint8Array(30)).argv;
    expect(() => execFileSync(file, args, { stdio: 'ignore' })).toThrow();
    expect(await home.certificate()).toBe(before);
    expect((await readdir(tlsDirectory(home.home))).sort()).toEqual(['ca.crt', 'ca.pem', 'server.pem']);
  });

  it('carries no secret in its command', async () => {
    const { argv } = issueCommand(home.home, ['a'], 'tests', new Uint8Array(30));
    const key = createPrivateKey(await home.certificate()).export({ type: 'sec1', format: 'pem' });
    expect(argv.join(' ')).not.toContain(String(key).split('\n')[1]);
  });
});

describe('flawOf', () => {
  it('finds none in a good one', async () => {
    const names = ['api.example.com', '10.0.0.7', 'fd00::7'];
    expect(flawOf(await pair(), Date.now(), { ca: await home.ca(), names })).toBeUndefined();
  });

  it.each([
    ['ended', Date.now() + 400 * day],
    ['early', Date.now() - 2 * day],
  ] as const)('%s', async (flaw, now) => {
    expect(flawOf(await pair(), now)).toBe(flaw);
  });

  it('name', async () => {
    for (const name of ['example.com', '10.0.0.8', 'fd00::8']) {
      expect(flawOf(await pair(), Date.now(), { names: [name] })).toBe('name');
    }
  });

  it('issuer, key and unreadable', async () => {
    const other = await tlsHome();
    await other.issue();
    const [good, bad] = [await pair(), await other.certificate()];
    expect(flawOf(good, Date.now(), { ca: await other.ca() })).toBe('issuer');
    expect(flawOf({ ...good, key: bad }, Date.now())).toBe('key');
    for (const text of ['', 'x', '-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----']) {
      expect(flawOf({ ...good, certificate: text }, Date.now())).toBe('unreadable');
      expect(fingerprint(text)).toBeUndefined();
    }
    await other.remove();
  });

  it('keeps certificate and key in one file, which one rename replaces', () => {
    const { certificate, key } = ownFiles('/h');
    expect(certificate).toBe(key);
  });
});
