/**
 * The embedded engine's runtime: the one prebuilt llama.cpp binding of node-llama-cpp that this machine can use. It is no
 * dependency of ours (13 of its 14 builds would be for nothing, the CUDA ones weigh 550 MB); npm installs it on demand
 * into the cache, pinned by version and sha512. The lock file names no address, so the user's registry, mirror and
 * proxy settings are honoured.
 */
import { createHash } from 'node:crypto';
import type { Command } from '../command.js';
import { UserError } from '../errors.js';
import type { Action, Made } from '../plan/step.js';
import { say } from '../say.js';
import type { Places, Result, World } from '../world.js';

export interface RuntimeBuild {
  readonly platform: string;
  readonly arch: string;
  readonly libc?: string;
  readonly minGlibc?: string;
  readonly package: string;
  readonly version: string;
  /** As in package-lock.json: 'sha512-…'. */
  readonly integrity: string;
  readonly downloadMB: number;
  readonly installedMB: number;
}

/** What a machine must say of itself before a build can be chosen. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** '2.36'; undefined where the C library is another one. */
  readonly glibc?: string | undefined;
}

export interface RuntimeFiles {
  /** Below `<cache>/runtime/`; another version or platform is another folder. */
  readonly dir: string;
  readonly packageJson: string;
  readonly lock: string;
}

export const runtimeBuildsFile = (places: Places): string => `${places.package}/templates/engine/runtime.json`;

export const readRuntimeBuilds = (json: string): readonly RuntimeBuild[] =>
  (JSON.parse(json) as { builds: readonly RuntimeBuild[] }).builds;

/** Kernel, processor and C library; quicker than asking Node for its report. */
export const machineProbe: Command = { argv: ['sh', '-c', 'uname -sm; getconf GNU_LIBC_VERSION 2>/dev/null; true'] };

const nodeArch: Readonly<Record<string, string>> = { x86_64: 'x64', amd64: 'x64', aarch64: 'arm64' };

/** Of 'Linux x86_64' and 'glibc 2.36'; names as Node has them. */
export function readMachine(stdout: string): Machine {
  const [kernel = '', libc = ''] = stdout.split('\n');
  const [platform = '', arch = ''] = kernel.trim().toLowerCase().split(/\s+/);
  return { platform, arch: nodeArch[arch] ?? arch, glibc: /^glibc (\S+)/.exec(libc)?.[1] };
}

/** Dotted numbers, compared number by number. */
function older(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (const [i, number] of right.entries()) {
    const other = left[i] ?? 0;
    if (other !== number) return other < number;
  }
  return false;
}

/** @throws UserError `engine.runtime` (unready) where no build fits. */
export function chooseBuild(builds: readonly RuntimeBuild[], machine: Machine): RuntimeBuild {
  const build = builds.find(({ platform, arch }) => platform === machine.platform && arch === machine.arch);
  const unready = { exit: 'unready' } as const;
  if (build === undefined) {
    const here = `${machine.platform} ${machine.arch}`;
    throw new UserError(
      'engine.runtime',
      say(`The embedded engine has no build for ${here}.`, `内置引擎没有适用于 ${here} 的版本。`),
      unready,
    );
  }
  const { libc, minGlibc } = build;
  if (libc === 'glibc' && (machine.glibc === undefined || older(machine.glibc, minGlibc ?? '0'))) {
    const here =
      machine.glibc === undefined ? say('another C library', '其他 C 库') : say(machine.glibc, machine.glibc);
    throw new UserError(
      'engine.runtime',
      say(
        `The embedded engine needs glibc ${minGlibc} or newer; this system has ${here.en}.`,
        `内置引擎需要 glibc ${minGlibc} 或更新版本，本机为 ${here.zh}。`,
      ),
      {
        ...unready,
        hint: say(
          'Debian 12, Ubuntu 22.04, RHEL 9 and newer have it; Alpine does not.',
          'Debian 12、Ubuntu 22.04、RHEL 9 及更新版本均可，Alpine 不行。',
        ),
      },
    );
  }
  return build;
}

/** 'linux-x64' */
const nameOf = ({ package: name }: Pick<RuntimeBuild, 'package'>): string => name.split('/')[1]!;

/** What npm packs the build as; a bundle has it. */
export const tarball = (build: RuntimeBuild): string => `${nameOf(build)}-${build.version}.tgz`;

/**
 * The folder's name, and the package.json and package-lock.json that npm shall realise in it.
 * @param beside whether the tarball lies there too, so that no registry is asked; its hash is held against all the same
 */
export function runtimeFiles(build: RuntimeBuild, beside = false): RuntimeFiles {
  const file = `file:${tarball(build)}`;
  const dependencies = { [build.package]: beside ? file : build.version };
  const root = { name: 'deepseek-deploy-runtime', version: build.version, private: true };
  const from = beside ? { resolved: file } : {};
  const { version, integrity } = build;
  const locked = { version, ...from, integrity, os: [build.platform], cpu: [build.arch] };
  const lock = {
    name: root.name,
    version: root.version,
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { ...root, dependencies },
      [`node_modules/${build.package}`]: locked,
    },
  };
  const text = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;
  return {
    dir: `node-llama-cpp-${build.version}-${nameOf(build)}`,
    packageJson: text({ ...root, dependencies }),
    lock: text(lock),
  };
}

export const runtimeDir = (places: Places, build: RuntimeBuild): string =>
  `${places.cache}/runtime/${runtimeFiles(build).dir}`;

/** npm's own would try for minutes before it says that there is no network. */
export const retries = ['--fetch-retries=3', '--fetch-retry-factor=2', '--fetch-retry-mintimeout=500'];

/** npm as it is at hand: the one that runs us (npx tells where it lies), else the one on the PATH. */
export function npmHere(places: Places, env: Readonly<Record<string, string | undefined>>): [string, ...string[]] {
  const own = env.npm_execpath;
  return own && /[\\/]npm-cli\.c?js$/.test(own) ? [places.node, own] : ['npm'];
}

/** Nothing that a package brings is run, and nothing but the one package is fetched. */
export function installCommand(
  dir: string,
  places: Places,
  env: Readonly<Record<string, string | undefined>>,
): Command {
  return {
    argv: [
      ...npmHere(places, env),
      'ci',
      '--ignore-scripts',
      '--omit=optional',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      ...retries,
    ],
    cwd: dir,
    timeoutMs: 600_000,
  };
}

/** Really loads the native library, in a process of its own: a wrong one may crash rather than say no. */
export const runtimeProbe = (dir: string, places: Places): Command => ({
  argv: [places.node, `${places.package}/dist/engine.js`, '--probe', dir],
});

type Means = Pick<World, 'host' | 'files' | 'places'>;

/** Whether the library is there and loads. */
export async function runtimeReady({ files, host, places }: Means, build: RuntimeBuild): Promise<boolean> {
  const dir = runtimeDir(places, build);
  return (await files.stat(dir)) !== undefined && (await host.run(runtimeProbe(dir, places))).code === 0;
}

/** The build for this machine. @throws UserError `engine.runtime` where there is none. */
export async function runtimeFor(means: Means): Promise<RuntimeBuild> {
  const builds = readRuntimeBuilds(await means.files.read(runtimeBuildsFile(means.places)));
  const { stdout } = await means.host.run(machineProbe);
  return chooseBuild(builds, readMachine(stdout));
}

/**
 * For a machine where it is not ready: the build is installed beside its place, proved to load, and moved there. The
 * draft bears the home's mark: two homes may be at it at once, and whoever comes second keeps the first's.
 * @param packed the build's tarball, from a bundle: no registry is asked then
 */
export async function installActions(
  build: RuntimeBuild,
  { files, places, env }: Pick<World, 'files' | 'places' | 'env'>,
  packed?: Made,
): Promise<readonly Action[]> {
  const dir = runtimeDir(places, build);
  const broken: Action[] = (await files.stat(dir)) ? [{ kind: 'remove', path: dir }] : [];
  const draft = `${dir}.${createHash('sha256').update(places.home).digest('hex').slice(0, 8)}`;
  const { packageJson, lock } = runtimeFiles(build, packed !== undefined);
  const here: Action[] = packed
    ? [{ kind: 'write', path: `${draft}/${tarball(build)}`, mode: 0o600, content: packed }]
    : [];
  const failed = (result: Result): UserError => npmFailed('engine.runtime', result, build);
  return [
    ...broken,
    { kind: 'remove', path: draft },
    { kind: 'dir', path: draft, mode: 0o700 },
    { kind: 'write', path: `${draft}/package.json`, mode: 0o600, content: packageJson },
    { kind: 'write', path: `${draft}/package-lock.json`, mode: 0o600, content: lock },
    ...here,
    { kind: 'run', command: installCommand(draft, places, env), failed },
    { kind: 'run', command: runtimeProbe(draft, places), failed: loadFailed },
    { kind: 'move', from: draft, to: dir, orKeep: true },
  ];
}

const lastLines = (text: string): string => text.trim().split('\n').slice(-6).join('\n');

const called = ({ package: name, version }: RuntimeBuild): string => `${name}@${version}`;

/** npm brought something, and it is not what this version of ours was tested with. */
export const otherContent = (id: string, build: RuntimeBuild, cause?: Error): UserError =>
  new UserError(
    id,
    say(
      `${called(build)} came with another content than the one pinned here (sha512); it is not used.`,
      `下载到的 ${called(build)} 与固定的内容（sha512）不符，未予使用。`,
    ),
    {
      exit: 'network',
      cause,
      hint: say(
        'Fetch it anew: npm cache clean --force, then the same command again. When it stays so, the registry (npm config get registry) has altered it: npm config set registry https://registry.npmjs.org',
        '请重新获取：npm cache clean --force，然后再次执行原命令。如仍不符，则是所用的源（npm config get registry）改动了它：npm config set registry https://registry.npmjs.org',
      ),
    },
  );

/** What npm's failure means for the user. @param id of the error */
export function npmFailed(id: string, result: Result, build: RuntimeBuild): UserError {
  const output = `${result.stdout}\n${result.stderr}`;
  const cause = new Error(lastLines(output));
  const name = called(build);
  if (result.code === 127) {
    return new UserError(id, say('npm was not found.', '找不到 npm。'), {
      exit: 'unready',
      hint: say('Install npm (it comes with Node.js), then go on.', '请先安装 npm（随 Node.js 提供），再继续。'),
    });
  }
  if (/EINTEGRITY/.test(output)) return otherContent(id, build, cause);
  if (/\bE404\b|ETARGET/.test(output)) {
    return new UserError(id, say(`The npm registry has no ${name}.`, `npm 源上没有 ${name}。`), {
      exit: 'network',
      cause,
      hint: say(
        'A mirror may lag behind; see which one is used: npm config get registry',
        '镜像可能尚未同步；查看所用的源：npm config get registry',
      ),
    });
  }
  return new UserError(id, say(`Could not download ${name} with npm.`, `无法通过 npm 下载 ${name}。`), {
    exit: 'network',
    cause,
    details: [say(lastLines(output), lastLines(output))],
    hint: say(
      `Check the network; behind a proxy: npm config set proxy <address>; with a mirror: npm config set registry <address>`,
      '请检查网络；使用代理：npm config set proxy <地址>；使用镜像：npm config set registry <地址>',
    ),
  });
}

/** What it means when the library does not load. */
export function loadFailed(result: Result): UserError {
  const lines = lastLines(result.stderr || result.stdout);
  return new UserError(
    'engine.runtime',
    say('llama.cpp was installed, but does not load on this machine.', '已安装 llama.cpp，但无法在本机加载。'),
    { exit: 'unready', cause: new Error(lines), details: [say(lines, lines)] },
  );
}
