/** The nginx builds the gateway is tested on: Debian's own, and a current one unpacked beside it from a newer suite. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { NginxBuild } from '../../src/gateway/nginx.js';
import { nginxProbe } from '../../src/gateway/probe.js';

const run = promisify(execFile);

export type BuildName = 'debian' | 'current';

const packages = [
  ...['nginx', 'libnginx-mod-http-lua', 'libnginx-mod-http-ndk', 'lua-resty-core', 'lua-resty-lrucache', 'lua-cjson'],
  ...['libluajit-5.1-2', 'libluajit-5.1-common', 'libssl3t64', 'libpcre2-8-0', 'zlib1g', 'libzstd1'],
  ...['libc6', 'libcrypt1', 'libgcc-s1'],
];

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'deepseek-deploy-test');
const root = join(cache, 'nginx-current');

/** An apt of its own: lists, cache and status in one folder, nothing of the machine's is touched. */
async function aptIn(folder: string): Promise<NodeJS.ProcessEnv> {
  for (const path of ['state/lists/partial', 'cache/archives/partial', 'debs', 'root']) {
    await mkdir(join(folder, path), { recursive: true });
  }
  const { stdout } = await run('sh', ['-c', 'cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null; true']);
  const mirror = /https?:\/\/\S*debian\/?(?=\s)/.exec(stdout)?.[0] ?? 'http://deb.debian.org/debian';
  await writeFile(join(folder, 'sources.list'), `deb ${mirror} sid main\n`);
  await writeFile(join(folder, 'state/status'), '');
  const settings = {
    'Dir::State': `${folder}/state`,
    'Dir::State::status': `${folder}/state/status`,
    'Dir::Cache': `${folder}/cache`,
    'Dir::Etc::sourcelist': `${folder}/sources.list`,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} "${value}";`);
  await writeFile(join(folder, 'apt.conf'), `${lines.join('\n')}\n`);
  return { ...process.env, APT_CONFIG: join(folder, 'apt.conf') };
}

/** Unpacks into a folder beside, then renames it into place: two test workers may come here at once. */
async function unpack(): Promise<void> {
  await mkdir(dirname(root), { recursive: true });
  const folder = await mkdtemp(join(cache, 'apt-'));
  try {
    const env = await aptIn(folder);
    await run('apt-get', ['-qq', 'update'], { env, maxBuffer: 1 << 24 });
    await run('apt-get', ['-qq', 'download', ...packages], { env, cwd: join(folder, 'debs'), maxBuffer: 1 << 24 });
    for (const deb of await readdir(join(folder, 'debs'))) {
      await run('dpkg', ['-x', join(folder, 'debs', deb), join(folder, 'root')]);
    }
    await rename(join(folder, 'root'), root).catch((error) => {
      if (!existsSync(root)) throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function current(): Promise<NginxBuild> {
  if (!existsSync(root)) await unpack();
  const lib = `${root}/usr/lib/x86_64-linux-gnu`;
  const command = [`${lib}/ld-linux-x86-64.so.2`, '--library-path', lib, `${root}/usr/sbin/nginx`] as const;
  const { stderr } = await run(command[0], [...command.slice(1), '-V']);
  const [, a, b, c] = /nginx\/(\d+)\.(\d+)\.(\d+)/.exec(stderr)!;
  return {
    command: [...command],
    version: [Number(a), Number(b), Number(c)],
    modules: ['ndk_http_module', 'ngx_http_lua_module'].map((name) => `${root}/usr/lib/nginx/modules/${name}.so`),
    luaPath: [`${root}/usr/share/lua/5.1/?.lua`],
    luaCPath: [`${lib}/lua/5.1/?.so`],
  };
}

async function debian(): Promise<NginxBuild> {
  const [file, ...args] = nginxProbe.command.argv;
  const found = nginxProbe.read((await run(file, args)).stdout);
  if (!found.usable) throw new Error(`${found.why.en}: apt-get install nginx libnginx-mod-http-lua lua-cjson`);
  return found.build;
}

const made = new Map<BuildName, Promise<NginxBuild>>();

export function build(name: BuildName): Promise<NginxBuild> {
  const one = made.get(name) ?? (name === 'debian' ? debian() : current());
  made.set(name, one);
  return one;
}
