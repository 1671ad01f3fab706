/** `--host` and `--role` of the command line: machines as the configuration writes them. */
import { isMachineName, type Role, roles } from '../config/hosts.js';
import type { Override, Plain } from '../config/load.js';
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';

/** 'gpu-1=root@10.0.0.11:2222', '[fd00::1]:22', 'alias': what may stand in each part the configuration's rules say. */
const form = /^(?:([^=@]*)=)?(?:([^@]*)@)?(?:\[([^\]]+)\]|([^:[\]]*|[^[\]]*:[^[\]]*:[^[\]]*))(?::(\d{1,5}))?$/;

const wrong = (text: Text, hint: Text): UserError => new UserError('hosts.flags', text, { hint, exit: 'usage' });

const howHosts = say(
  'As in: --host root@10.0.0.11 --role control-plane --host gpu-1=root@10.0.0.12 --role worker',
  '例如：--host root@10.0.0.11 --role control-plane --host gpu-1=root@10.0.0.12 --role worker',
);

interface Machine {
  readonly name: string | undefined;
  readonly address: string;
  readonly user?: string;
  readonly port?: number;
}

/** @throws UserError `hosts.flags` */
export function readHost(text: string): Machine {
  const [, name, user, bracketed, plain, port] = form.exec(text) ?? [];
  const address = bracketed ?? plain;
  if (!address) throw wrong(say(`"${text}" names no host.`, `“${text}”不是有效的主机。`), howHosts);
  return {
    name,
    address,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}

/** The name said, else that of the host in its address, else its number: it becomes the name of the node. */
function nameOf({ name, address }: Machine, at: number, taken: (name: string) => boolean): string {
  if (name !== undefined) return name;
  const label = address.split('.')[0]!.toLowerCase();
  if (!/^[\d.:a-f]+$/.test(address) && isMachineName(label)) return label;
  let number = at + 1;
  while (taken(`node-${number}`)) number += 1;
  return `node-${number}`;
}

function readRoles(text: string): Role[] {
  const words = text.split(',').map((word) => word.trim());
  const unknown = words.find((word) => !roles.some((role) => role === word));
  if (unknown === undefined) return [...new Set(words)] as Role[];
  throw wrong(
    say(`There is no role "${unknown}".`, `没有角色“${unknown}”。`),
    say(`Roles: ${roles.join(', ')}`, `可用角色：${roles.join('、')}`),
  );
}

/** Alone it is all of the cluster; of several the first is the control plane, where nothing is said of roles. */
const usualRoles = (count: number, at: number): Role[] => {
  if (count === 1) return ['control-plane', 'worker'];
  return at === 0 ? ['control-plane'] : ['worker'];
};

/**
 * The machines in the order of the flags, roles paired with hosts by their order.
 * @param usual roles where nothing is said of them
 * @param taken names that others have already
 * @returns undefined where no host is given
 * @throws UserError `hosts.flags`
 */
export function machinesOf(
  hosts: readonly string[],
  said: readonly string[],
  usual: (count: number, at: number) => Role[] = usualRoles,
  taken: ReadonlySet<string> = new Set(),
): Readonly<Record<string, Plain>> | undefined {
  if (hosts.length === 0 && said.length === 0) return undefined;
  if (said.length > 0 && said.length !== hosts.length)
    throw wrong(
      say(
        `There are ${hosts.length} --host and ${said.length} --role: each host needs one, or none has any.`,
        `有 ${hosts.length} 个 --host 和 ${said.length} 个 --role：须一一对应，或全部省略 --role。`,
      ),
      howHosts,
    );
  const machines = new Map<string, Plain>();
  for (const [at, text] of hosts.entries()) {
    const machine = readHost(text);
    const isTaken = (one: string): boolean => machines.has(one) || taken.has(one);
    const name = nameOf(machine, at, isTaken);
    if (isTaken(name))
      throw wrong(
        say(`Two hosts are called ${name}.`, `有两台主机都叫 ${name}。`),
        say(`Name them: --host NAME=user@address`, `请命名：--host 名称=用户@地址`),
      );
    const { name: _, ...address } = machine;
    const role = said[at] === undefined ? usual(hosts.length, at) : readRoles(said[at]);
    machines.set(name, { ...address, roles: role });
  }
  return Object.fromEntries(machines);
}

/** The whole list of machines as one flag: it takes the place of the file's. */
export const hostOverride = (machines: Readonly<Record<string, Plain>> | undefined): Override => ({
  path: 'hosts.machines',
  flag: '--host',
  value: machines,
});
