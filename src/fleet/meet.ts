/** The first word with every host: the connection stands, its key is known, and root is reached. */
import { UserError } from '../errors.js';
import { allDone, many, type Outcome } from '../plan/many.js';
import type { HostKey, SshHost } from '../remote.js';
import { say } from '../say.js';
import { table } from '../table.js';
import type { World } from '../world.js';
import type { Fleet } from './open.js';

/** What is said in place of the error when some hosts do not answer at all. */
export type Absent = (error: UserError, names: readonly string[]) => UserError;

/**
 * Keys nobody has seen yet are shown and asked about once, all together; a changed one is refused.
 * @throws UserError `ssh.*`, `sudo.*`, or `hosts.failed` with what stands against each host
 */
export async function meetHosts(fleet: Fleet, world: World, absent?: Absent): Promise<void> {
  const hosts = fleet.hosts.map(({ host }) => host);
  await connectAll(bastionsOf(hosts), fleet.parallel, world);
  await connectAll(hosts, fleet.parallel, world, absent);
  allDone(await connecting(world, () => many(hosts, fleet.parallel, reachRoot)));
}

function bastionsOf(hosts: readonly SshHost[]): SshHost[] {
  const found = new Map<string, SshHost>();
  for (const { bastion } of hosts) if (bastion) found.set(JSON.stringify(bastion.target), bastion);
  return [...found.values()];
}

const connecting = <T>({ ui }: World, work: () => Promise<T>): Promise<T> =>
  ui.wait(say('Connecting to the hosts', '正在连接主机'), work);

/** Switched off, gone, or cut off: nobody is there to refuse us. */
const silent = /^ssh\.(timeout|refused|unreachable|name|closed|failed)$/;

function refuse(outcomes: readonly Outcome<SshHost, unknown>[], absent: Absent): void {
  const names = outcomes.flatMap((one) =>
    one.state === 'failed' && one.error instanceof UserError && silent.test(one.error.id) ? [one.host.name] : [],
  );
  try {
    allDone(outcomes);
  } catch (error) {
    throw error instanceof UserError && names.length > 0 ? absent(error, names) : error;
  }
}

async function connectAll(
  hosts: readonly SshHost[],
  parallel: number,
  world: World,
  absent: Absent = (error) => error,
): Promise<void> {
  const first = await connecting(world, () => many(hosts, parallel, (host) => host.connect()));
  const strangers = first.filter(isStranger).map(({ host }) => host);
  if (strangers.length > 0 && first.every((one) => one.state === 'done' || isStranger(one))) {
    const keys = allDone(
      await many(strangers, parallel, async (host) => ({ name: host.name, host, key: await host.presentedKey() })),
    );
    await trustAll(keys, world);
    allDone(await many(strangers, parallel, (host) => host.connect()));
  } else refuse(first, absent);
}

const isStranger = (outcome: Outcome<SshHost, unknown>): boolean =>
  outcome.state === 'failed' && outcome.error instanceof UserError && outcome.error.id === 'ssh.host-key-unknown';

interface Stranger {
  readonly host: SshHost;
  readonly key: HostKey;
}

async function trustAll(strangers: readonly Stranger[], world: World): Promise<void> {
  const { ui } = world;
  const rows = strangers.map(({ host: { name, target }, key }) => [name, target.address, key.type, key.fingerprint]);
  if (!ui.interactive) throw unknownKeys(rows);
  ui.line(say('Met for the first time, with these host keys:', '首次连接以下主机，其主机密钥为：'));
  for (const line of table(rows, [], '  ')) ui.line(line);
  const right = await ui.confirm(say('Are these the keys of your machines?', '这些密钥属于您的主机吗？'), false);
  if (!right)
    throw new UserError('interrupted', say('Nothing was changed.', '未做任何更改。'), {
      hint: say(
        'See the key of a machine on its own console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
        '可在主机控制台查看其密钥：ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
      ),
      exit: 'interrupted',
    });
  for (const { host, key } of strangers) await host.trust(key);
}

const unknownKeys = (rows: readonly (readonly string[])[]): UserError =>
  new UserError(
    'ssh.host-key-unknown',
    say('The host keys of these machines are not known here yet:', '本机尚不认识以下主机的密钥：'),
    {
      details: table(rows, []).map((line) => say(line, line)),
      hint: say(
        'Compare them with the machines, then pass --accept-new-host-keys; or run it at a terminal, where it asks.',
        '请与主机核对后加上 --accept-new-host-keys；或在终端中运行，届时会询问。',
      ),
      exit: 'unready',
    },
  );

async function reachRoot(host: SshHost): Promise<void> {
  const { code, stdout, stderr } = await host.run({ argv: ['id', '-u'], sudo: true });
  if (code === 0 && stdout.trim() === '0') return;
  const what = stderr.trim() || stdout.trim() || `status ${code}`;
  throw new UserError(
    'sudo.failed',
    say(`${host.name}: sudo does not make us root: ${what}`, `${host.name}：sudo 未能取得 root 权限：${what}`),
    { exit: 'unready' },
  );
}
