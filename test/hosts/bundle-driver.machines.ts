/** The NVIDIA driver in a bundle: chosen by apt itself, of the branch that is kept to, for the kernels that are said. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/bundle/open.js';
import { localFiles } from '../../src/hosts/files.js';
import { builtImages, builtPackages } from '../kube/control-plane.js';
import { fakeWorld } from '../world/fake.js';
import { cli } from './cli.js';
import { type Mirror, mirror, packagesOf, release, Signer } from './mirror.js';

const packages = builtPackages();
const images = builtImages();
const branch = '/etc/apt/preferences.d/nvidia-driver-pinning-580';

/** A package with nothing in it but what is said. */
function deb(folder: string, name: string, version: string, files: Readonly<Record<string, string>> = {}): void {
  const root = `${folder}/root-${name}-${version}`;
  mkdirSync(`${root}/DEBIAN`, { recursive: true });
  const control = { Package: name, Version: version, Architecture: 'amd64', Maintainer: 'test', Description: 'test' };
  const lines = Object.entries(control).map(([key, value]) => `${key}: ${value}\n`);
  writeFileSync(`${root}/DEBIAN/control`, lines.join(''));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(`${root}${path}`.replace(/\/[^/]*$/, ''), { recursive: true });
    writeFileSync(`${root}${path}`, text);
  }
  execFileSync('dpkg-deb', ['--root-owner-group', '-b', root, `${folder}/${name}_${version}_amd64.deb`]);
  rmSync(root, { recursive: true });
}

describe.skipIf(!packages || !images)('a bundle with the driver', () => {
  let folder: string;
  let from: Mirror;
  let type: ReturnType<typeof cli>;
  // Debian's newest kernel of this system: its headers are there for sure.
  const kernel = /linux-headers-(\S+)/.exec(
    execFileSync('apt-cache', ['depends', 'linux-headers-amd64'], { encoding: 'utf8' }).split('\n')[1]!,
  )![1]!;

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/dd-driver-`);
    from = await mirror('127.0.0.1', { packages: packages!, images: images! });
    const signer = new Signer(`${folder}/gpg`);
    const driver = `${folder}/driver/debian12/x86_64`;
    mkdirSync(driver, { recursive: true });
    deb(driver, 'nvidia-open', '580.95.05-1');
    // What is newest is not what is asked for.
    deb(driver, 'nvidia-open', '590.10.01-1');
    const keep = 'Package: *nvidia*\nPin: version 580.*\nPin-Priority: 1000\n';
    deb(driver, 'nvidia-driver-pinning-580', '580-1', { [branch]: keep });
    release(
      driver,
      'Packages',
      packagesOf(driver, () => true, './'),
      ['Suite: /'],
      signer,
    );
    writeFileSync(`${driver}/3bf863cc.pub`, signer.key());
    const { fingerprint, address } = from;
    const keys = `keys: {docker: ${fingerprint}, kubernetes: ${fingerprint}, toolkit: ${fingerprint}, driver: ${signer.fingerprint}}`;
    const registries = `registries: {${['registry.k8s.io', 'ghcr.io', 'nvcr.io'].map((one) => `${one}: ["${address}"]`).join(', ')}}`;
    signer.close();
    const places = ['docker', 'kubernetes', 'toolkit'].map((one) => `${one}: "${address}/${one}"`).join(', ');
    writeFileSync(
      `${folder}/deepseek.yaml`,
      `version: 1
target: kubernetes
kubernetes: {driver: install, docker: false, storage: none}
mirrors: {${places}, driver: "file://${folder}/driver", ${keys}, ${registries}}
`,
    );
    process.env.XDG_CACHE_HOME = `${folder}/cache`;
    type = cli(`${process.cwd()}/src/main.ts`, folder);
  });
  afterAll(async () => {
    await from?.close();
    delete process.env.XDG_CACHE_HOME;
    rmSync(folder, { recursive: true, force: true });
  });

  it('asks which kernel, before anything is fetched', async () => {
    const { code, text } = await type('bundle create --os debian12 --out d.bundle');
    expect([code, text]).toEqual([2, expect.stringContaining('--kernel RELEASE')]);
    expect(from.asked).toEqual([]);
  });

  it('says what there is none for', async () => {
    const { code, text } = await type('bundle create --os debian12 --kernel 0.1-none --out d.bundle');
    expect([code, text]).toEqual([6, expect.stringContaining('linux-headers-0.1-none')]);
  }, 120_000);

  it('has the branch that is kept to, and the headers of the kernel', async () => {
    const { code, text } = await type(`bundle create --os debian12 --kernel ${kernel} --out d.bundle`);
    expect(code, text).toBe(0);
    const { manifest } = await openBundle(`${folder}/d.bundle`, { ...fakeWorld(), files: localFiles });
    const has = new Map(manifest.systems[0]!.packages.map(({ name, version }) => [name, version]));
    expect(has.get('nvidia-open')).toBe('580.95.05');
    expect([...has.keys()]).toEqual(
      expect.arrayContaining(['nvidia-driver-pinning-580', `linux-headers-${kernel}`, 'nvidia-container-toolkit']),
    );
    const verified = async (words: string) => type(`bundle verify d.bundle -c deepseek.yaml ${words}`.trim());
    expect((await verified('')).code).toBe(0);
    expect((await verified(`--kernel ${kernel}`)).code).toBe(0);
    const other = await verified('--kernel 6.1.0-1-amd64');
    expect([other.code, other.text]).toEqual([1, expect.stringContaining('It lacks linux-headers-6.1.0-1-amd64')]);
  }, 300_000);
});
