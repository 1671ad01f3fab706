/** The machines of the configuration, each with a world of its own; nobody is spoken to yet. */
import type { Supply } from '../command.js';
import type { Config } from '../config/config.js';
import type { Role } from '../config/hosts.js';
import type { SshHost, SshTarget } from '../remote.js';
import type { World } from '../world.js';

/** What we keep on a host lies here, root's alone. */
export const remotePlaces = { home: '/var/lib/deepseek-deploy', cache: '/var/cache/deepseek-deploy' } as const;

export interface OpenHost {
  /** The name of the node. */
  readonly name: string;
  readonly roles: readonly Role[];
  readonly host: SshHost;
  /** `host` runs there, `files` lie there and are seen as root sees them; clock, http and ui are those of here. */
  readonly world: World;
}

export interface Fleet {
  /** In the order of the configuration. */
  readonly hosts: readonly OpenHost[];
  /** How many are worked on at once. */
  readonly parallel: number;
  /** Ends the connections. */
  close(): Promise<void>;
}

export interface OpenHow {
  readonly acceptNewHostKeys?: boolean;
  readonly sudoPassword?: Supply | undefined;
}

/** @throws UserError `ssh.address` */
export async function openHosts(config: Pick<Config, 'hosts'>, world: World, how: OpenHow = {}): Promise<Fleet> {
  const { machines, parallel, acceptNewHostKeys } = config.hosts;
  const ssh = await world.ssh({
    knownHosts: `${world.places.home}/known_hosts`,
    newKeys: how.acceptNewHostKeys || acceptNewHostKeys ? 'accept' : 'refuse',
  });
  const hosts = Object.entries(machines).map(([name, { roles, ...machine }]) => {
    const host = ssh.host(targetOf(name, machine, how.sudoPassword));
    return { name, roles, host, world: worldOf(host, world) };
  });
  return { hosts, parallel, close: () => ssh.close() };
}

type Machine = Omit<Config['hosts']['machines'][string], 'roles'>;

/** Without the keys that nothing is said about. */
const said = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as never;

function targetOf(name: string, { bastion, ...address }: Machine, sudoPassword: Supply | undefined): SshTarget {
  return { name, ...said({ ...address, bastion: bastion && said(bastion), sudoPassword }) } as SshTarget;
}

/** Processes of another machine are asked for with commands. */
const elsewhere = (): never => {
  throw new Error('the processes of a remote host are reached through its commands');
};

/** For looking and planning: what is asked of the host at the same moment travels together. */
export const asking = ({ world, host }: OpenHost): World => ({ ...world, ...host.questions });

export function worldOf(host: SshHost, here: World): World {
  const { pid } = here.processes;
  return {
    ...here,
    host,
    files: host.files,
    places: { ...here.places, ...remotePlaces },
    processes: { pid, uid: 0, identity: elsewhere, kill: elsewhere, portFree: elsewhere, freePort: elsewhere },
  };
}
