/** The engine's process, built from the sources as they are now; built once for the same sources. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');
const needed = ['src/engine.ts', 'src/command.ts', 'src/errors.ts', 'src/say.ts', 'src/world.ts'];
const rooms = ['src/embedded', 'src/engines', 'src/models'];

async function fingerprint(): Promise<string> {
  const inRooms = await Promise.all(
    rooms.map(async (room) => (await readdir(join(root, room))).map((name) => `${room}/${name}`)),
  );
  const hash = createHash('sha256');
  for (const file of [...needed, ...inRooms.flat()].sort()) {
    const { mtimeMs, size } = await stat(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

async function build(to: string): Promise<void> {
  const draft = `${to}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await mkdir(draft, { recursive: true });
  const config = {
    extends: join(root, '.tsconfig.build.json'),
    compilerOptions: { rootDir: join(root, 'src'), outDir: join(draft, 'dist') },
    include: [],
    files: [join(root, 'src/engine.ts')],
  };
  await writeFile(join(draft, 'tsconfig.json'), JSON.stringify(config));
  await writeFile(join(draft, 'package.json'), '{"type":"module"}');
  await symlink(join(root, 'templates'), join(draft, 'templates'));
  const tsc = join(root, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', join(draft, 'tsconfig.json')], { cwd: root });
  await rename(draft, to).catch(() => rm(draft, { recursive: true, force: true }));
}

/** Builds of older sources go after a day. */
async function tidy(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const { mtimeMs } = await stat(join(folder, name)).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > 86_400_000) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** A folder laid out as the installed package: `dist/engine.js`, `templates`. */
export async function builtEngine(): Promise<string> {
  const folder = join(root, 'node_modules/.cache/deepseek-deploy', await fingerprint());
  if ((await stat(folder).catch(() => undefined)) === undefined) {
    await build(folder);
    await tidy(dirname(folder));
  }
  return folder;
}
