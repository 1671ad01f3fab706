/** Hosts reached over ssh become a cluster: the ordered list of what is done on each. */
import { bundleImages, bundleRepository, bundleUpload } from '../steps/bundle.js';
import { clusterDns } from '../steps/cluster-dns.js';
import { containerdConfigure } from '../steps/containerd-configure.js';
import { containerdInstall } from '../steps/containerd-install.js';
import { controlPlaneAddress } from '../steps/control-plane-address.js';
import { docker } from '../steps/docker.js';
import { gpuDevicePlugin, gpuMetrics } from '../steps/gpu.js';
import { gpuOperator } from '../steps/gpu-operator.js';
import { hostFirewall } from '../steps/host-firewall.js';
import { hostKernel } from '../steps/host-kernel.js';
import { hostPrograms } from '../steps/host-programs.js';
import { hostSwap } from '../steps/host-swap.js';
import { hostTime } from '../steps/host-time.js';
import { kubeadmInit } from '../steps/kubeadm-init.js';
import { kubeadmJoin } from '../steps/kubeadm-join.js';
import { kubernetesImages } from '../steps/kubernetes-images.js';
import { kubernetesPackages } from '../steps/kubernetes-packages.js';
import type { NodeStep } from '../steps/machine.js';
import { modelWeights } from '../steps/model-weights.js';
import { networkCalico, networkFlannel } from '../steps/network.js';
import { nodeLabels } from '../steps/node-labels.js';
import { nodesReady } from '../steps/nodes-ready.js';
import { nvidiaDriver } from '../steps/nvidia-driver.js';
import { nvidiaToolkit } from '../steps/nvidia-toolkit.js';
import { repositories } from '../steps/repositories.js';
import { storageLocalPath } from '../steps/storage-local-path.js';
import { storageHost, storageRook } from '../steps/storage-rook.js';

export const kubernetesSteps: readonly NodeStep[] = [
  bundleUpload,
  bundleRepository,
  hostPrograms,
  hostKernel,
  hostSwap,
  hostTime,
  hostFirewall,
  repositories,
  nvidiaDriver,
  containerdInstall,
  containerdConfigure,
  bundleImages,
  docker,
  nvidiaToolkit,
  kubernetesPackages,
  controlPlaneAddress,
  kubernetesImages,
  kubeadmInit,
  networkFlannel,
  networkCalico,
  kubeadmJoin,
  nodesReady,
  nodeLabels,
  clusterDns,
  storageHost,
  gpuDevicePlugin,
  gpuMetrics,
  gpuOperator,
  storageLocalPath,
  storageRook,
  modelWeights,
];
