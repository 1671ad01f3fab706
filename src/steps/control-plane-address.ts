/** One address for the API of several control planes, on one of them that answers. */
import { UserError } from '../errors.js';
import { keepalivedFile, keepalivedMark, keepalivedText } from '../install/keepalived.js';
import { madePackages, type Package } from '../install/packages.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { ask, asRoot, holds, run } from './at-node.js';
import { bundleOf } from './bundle.js';
import { areInstalled, installAll, removeAll } from './installed.js';
import type { Machine, NodeStep } from './machine.js';

const packages: readonly Package[] = [{ name: 'keepalived' }];
const folder = keepalivedFile.slice(0, keepalivedFile.lastIndexOf('/'));

/** $1: the host's own address, $2: the virtual one. Prints the link of the first, and the way to the second. */
export const linkScript = `ip -o -4 address show to "$1" | awk '{print $2; exit}'; ip -o -4 route get "$2"`;

async function linkOf({ name, address, cluster }: Machine, world: World): Promise<string> {
  const wanted = cluster.settings.virtualAddress!;
  const [link = '', way = ''] = (await ask(world, linkScript, address, wanted)).stdout.split('\n');
  if (link !== '' && !/\bvia\b/.test(way)) return link;
  throw new UserError(
    'control-plane.address',
    say(
      `${name}: kubernetes.virtualAddress ${wanted} is in no network of this host (${address}): ${way || 'no route'}`,
      `${name}：kubernetes.virtualAddress ${wanted} 不在该主机（${address}）的网络中：${way || '无路由'}`,
    ),
    {
      exit: 'unready',
      hint: say(
        'All control planes have to be in one network, and the address a free one of it; else name kubernetes.endpoint.',
        '所有控制平面须在同一网络，且该地址为其中的空闲地址；否则请设置 kubernetes.endpoint。',
      ),
    },
  );
}

async function textFor(machine: Machine, world: World): Promise<string> {
  const all = machine.cluster.machines.filter(({ roles }) => roles.includes('control-plane'));
  return keepalivedText({
    address: machine.cluster.settings.virtualAddress!,
    link: await linkOf(machine, world),
    own: machine.address,
    others: all.filter(({ name }) => name !== machine.name).map(({ address }) => address),
    place: all.findIndex(({ name }) => name === machine.name),
  });
}

async function refuseOthers({ name }: Machine, world: World): Promise<void> {
  const there = await world.files.readIfAny(keepalivedFile);
  if (there === undefined || there.startsWith(keepalivedMark)) return;
  throw new UserError(
    'control-plane.address.taken',
    say(
      `${name}: keepalived serves something else here: ${keepalivedFile}.`,
      `${name}：keepalived 已用于其他用途：${keepalivedFile}。`,
    ),
    {
      exit: 'unready',
      hint: say(
        'Let it keep an address for port 6443 of the control planes too, and name that as kubernetes.endpoint.',
        '请在其中为控制平面的 6443 端口增加一个地址，并将其设为 kubernetes.endpoint。',
      ),
    },
  );
}

/** By its file; where an undo was cut off after that went, by the record of what we brought. */
async function isOurs({ files }: World): Promise<boolean> {
  const [there, made] = await Promise.all([files.readIfAny(keepalivedFile), files.readIfAny(madePackages)]);
  if (there !== undefined) return there.startsWith(keepalivedMark);
  return made?.split('\n').includes('keepalived') ?? false;
}

/** Whether it runs with the file that is there: its state changes with a start and with a reload. */
export const keepsScript = `since=$(systemctl show --timestamp=us -P StateChangeTimestamp keepalived | cut -d' ' -f2-)
[ "$(systemctl is-active keepalived)" = active ] && [ -n "$since" ] && [ -z "$(find "$1" -newermt "$since")" ]`;

// Whoever has the address keeps it over a reload.
const startScript = 'systemctl enable -q keepalived && systemctl reload-or-restart keepalived';
const stopScript = 'systemctl disable -q --now keepalived 2>/dev/null; exit 0';

export const controlPlaneAddress: NodeStep = {
  id: 'control-plane.address',
  title: say('One address of all control planes', '各控制平面共用的地址'),
  on: 'every',
  brings: () => ({ packages }),
  needed: ({ roles, cluster }) => roles.includes('control-plane') && cluster.settings.virtualAddress !== undefined,
  async done(machine, world) {
    if (!(await areInstalled(packages, machine, world))) return false;
    const [same, runs] = await Promise.all([
      holds(world, keepalivedFile, await textFor(machine, world)),
      ask(world, keepsScript, keepalivedFile),
    ]);
    return same && runs.code === 0;
  },
  async apply(machine, world) {
    await refuseOthers(machine, world);
    return [
      { kind: 'dir', path: folder, mode: 0o755 },
      { kind: 'write', path: keepalivedFile, mode: 0o644, content: await textFor(machine, world) },
      installAll('control-plane.address', packages, machine, bundleOf(machine)),
      run(asRoot(startScript, [], 60_000)),
    ];
  },
  async undo(machine, world) {
    if (!(await isOurs(world))) return [];
    return [
      run(asRoot(stopScript, [], 60_000)),
      { kind: 'remove', path: keepalivedFile },
      removeAll('control-plane.address', packages, machine),
    ];
  },
};
