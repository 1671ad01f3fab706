/**
 * What is installed, in which version, and whose signature is trusted: the one place of versions and fingerprints.
 * As of 2026-11-23: Kubernetes 1.36 is the newest minor that both Rook 1.20 (1.31 to 1.36) and NVIDIA's GPU software
 * (1.33 to 1.36) are validated for; it needs containerd 2.2 or later (containerd's RELEASES.md).
 */
export const versions = {
  kubernetes: '1.36.4',
  /** A pod's first process; what kubeadm 1.36 brings. */
  pause: '3.10.2',
  /** The LTS line, supported to 2028-04, in whatever patch a system's repository is at: Docker rebuilds them for fixes of runc. */
  containerd: '2.3.*',
  docker: '29.*',
  toolkit: '1.20.0',
  /** R580, supported to 2028-08: the last that drives Volta, the first of CUDA 13. */
  driverBranch: '580',
  flannel: 'v0.28.9',
  flannelCni: 'v1.9.1-flannel3',
  calico: 'v3.32.1',
  devicePlugin: 'v0.20.0',
  /** The exporter's version, then DCGM's. */
  dcgmExporter: '4.6.0-4.8.3-distroless',
  gpuOperator: 'v26.7.0',
  /** What the operator is released with. */
  nodeFeatures: 'v0.19.0',
  localPath: 'v0.0.37',
  rook: 'v1.20.6',
  ceph: 'v20.2.4',
} as const;

export interface Pinned {
  /** Below the address of raw files of GitHub. */
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** Manifests that are taken as their authors publish them. */
export const manifests = {
  calico: {
    path: `projectcalico/calico/${versions.calico}/manifests/calico.yaml`,
    sha256: 'a1df919d9721cf667accdc3e72848911b0cb25cfab7d2478ad0c996302c95744',
  },
  nodeFeatureCrds: {
    path: `kubernetes-sigs/node-feature-discovery/${versions.nodeFeatures}/deployment/base/nfd-crds/nfd-api-crds.yaml`,
    sha256: 'f8a40048b99110feaee4813dbb92ebfdaa3c7d722e1836a804207e22f72a9072',
  },
  clusterPolicyCrd: {
    path: `NVIDIA/gpu-operator/${versions.gpuOperator}/deployments/gpu-operator/crds/nvidia.com_clusterpolicies.yaml`,
    sha256: 'fcece7d07504e57fd5815525b3baa1eccc659a2f3b48895578be731dcde4042a',
  },
  gpuClusterCrd: {
    path: `NVIDIA/gpu-operator/${versions.gpuOperator}/deployments/gpu-operator/crds/nvidia.com_gpuclusters.yaml`,
    sha256: '40190fcbd59e527a606cf51de27fc79a307658a80653f40bd5220354aa8da543',
  },
  nvidiaDriverCrd: {
    path: `NVIDIA/gpu-operator/${versions.gpuOperator}/deployments/gpu-operator/crds/nvidia.com_nvidiadrivers.yaml`,
    sha256: '8a067afa77b7650f603b2bbeb272a3e8c8824256d33f1dce0c96dcf5e9efb16e',
  },
  rookCrds: {
    path: `rook/rook/${versions.rook}/deploy/examples/crds.yaml`,
    sha256: '7fa7462d44b35d636703a03a88120030692a06a05ac91ec253200cb4ae8c37cf',
  },
  rookCommon: {
    path: `rook/rook/${versions.rook}/deploy/examples/common.yaml`,
    sha256: '2d59b3093446dcf7dd69c73ebaef2d41e8cdfd14af564c2e885d49ab8d190457',
  },
  rookCsi: {
    path: `rook/rook/${versions.rook}/deploy/examples/csi-operator.yaml`,
    sha256: 'de0bf9160c8370220353d7140a4b60ee6d4b8eda5e260f395fd00cbdc1059ffb',
  },
  rookOperator: {
    path: `rook/rook/${versions.rook}/deploy/examples/operator.yaml`,
    sha256: 'c69bb7309b6dfc34a1eeab658a1f9c825c7d156fb26dc1a6a824f6a9735761a4',
  },
} as const satisfies Readonly<Record<string, Pinned>>;

/** What Rook's operator starts by itself: deploy/examples/images.txt of its version, without COSI, which is not asked for. */
export const rookImages: readonly string[] = [
  `docker.io/rook/ceph:${versions.rook}`,
  `quay.io/ceph/ceph:${versions.ceph}`,
  'quay.io/cephcsi/ceph-csi-operator:v1.0.4',
  'quay.io/cephcsi/cephcsi:v3.17.0',
  'quay.io/csiaddons/k8s-sidecar:v0.14.0',
  'registry.k8s.io/sig-storage/csi-attacher:v4.12.0',
  'registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.17.0',
  'registry.k8s.io/sig-storage/csi-provisioner:v6.2.0',
  'registry.k8s.io/sig-storage/csi-resizer:v2.1.0',
  'registry.k8s.io/sig-storage/csi-snapshotter:v8.5.0',
];

/** Primary keys that sign repositories, as `gpg --show-keys --with-colons` prints them. */
export const fingerprints = {
  dockerDeb: '9DC858229FC7DD38854AE2D88D81803C0EBFCD88',
  dockerRpm: '060A61C51B558A7F742B77AAC52FEB6B621E9F35',
  kubernetes: 'DE15B14486CD377B9E876E1A234654DA9A296436',
  toolkit: 'C95B321B61E88C1809C4F759DDCAE044F796ECB0',
} as const;

/** NVIDIA signs the driver's repository of each system with a key of its own. Ubuntu has the driver itself. */
export const driverKeys: Readonly<Record<string, { readonly file: string; readonly fingerprint?: string }>> = {
  debian12: { file: '3bf863cc.pub', fingerprint: 'EB693B3035CD5710E231E123A4B469963BF863CC' },
  debian13: { file: '8793F200.pub', fingerprint: '02182E60104FCDC26EAE1B8597A5D4CB8793F200' },
  rhel9: { file: 'D42D0685.pub', fingerprint: '610C7B14E068A878070DA4E99CD0A493D42D0685' },
  // Its fingerprint could not be confirmed by a second source: whoever wants it states it (mirrors.keys.driver).
  rhel10: { file: 'CDF6BA43.pub' },
};
