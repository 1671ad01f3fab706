/** The first control plane: kubeadm init with a file of ours, until the API server answers that it is ready. */
import { UserError } from '../errors.js';
import { criSocket, readPreflight } from '../install/kubeadm.js';
import { ours } from '../install/packages.js';
import { type Action, tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result, World } from '../world.js';
import { ask, asRoot, kubectl, run, sweepRules } from './at-node.js';
import { initContent, initFile } from './kubernetes-images.js';
import type { NodeStep } from './machine.js';

/** 'begun' or 'made': what of this host's part of the cluster is ours. */
export const stateFile = `${ours}/node`;

export const leftoversScript =
  'ls -d /etc/kubernetes/*.conf /etc/kubernetes/manifests/*.yaml /var/lib/etcd/member 2>/dev/null; exit 0';

/**
 * kubeadm leaves the network's files to others: flannel's and calico's go. What containers of podman have beside them
 * stays, and so does the folder: containerd ends itself when it goes ("cni conf dir is removed, stop watching"), and what
 * follows at once finds no runtime.
 * @param etc where the files lie that tell of networks, @param state where plugins keep what they gave out
 * @param alone what else is done where no other network is left
 */
export const networkFilesScript = (etc: string, state: string, alone: string): string =>
  `rm -f ${etc}/10-flannel.conflist ${etc}/10-calico.conflist ${etc}/calico-kubeconfig
for network in cbr0 k8s-pod-network; do rm -rf "${state}/networks/$network" "${state}/results/$network-"*; done
rm -rf ${state}/flannel
if [ -z "$(ls -A ${etc} 2>/dev/null)" ]; then rm -rf ${state}; ${alone}; fi`;

/**
 * The network's files, links and rules go with the node. A kubeadm whose run was cut off goes on here for minutes: what it
 * wrote after the reset would be in the way of the next one.
 */
export const resetScript = `pkill -x kubeadm; i=0
while pgrep -x kubeadm >/dev/null && [ $i -lt 50 ]; do
  i=$((i+1)); [ $i != 25 ] || pkill -KILL -x kubeadm; sleep 0.2
done
kubeadm reset -f --cri-socket ${criSocket} 2>&1 || exit 1
${networkFilesScript('/etc/cni/net.d', '/var/lib/cni', sweepRules('CNI-'))}
rm -rf /run/flannel
for link in cni0 flannel.1; do ip link delete "$link" 2>/dev/null || true; done
${sweepRules('KUBE-|FLANNEL-|cali-')}
for family in ip ip6; do nft delete table $family kube-proxy 2>/dev/null || true; done`;

export const state = (content: 'begun' | 'made'): Action => ({
  kind: 'write',
  path: stateFile,
  mode: 0o600,
  content: `${content}\n`,
});

export const resetNode: Action = run(asRoot(resetScript, [], 600_000));

/** @throws UserError `<id>.leftovers` where another cluster was here before */
export async function refuseLeftovers(id: string, host: string, world: World): Promise<void> {
  const found = (await ask(world, leftoversScript)).stdout.split('\n').filter(Boolean);
  if (found.length === 0) return;
  throw new UserError(
    `${id}.leftovers`,
    say(
      `${host}: something of a cluster that we did not make is here: ${found.join(', ')}.`,
      `${host}：存在并非由本工具创建的集群残留：${found.join('、')}。`,
    ),
    {
      exit: 'unready',
      hint: say(
        'When nobody needs it any more, on that host: kubeadm reset',
        '确认不再需要后，在该主机上执行：kubeadm reset',
      ),
    },
  );
}

/** kubeadm's own findings, each with its name; else the last lines it wrote. */
export const kubeadmFailed =
  (id: string, host: string) =>
  (result: Result): UserError => {
    const errors = readPreflight(`${result.stdout}\n${result.stderr}`).filter(({ severity }) => severity === 'ERROR');
    const what = errors.length > 0 ? errors.map((one) => `${one.id}: ${one.text}`).join('\n') : tail(result);
    return new UserError(id, say(`${host}: kubeadm failed:\n${what}`, `${host}：kubeadm 失败：\n${what}`), {
      hint: say(
        'On that host: journalctl -u kubelet -n 50, and crictl ps -a. The same command carries on from here.',
        '在该主机上查看：journalctl -u kubelet -n 50 和 crictl ps -a。再次运行同一命令即可继续。',
      ),
    });
  };

export const apiIsReady = async (world: Pick<World, 'host'>): Promise<boolean> =>
  (await world.host.run(kubectl(['get', '--raw', '/readyz']))).stdout === 'ok';

export const untilReady: Action = {
  kind: 'wait',
  what: say('the API server', 'API server'),
  timeoutMs: 300_000,
  until: async (world) => (await apiIsReady(world)) || say('not ready yet', '尚未就绪'),
};

export const restartKubelet: Action = run(asRoot('systemctl restart kubelet', [], 120_000));

export const kubeadmInit: NodeStep = {
  id: 'kubeadm.init',
  title: say('The first control plane', '首个控制平面'),
  on: 'first',
  async done(_, world) {
    const [before, ready] = await Promise.all([world.files.readIfAny(stateFile), apiIsReady(world)]);
    return before === 'made\n' && ready;
  },
  async apply(machine, world) {
    const before = (await world.files.readIfAny(stateFile))?.trim();
    // A cluster that once stood is never made anew: it is waited for.
    if (before === 'made') return [restartKubelet, untilReady];
    if (before === undefined) await refuseLeftovers('kubeadm.init', machine.name, world);
    return [
      { kind: 'dir', path: ours, mode: 0o700 },
      state('begun'),
      ...(before === 'begun' ? [resetNode] : []),
      { kind: 'write', path: initFile, mode: 0o600, content: initContent(machine) },
      run(
        asRoot('kubeadm init --config "$1" --skip-token-print 2>&1', [initFile], 1_800_000),
        kubeadmFailed('kubeadm.init', machine.name),
      ),
      untilReady,
      state('made'),
    ];
  },
  undo: async (_, world) =>
    (await world.files.stat(stateFile))
      ? [resetNode, { kind: 'remove', path: initFile }, { kind: 'remove', path: stateFile }]
      : [],
};
