import { UserError } from '../errors.js';
import { nginxInstall, nginxInstallLine, type PackageManager } from '../gateway/install.js';
import { type NginxFound, nginxProbe } from '../gateway/probe.js';
import type { Action, Step } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import type { Setup } from './setup.js';

export async function findNginx(world: World): Promise<NginxFound> {
  return nginxProbe.read((await world.host.run(nginxProbe.command)).stdout);
}

/** The package manager that could install it, if we may use it. */
export async function packageManager(world: World): Promise<PackageManager | undefined> {
  const script = 'for name in apt-get dnf; do command -v $name >/dev/null && echo $name && break; done';
  const found = (await world.host.run({ argv: ['sh', '-c', script] })).stdout.trim();
  return found === 'apt-get' || found === 'dnf' ? found : undefined;
}

export const mayInstall = async (world: World): Promise<boolean> =>
  world.processes.uid === 0 || (await world.host.run({ argv: ['sudo', '-n', 'true'] })).code === 0;

/** What to type where we may not install it ourselves. */
export const nginxLine = (manager: PackageManager | undefined): string =>
  manager === undefined
    ? 'https://openresty.org/en/installation.html'
    : manager === 'apt-get'
      ? `sudo ${nginxInstallLine(manager)}`
      : nginxInstallLine(manager);

async function install(world: World): Promise<readonly Action[]> {
  const manager = await packageManager(world);
  if (manager) return nginxInstall(manager).map((command) => ({ kind: 'run', command }));
  throw new UserError(
    'nginx.install',
    say('nginx with its Lua module has to be installed by hand here.', '此系统需要手动安装带 Lua 模块的 nginx。'),
    { hint: say(`See ${nginxLine(manager)}`, `参见 ${nginxLine(manager)}`), exit: 'unready' },
  );
}

export const nginx: Step<Setup> = {
  id: 'nginx.install',
  title: say('nginx with its Lua module', '带 Lua 模块的 nginx'),
  done: async (_, world) => (await findNginx(world)).usable,
  apply: (_, world) => install(world),
};
