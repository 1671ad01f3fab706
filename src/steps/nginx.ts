import { packagesHere } from '../bundle/here.js';
import { UserError } from '../errors.js';
import { nginxElsewhere, nginxFromFiles, nginxInstall } from '../gateway/install.js';
import { type NginxFound, nginxProbe } from '../gateway/probe.js';
import type { Action, Step } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import type { Setup } from './setup.js';

export async function findNginx(world: World): Promise<NginxFound> {
  return nginxProbe.read((await world.host.run(nginxProbe.command)).stdout);
}

/** Whether this is a Debian or an Ubuntu, whose packages have it. */
const hasApt = async (world: World): Promise<boolean> =>
  (await world.host.run({ argv: ['sh', '-c', 'command -v apt-get'] })).code === 0;

export const mayInstall = async (world: World): Promise<boolean> =>
  world.processes.uid === 0 || (await world.host.run({ argv: ['sudo', '-n', 'true'] })).code === 0;

async function install({ bundle, places }: Setup, world: World): Promise<readonly Action[]> {
  if (bundle) return nginxFromFiles(`${places.home}/bundle`, await packagesHere(bundle, world));
  if (await hasApt(world)) return [{ kind: 'run', command: nginxInstall }];
  throw new UserError(
    'nginx.install',
    say('nginx with its Lua module has to be installed by hand here.', '此系统需要手动安装带 Lua 模块的 nginx。'),
    { hint: say(`OpenResty has both: ${nginxElsewhere}`, `OpenResty 两者兼备：${nginxElsewhere}`), exit: 'unready' },
  );
}

export const nginx: Step<Setup> = {
  id: 'nginx.install',
  title: say('nginx with its Lua module', '带 Lua 模块的 nginx'),
  done: async (_, world) => (await findNginx(world)).usable,
  apply: install,
};
