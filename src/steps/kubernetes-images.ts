/** The images of the control plane, before kubeadm needs them: a slow or missing mirror is told here, by its name. */
import { UserError } from '../errors.js';
import { pauseImage } from '../install/containerd.js';
import { initText } from '../install/kubeadm.js';
import { ours } from '../install/packages.js';
import { tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result } from '../world.js';
import { ask, asRoot, clusterWish, nodeWish, run } from './at-node.js';
import type { Machine, NodeStep } from './machine.js';

export const initFile = `${ours}/kubeadm-init.yaml`;

export const initContent = (machine: Machine): string => initText(nodeWish(machine), clusterWish(machine));

/** Those whose version is known here; kubeadm itself says which etcd and which CoreDNS it wants. */
const imagesOf = (version: string): string[] => [
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'].map(
    (name) => `registry.k8s.io/${name}:v${version}`,
  ),
  pauseImage,
];

// Prints those that are missing.
export const imagesScript = `set -eu
have=$(ctr -n k8s.io images ls -q)
kubeadm config images list --kubernetes-version "$1" 2>/dev/null | while read -r image; do
  printf '%s\\n' "$have" | grep -qxF -- "$image" || echo "$image"
done`;

const failed =
  (host: string) =>
  (result: Result): UserError =>
    new UserError(
      'kubernetes.images',
      say(
        `${host}: images of Kubernetes could not be pulled:\n${tail(result)}`,
        `${host}：无法拉取 Kubernetes 镜像：\n${tail(result)}`,
      ),
      {
        exit: 'network',
        hint: say(
          'Check the network and the proxy of containerd; or set mirrors (mirrors: cn in mainland China).',
          '请检查网络及 containerd 的代理；或设置 mirrors（中国大陆可用 mirrors: cn）。',
        ),
      },
    );

export const kubernetesImages: NodeStep = {
  id: 'kubernetes.images',
  title: say('Images of the control plane', '控制平面镜像'),
  on: 'first',
  brings: ({ cluster }) => ({ images: imagesOf(cluster.settings.version) }),
  async done({ cluster }, world) {
    const { code, stdout } = await ask(world, imagesScript, `v${cluster.settings.version}`);
    return code === 0 && stdout.trim() === '';
  },
  apply: async (machine) => [
    { kind: 'dir', path: ours, mode: 0o700 },
    { kind: 'write', path: initFile, mode: 0o600, content: initContent(machine) },
    run(asRoot('kubeadm config images pull --config "$1" 2>&1', [initFile], 3_600_000), failed(machine.name)),
  ],
};
