/** GPUs offered to pods by NVIDIA's operator, on hosts whose driver and toolkit are their own. */
import { UserError } from '../errors.js';
import { devicePluginImage } from '../manifests/gpu.js';
import {
  clusterPolicy,
  operands,
  operatorName,
  operatorNamespace,
  gpuOperator as operatorObjects,
  operatorPlugin,
  policyName,
} from '../manifests/gpu-operator.js';
import { nodeFeatureMaster, nodeFeatureWorker } from '../manifests/node-features.js';
import { notOurs } from '../manifests/object.js';
import type { Action } from '../plan/step.js';
import { say, type Text } from '../say.js';
import type { World } from '../world.js';
import { applyObjects, applyPinned, areApplied, bringsObjects, isPinnedApplied } from './applied.js';
import { kubectl } from './at-node.js';
import { offersAll, untilOffered } from './gpu.js';
import { operatorCrds, policyKind, withoutPlugin } from './gpu-layers.js';
import type { Machine, NodeStep } from './machine.js';
import { isRolledOut, untilRolledOut, type Workload } from './workloads.js';

const workload = (name: string): Workload => ({ namespace: operatorNamespace, name });
const operator = workload(`deployment/${operatorName}`);
const features: readonly Workload[] = [
  workload(`deployment/${nodeFeatureMaster}`),
  workload(`daemonset/${nodeFeatureWorker}`),
];

/**
 * What the operator says of itself. It tells nothing newer until it has looked again: so what it brought is looked at,
 * too, and the plugin for its version.
 */
const asks = [
  ['-n', operatorNamespace, 'get', `${policyKind}/${policyName}`, `daemonset.apps/${operatorPlugin}`],
  ['-o', 'jsonpath={range .items[*]}{.status.state}{.spec.template.spec.containers[0].image}{"\\n"}{end}'],
].flat();
const why = ['get', policyKind, policyName, '-o', 'jsonpath={.status.conditions[*].message}'];

async function isReady(world: World): Promise<boolean> {
  const [{ stdout }, ...run] = await Promise.all([
    world.host.run(kubectl(asks)),
    ...operands.map((name) => isRolledOut(workload(`daemonset/${name}`), world)),
  ]);
  const [state, image] = stdout.split('\n');
  return state === 'ready' && image === devicePluginImage && run.every(Boolean);
}

const untilReady: Action = {
  kind: 'wait',
  what: say('the GPU operator', 'GPU operator'),
  timeoutMs: 20 * 60_000,
  async until(world): Promise<true | Text> {
    if (await isReady(world)) return true;
    const words = (await world.host.run(kubectl(why))).stdout.trim() || 'not begun yet';
    return say(words, words);
  },
};

/** The policy of an operator that others installed: two of them are one too many. */
async function refuseOthers(world: World): Promise<void> {
  const { code, stdout } = await world.host.run(kubectl(['get', policyKind, '-l', notOurs, '-o', 'name']));
  const name = stdout.trim().split('\n')[0];
  if (code !== 0 || !name) return;
  throw new UserError(
    'gpu.operator',
    say(
      `A GPU operator is in the cluster that is not ours (${name}).`,
      `集群中已有并非由我们安装的 GPU operator（${name}）。`,
    ),
    {
      hint: say(
        'Leave GPUs to it (kubernetes.gpuLayer: none), or take it away first.',
        '请将 GPU 交由它管理（kubernetes.gpuLayer: none），或先将其移除。',
      ),
      exit: 'unready',
    },
  );
}

async function stands(machine: Machine, world: World): Promise<boolean> {
  const all = await Promise.all([
    ...[operatorObjects(), clusterPolicy()].map((objects) => areApplied(objects, world)),
    ...operatorCrds.map((crd) => isPinnedApplied(crd, world)),
    ...[operator, ...features].map((one) => isRolledOut(one, world)),
    isReady(world),
    offersAll(machine, world),
  ]);
  return all.every(Boolean);
}

export const gpuOperator: NodeStep = {
  id: 'gpu.operator',
  title: say('GPUs offered to pods: the GPU operator', '向 Pod 提供 GPU：GPU operator'),
  on: 'first',
  after: ['kubeadm.join', 'nvidia.toolkit'],
  needed: ({ cluster }) => cluster.settings.gpuLayer === 'operator' && cluster.machines.some(({ gpu }) => gpu),
  brings: () => ({ ...bringsObjects([...operatorObjects(), ...clusterPolicy()]), manifests: operatorCrds }),
  done: stands,
  async apply(machine, world) {
    await refuseOthers(world);
    return [
      ...(await withoutPlugin(world)),
      ...operatorCrds.flatMap((crd) => applyPinned(crd, machine)),
      applyObjects(operatorObjects()),
      ...features.map((one) => untilRolledOut(one)),
      untilRolledOut(operator),
      applyObjects(clusterPolicy()),
      untilReady,
      untilOffered(machine),
    ];
  },
  leaves: say('/run/nvidia on GPU hosts, until their next boot', 'GPU 主机上的 /run/nvidia，直至下次重启'),
};
