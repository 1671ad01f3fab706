/** What an install on one machine without GPUs takes from the network, beside its model: nginx, and the engine. */
import { createHash } from 'node:crypto';
import {
  npmFailed,
  npmHere,
  otherContent,
  readRuntimeBuilds,
  retries,
  runtimeBuildsFile,
  tarball,
} from '../engines/runtime.js';
import type { Distribution } from '../install/distribution.js';
import type { World } from '../world.js';
import type { Contents } from './contents.js';
import { enginePath } from './here.js';

const arches: Readonly<Record<Distribution['arch'], string>> = { amd64: 'x64', arm64: 'arm64' };

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
    const words = [...retries, `--pack-destination=${folder}`, `${build.package}@${build.version}`];
    const command = { argv: [...argv, ...words] as [string, ...string[]], cwd: folder, timeoutMs: 600_000 };
    const result = await world.host.run(command, { signal: world.stop });
    if (result.code !== 0) throw npmFailed('bundle.engine', result, build);
    const [packed] = JSON.parse(result.stdout) as { filename: string }[];
    // npm names it by the scope too.
    await world.files.rename(`${folder}/${packed!.filename.replace(/^@/, '').replace('/', '-')}`, file);
    if (!(await isRight(file, build.integrity, world))) throw otherContent('bundle.engine', build);
  }
  contents.file(enginePath(build), file, (await world.files.stat(file))!.size, await world.files.hash(file));
}
