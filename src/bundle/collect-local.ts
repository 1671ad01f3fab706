/** What an install on one machine without GPUs takes from the network, beside its model: nginx, and the engine. */
import { createHash } from 'node:crypto';
import { npmHere, type RuntimeBuild, readRuntimeBuilds, runtimeBuildsFile, tarball } from '../engines/runtime.js';
import { UserError } from '../errors.js';
import type { Distribution } from '../install/distribution.js';
import { tail } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import type { Contents } from './contents.js';
import { enginePath } from './here.js';

const arches: Readonly<Record<Distribution['arch'], string>> = { amd64: 'x64', arm64: 'arm64' };

const failed = ({ package: name, version }: RuntimeBuild, why: string): UserError =>
  new UserError(
    'bundle.engine',
    say(`${name}@${version} could not be fetched with npm:\n${why}`, `无法通过 npm 获取 ${name}@${version}：\n${why}`),
    {
      exit: 'network',
      hint: say(
        'Check the network; behind a proxy: npm config set proxy <address>; with a mirror: npm config set registry <address>',
        '请检查网络；使用代理：npm config set proxy <地址>；使用镜像：npm config set registry <地址>',
      ),
    },
  );

const isRight = async (path: string, integrity: string, { files }: World): Promise<boolean> =>
  (await files.stat(path)) !== undefined &&
  `sha512-${createHash('sha512')
    .update(await files.readBytes(path))
    .digest('base64')}` === integrity;

/** The engine's library as npm packs it, held against the hash that is pinned. @throws UserError `bundle.engine` */
export async function collectEngine(arch: Distribution['arch'], contents: Contents, world: World): Promise<void> {
  const builds = readRuntimeBuilds(await world.files.read(runtimeBuildsFile(world.places)));
  const build = builds.find((one) => one.platform === 'linux' && one.arch === arches[arch])!;
  const folder = `${world.places.cache}/bundle/engine`;
  const file = `${folder}/${tarball(build)}`;
  if (!(await isRight(file, build.integrity, world))) {
    await world.files.makeDir(folder);
    const argv: [string, ...string[]] = [...npmHere(world.places, world.env), 'pack', '--json', '--ignore-scripts'];
    const words = [`--pack-destination=${folder}`, `${build.package}@${build.version}`];
    const command = { argv: [...argv, ...words] as [string, ...string[]], cwd: folder, timeoutMs: 600_000 };
    const result = await world.host.run(command, { signal: world.stop });
    if (result.code !== 0) throw failed(build, tail(result));
    const [packed] = JSON.parse(result.stdout) as { filename: string }[];
    // npm names it by the scope too.
    await world.files.rename(`${folder}/${packed!.filename.replace(/^@/, '').replace('/', '-')}`, file);
    if (!(await isRight(file, build.integrity, world))) throw failed(build, 'sha512');
  }
  contents.file(enginePath(build), file, (await world.files.stat(file))!.size, await world.files.hash(file));
}
