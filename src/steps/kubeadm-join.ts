/**
 * The other hosts join, each with a token that is made when it is needed and lives a quarter of an hour; a further
 * control plane also with the certificates, which the cluster forgets as soon as it has them.
 */
import type { Supply } from '../command.js';
import { UserError } from '../errors.js';
import { adminConfig, type JoinSecrets, joinText, readJoinCommand } from '../install/kubeadm.js';
import { ours } from '../install/packages.js';
import { type Action, tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result, World } from '../world.js';
import { ask, asRoot, clusterWish, firstOf, kubectl, nodeWish, run } from './at-node.js';
import { kubeadmFailed, refuseLeftovers, resetNode, restartKubelet, state, stateFile } from './kubeadm-init.js';
import { initFile } from './kubernetes-images.js';
import type { Machine, NodeStep } from './machine.js';
import { nodesNow } from './nodes.js';

export const tokenScript = `kubeadm token create --kubeconfig ${adminConfig} --ttl 15m --print-join-command 2>/dev/null`;
export const uploadScript = `kubeadm init phase upload-certs --upload-certs --kubeconfig ${adminConfig} 2>/dev/null`;

// The token is in a file for as long as kubeadm runs, in memory, and root's alone.
export const joinScript = `set -eu; umask 077
f=$(mktemp /run/deepseek-deploy-join.XXXXXX); trap 'rm -f "$f"' EXIT; trap 'exit 130' HUP INT TERM
cat >"$f"; kubeadm join --config "$f" 2>&1`;

/** What this host is in, of what is not secret: its CA, its machine id, and whether its kubelet is well. */
export const joinedScript = `sha256sum </etc/kubernetes/pki/ca.crt 2>/dev/null | cut -d' ' -f1
cat /etc/machine-id
curl -fsS --max-time 5 http://127.0.0.1:10248/healthz 2>/dev/null`;
/** Of a control plane: whether the API server on it answers, and not only another's. */
export const servesScript = 'curl -fsk --max-time 5 https://127.0.0.1:6443/readyz';
export const caScript = 'sha256sum </etc/kubernetes/pki/ca.crt | cut -d" " -f1';

const isControlPlane = ({ roles }: Pick<Machine, 'roles'>): boolean => roles.includes('control-plane');

const onControlPlane = async (machine: Machine, script: string): Promise<Result> => {
  const result = await machine.cluster.controlPlane().host.run(asRoot(script, [], 120_000));
  if (result.code === 0) return result;
  const { name } = firstOf(machine);
  throw new UserError(
    'kubeadm.token',
    say(`${name} gives no token to join with:\n${tail(result)}`, `${name} 未能生成加入令牌：\n${tail(result)}`),
  );
};

/** @throws UserError `kubeadm.token` */
async function secretsFor(machine: Machine): Promise<JoinSecrets> {
  const { stdout } = await onControlPlane(machine, tokenScript);
  const found = readJoinCommand(stdout);
  if (found === undefined) throw new Error('kubeadm token create printed no join command');
  if (!isControlPlane(machine)) return found;
  const certificateKey = (await onControlPlane(machine, uploadScript)).stdout.trim().split('\n').at(-1)!;
  return { ...found, certificateKey };
}

const nodeId = async ({ name, cluster }: Machine): Promise<string | undefined> =>
  (await nodesNow(cluster.controlPlane())).find((node) => node.name === name)?.machineId;

/**
 * A join that was cut off may have left its node, which stays ready for 40 s more, and kubeadm refuses its name as long.
 * It goes when it is this very machine's; another's stays, and kubeadm says so.
 */
async function forgetNode(machine: Machine, world: World): Promise<void> {
  const [here, node] = await Promise.all([world.files.readIfAny('/etc/machine-id'), nodeId(machine)]);
  if (node === undefined || here?.trim() !== node) return;
  await machine.cluster.controlPlane().host.run(kubectl(['delete', 'node', machine.name, '--ignore-not-found']));
}

/** Asked for when all before it is done. */
const joinConfiguration = (machine: Machine, world: World, again: boolean): Supply => ({
  name: 'join-configuration',
  async get() {
    if (again) await forgetNode(machine, world);
    return joinText(nodeWish(machine), clusterWish(machine), await secretsFor(machine));
  },
});

const clusterCa = async ({ cluster }: Machine): Promise<string> =>
  (await ask(cluster.controlPlane(), caScript)).stdout.trim();

async function isJoined(machine: Machine, world: World): Promise<boolean> {
  const [here, cluster, node, serves] = await Promise.all([
    ask(world, joinedScript),
    clusterCa(machine),
    nodeId(machine),
    isControlPlane(machine) ? ask(world, servesScript) : undefined,
  ]);
  const [ca, id, health] = here.stdout.split('\n').map((line) => line.trim());
  return ca !== '' && health === 'ok' && ca === cluster && id === node && (serves?.stdout ?? 'ok') === 'ok';
}

const otherCluster = (host: string): UserError =>
  new UserError(
    'kubeadm.join.other-cluster',
    say(
      `${host} belongs to an earlier cluster: its CA is not that of the control plane.`,
      `${host} 属于之前的集群：其 CA 与控制平面不一致。`,
    ),
    {
      exit: 'unready',
      hint: say(
        'When nobody needs it any more, on that host: kubeadm reset',
        '确认不再需要后，在该主机上执行：kubeadm reset',
      ),
    },
  );

const endpointWords = ['-n', 'kube-system', 'get', 'configmap', 'kubeadm-config', '-o', 'jsonpath={.data}'];

/**
 * What every host of the cluster calls it by was settled when it was made.
 * @throws UserError `kubeadm.join.endpoint` where a further control plane is to join by another
 */
async function refuseOtherEndpoint(machine: Machine): Promise<void> {
  const { stdout } = await machine.cluster.controlPlane().host.run(kubectl(endpointWords));
  const is = /controlPlaneEndpoint: ([^\s\\]+)/.exec(stdout)?.[1];
  const { endpoint } = clusterWish(machine);
  if (is === undefined || is === endpoint) return;
  throw new UserError(
    'kubeadm.join.endpoint',
    say(
      `This cluster was made with the endpoint ${is}; its hosts would not follow to ${endpoint} when ${is} is gone.`,
      `此集群建立时的访问地址为 ${is}；${is} 失效后，其主机不会改用 ${endpoint}。`,
    ),
    {
      exit: 'unready',
      hint: say(
        'A cluster with several control planes is made with kubernetes.virtualAddress or kubernetes.endpoint from the start: reset it and init it anew.',
        '多控制平面的集群须自建立起即设置 kubernetes.virtualAddress 或 kubernetes.endpoint：请先 reset，再重新 init。',
      ),
    },
  );
}

/** Its kubelet runs already, and nothing makes an API server of it. */
const otherRole = (host: string): UserError =>
  new UserError(
    'kubeadm.join.role',
    say(`${host} is in the cluster, but not as a control plane.`, `${host} 已在集群中，但不是控制平面。`),
    {
      exit: 'unready',
      hint: say(
        `Let it leave and join anew: deepseek-deploy node remove ${host}, then deepseek-deploy init`,
        `请移除后重新加入：deepseek-deploy node remove ${host}，然后 deepseek-deploy init`,
      ),
    },
  );

// The certificates stay for two hours else; whoever has the key, and may read secrets, would be the cluster's root.
const forgetCertificates: Action = run(
  kubectl(['-n', 'kube-system', 'delete', 'secret', 'kubeadm-certs', '--ignore-not-found']),
);

const apiServerFile = '/etc/kubernetes/manifests/kube-apiserver.yaml';

export const kubeadmJoin: NodeStep = {
  id: 'kubeadm.join',
  title: say('Join the cluster', '加入集群'),
  on: 'joining',
  after: ['kubeadm.init'],
  // etcd takes one new member at a time.
  oneAtATime: isControlPlane,
  async done(machine, world) {
    const [before, joined] = await Promise.all([world.files.readIfAny(stateFile), isJoined(machine, world)]);
    return before === 'made\n' && joined;
  },
  async apply(machine, world) {
    const before = (await world.files.readIfAny(stateFile))?.trim();
    if (before === 'made') {
      const [ca] = (await ask(world, joinedScript)).stdout.split('\n');
      const cluster = await clusterCa(machine);
      if (ca && cluster && ca !== cluster) throw otherCluster(machine.name);
      if (isControlPlane(machine) && !(await world.files.stat(apiServerFile))) throw otherRole(machine.name);
      // Its kubelet says who it is once more, also where the node was deleted.
      return [restartKubelet, untilJoined(machine)];
    }
    if (before === undefined) await refuseLeftovers('kubeadm.join', machine.name, world);
    if (isControlPlane(machine)) await refuseOtherEndpoint(machine);
    return [
      { kind: 'dir', path: ours, mode: 0o700 },
      state('begun'),
      ...(before === 'begun' ? [resetNode] : []),
      run(
        { ...asRoot(joinScript, [], 900_000), stdin: joinConfiguration(machine, world, before === 'begun') },
        kubeadmFailed('kubeadm.join', machine.name),
      ),
      untilJoined(machine),
      ...(isControlPlane(machine) ? [forgetCertificates] : []),
      state('made'),
    ];
  },
  undo: async (_, world) =>
    // The cluster may have been made on it, and another be the first since.
    (await world.files.stat(stateFile))
      ? [resetNode, { kind: 'remove', path: initFile }, { kind: 'remove', path: stateFile }]
      : [],
};

const untilJoined = (machine: Machine) =>
  ({
    kind: 'wait',
    what: say(`the node ${machine.name}`, `节点 ${machine.name}`),
    timeoutMs: 180_000,
    until: async (world: World) => (await isJoined(machine, world)) || say('not seen yet', '尚未出现'),
  }) as const;
