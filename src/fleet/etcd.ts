/** The members of etcd, asked of one that stays: a control plane leaves only when a majority is left of them. */
import { UserError } from '../errors.js';
import type { LaneStep } from '../plan/lanes.js';
import { type Action, tail } from '../plan/step.js';
import { say } from '../say.js';
import { kubectl, run } from '../steps/at-node.js';
import type { Machine } from '../steps/machine.js';
import type { Result, World } from '../world.js';

export interface Member {
  /** Hexadecimal, as etcdctl takes it. */
  readonly id: string;
  /** Of its host; empty while it has never started. */
  readonly name: string;
  /** https://10.0.0.1:2379; none while it has never started. */
  readonly client?: string;
  /** https://10.0.0.1:2380 */
  readonly peer: string;
  /** It takes the log but has no vote: how kubeadm lets a control plane in, until it has caught up. */
  readonly learner: boolean;
}

const pki = '/etc/kubernetes/pki/etcd';
const own = 'https://127.0.0.1:2379';
const etcdctl = (on: string, words: readonly string[], endpoint = own) =>
  kubectl([
    ...['-n', 'kube-system', 'exec', `etcd-${on}`, '--', 'etcdctl', `--endpoints=${endpoint}`],
    ...[`--cacert=${pki}/ca.crt`, `--cert=${pki}/server.crt`, `--key=${pki}/server.key`, ...words],
  ]);

/** Of `etcdctl member list`: `id, started, name, peer, client, is learner`. */
export const readMembers = (stdout: string): readonly Member[] =>
  stdout.split('\n').flatMap((line): Member[] => {
    const [id, , name, peer, client, learner] = line.split(',').map((word) => word.trim());
    if (!id || name === undefined || !peer) return [];
    return [{ id, name, peer, learner: learner === 'true', ...(client ? { client } : {}) }];
  });

const failed = (on: string, { stdout, stderr, code }: Result): UserError =>
  new UserError(
    'etcd.members',
    say(
      `etcd on ${on} does not answer: ${tail({ stdout, stderr, code })}`,
      `${on} 上的 etcd 没有应答：${tail({ stdout, stderr, code })}`,
    ),
    {
      hint: say(
        'Without a majority of its members it takes no change: bring a lost control plane back up. On that host: crictl ps -a, crictl logs of etcd.',
        '未达到成员多数时 etcd 不接受更改：请恢复停机的控制平面。在该主机上执行：crictl ps -a、crictl logs 查看 etcd。',
      ),
    },
  );

/** @throws UserError `etcd.members` */
async function membersOf(on: string, { host }: World): Promise<readonly Member[]> {
  const result = await host.run(etcdctl(on, ['member', 'list']));
  if (result.code !== 0) throw failed(on, result);
  return readMembers(result.stdout);
}

const isOf = ({ name, peer }: Member, host: string, address: string | undefined): boolean =>
  name === host || (name === '' && address !== undefined && peer === `https://${address}:2380`);

/** Whether the voters that stay would still decide, by those of them that answer. */
export const isMajority = (staying: number, well: number): boolean => well >= Math.floor(staying / 2) + 1;

const wouldStop = (name: string, ill: readonly string[]): UserError =>
  new UserError(
    'etcd.quorum',
    say(
      `Without ${name} the cluster would stop: of the etcd members that stay, these do not answer or have no vote yet: ${ill.join(', ')}.`,
      `移除 ${name} 后集群将停止：留下的 etcd 成员中，以下成员没有应答，或尚无表决权：${ill.join('、')}。`,
    ),
    {
      exit: 'unready',
      hint: say(
        'Bring them back up, or remove them first: deepseek-deploy node remove NAME --lost. One that is joining has its vote once it has caught up: wait for it.',
        '请先恢复它们，或先将其移除：deepseek-deploy node remove NAME --lost。正在加入的成员同步完成后即有表决权，请等待其完成。',
      ),
    },
  );

/** Refuses, before anything is done, to take away the member that the others need. */
export const quorumWithout = (name: string, on: string): LaneStep<Machine> => ({
  id: 'etcd.quorum',
  title: say('etcd decides without it', 'etcd 在其离开后仍可用'),
  async done(_, world) {
    const staying = (await membersOf(on, world)).filter((member) => member.name !== name);
    const asked = staying.map(async ({ client, learner }) => {
      if (client === undefined || learner) return false;
      return (await world.host.run(etcdctl(on, ['endpoint', 'health'], client))).code === 0;
    });
    const well = await Promise.all(asked);
    const voters = staying.filter(({ learner }) => !learner).length;
    if (isMajority(voters, well.filter(Boolean).length)) return true;
    const ill = staying.filter((_member, at) => !well[at]).map((member) => member.name || member.peer);
    throw wouldStop(name, ill);
  },
  apply: async () => [],
});

/**
 * `kubeadm reset` does so too, where the host is there; when it fails at that, it takes the data away all the same.
 * @param address of the host: a member that never started has no name
 */
export const forgetMember = (name: string, address: string | undefined, on: string): LaneStep<Machine> => {
  const ofIt = async (world: World): Promise<readonly Member[]> =>
    (await membersOf(on, world)).filter((member) => isOf(member, name, address));
  return {
    id: 'etcd.member',
    title: say(`etcd without ${name}`, `从 etcd 移除 ${name}`),
    done: async (_, world) => (await ofIt(world)).length === 0,
    apply: async (_, world) =>
      (await ofIt(world)).map(
        ({ id }): Action => run(etcdctl(on, ['member', 'remove', id]), (result) => failed(on, result)),
      ),
  };
};
