import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  chooseBuild,
  installCommand,
  machineProbe,
  npmFailed,
  readMachine,
  readRuntimeBuilds,
  runtimeDir,
  runtimeFiles,
} from '../../src/engines/runtime.js';
import { UserError } from '../../src/errors.js';
import { localHost } from '../../src/hosts/local.js';

const root = join(import.meta.dirname, '../..');
const builds = readRuntimeBuilds(await readFile(join(root, 'templates/engine/runtime.json'), 'utf8'));
const places = { home: '/h', cache: '/c', package: '/p', node: '/usr/bin/node' };
const linux = { platform: 'linux', arch: 'x64', glibc: '2.36' };
const result = (stderr: string, code = 1) => ({ code, stdout: '', stderr });

function refusal(work: () => unknown): UserError {
  try {
    work();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('the choice of a build', () => {
  it.each([
    [linux, '@node-llama-cpp/linux-x64'],
    [{ platform: 'linux', arch: 'arm64', glibc: '2.34' }, '@node-llama-cpp/linux-arm64'],
    [{ platform: 'darwin', arch: 'arm64' }, '@node-llama-cpp/mac-arm64-metal'],
  ])('%o', (machine, name) => {
    expect(chooseBuild(builds, machine).package).toBe(name);
  });

  it.each([
    [{ platform: 'win32', arch: 'x64' }, 'no build for win32 x64'],
    [{ ...linux, glibc: '2.31' }, 'needs glibc 2.34 or newer; this system has 2.31'],
    [{ ...linux, glibc: '2.4' }, 'this system has 2.4'],
    [{ ...linux, glibc: undefined }, 'another C library'],
  ])('refuses %o', (machine, words) => {
    const error = refusal(() => chooseBuild(builds, machine));
    expect(error).toMatchObject({ id: 'engine.runtime', exit: 'unready' });
    expect(error.message).toContain(words);
  });

  it('takes glibc 3 for newer than 2.34', () => {
    expect(chooseBuild(builds, { ...linux, glibc: '3.0' }).arch).toBe('x64');
  });

  it('reads what a machine says of itself', () => {
    expect(readMachine('Linux x86_64\nglibc 2.36\n')).toEqual(linux);
    expect(readMachine('Linux aarch64\n')).toEqual({ platform: 'linux', arch: 'arm64', glibc: undefined });
    expect(readMachine('Darwin arm64\n')).toEqual({ platform: 'darwin', arch: 'arm64', glibc: undefined });
  });

  it('asks this machine', async () => {
    const machine = readMachine((await localHost.run(machineProbe)).stdout);
    expect(machine).toMatchObject({ platform: process.platform, arch: process.arch });
  });
});

describe('what npm is given', () => {
  it('pins one package by sha512 and names no address', () => {
    for (const build of builds) {
      const { packageJson, lock } = runtimeFiles(build);
      expect(build.integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
      expect(JSON.parse(packageJson).dependencies).toEqual({ [build.package]: build.version });
      expect(Object.keys(JSON.parse(lock).packages)).toEqual(['', `node_modules/${build.package}`]);
      expect(packageJson + lock).not.toMatch(/resolved|https?:/);
    }
  });

  it('never takes a build for GPUs a CPU machine lacks', () => {
    expect(builds.map((build) => build.package).join()).not.toMatch(/cuda|vulkan/);
  });

  it('has a folder for each version and platform', () => {
    const dirs = builds.map((build) => runtimeDir(places, build));
    expect(new Set(dirs).size).toBe(builds.length);
    expect(dirs[0]).toBe('/c/runtime/node-llama-cpp-3.22.1-linux-x64');
  });

  it('runs the npm that runs us, else the one on the PATH, and no scripts', () => {
    const own = installCommand('/d', places, { npm_execpath: '/usr/lib/node_modules/npm/bin/npm-cli.js' });
    expect(own.argv.slice(0, 3)).toEqual(['/usr/bin/node', '/usr/lib/node_modules/npm/bin/npm-cli.js', 'ci']);
    const other = installCommand('/d', places, { npm_execpath: '/usr/lib/node_modules/pnpm/bin/pnpm.cjs' });
    expect(other.argv.slice(0, 2)).toEqual(['npm', 'ci']);
    expect(other.argv).toContain('--ignore-scripts');
    expect(other.cwd).toBe('/d');
  });
});

describe('what npm says', () => {
  const build = builds[0]!;
  it.each([
    ['npm error code EINTEGRITY\nnpm error sha512-… integrity checksum failed', 'another content', 'network'],
    ['npm error code E404\nnpm error 404 Not Found', 'registry has no', 'network'],
    ['npm error code ENOTFOUND\nnpm error network request failed', 'Could not download', 'network'],
    ['npm error code ECONNREFUSED', 'Could not download', 'network'],
  ])('%s', (stderr, words, exit) => {
    const error = npmFailed('engine.runtime', result(stderr), build);
    expect(error).toMatchObject({ id: 'engine.runtime', exit });
    expect(error.message).toContain(words);
    expect(error.hint?.zh).toBeTruthy();
    expect((error.cause as Error).message).toContain(stderr.split('\n').at(-1));
  });

  it('is not there at all', () => {
    expect(npmFailed('x', result('', 127), build)).toMatchObject({ exit: 'unready', message: 'npm was not found.' });
  });
});
