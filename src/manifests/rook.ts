/** A Ceph cluster on the storage hosts: block volumes for one pod each, a file system for many. */
import { storageTaint } from '../install/kubeadm.js';
import { versions } from '../install/pins.js';
import type { KubeObject } from './object.js';

export const rookNamespace = 'rook-ceph';
const api = 'ceph.rook.io/v1';

export interface RookNode {
  readonly name: string;
  /** Raw devices by their stable names, /dev/disk/by-id/…; none are taken unasked. */
  readonly devices: readonly string[];
}

const in3 = { failureDomain: 'host', replicated: { size: 3, requireSafeReplicaSize: true } };

const placement = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'node-role.kubernetes.io/storage', operator: 'Exists' }] }],
    },
  },
  tolerations: [{ key: storageTaint.key, operator: 'Exists' }],
};

const at = (name: string) => ({ name, namespace: rookNamespace });

const secrets = (kind: 'rbd' | 'cephfs'): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [
      ['provisioner', 'provisioner'],
      ['controller-expand', 'provisioner'],
      ['controller-publish', 'provisioner'],
      ['node-stage', 'node'],
    ].flatMap(([use, owner]) => [
      [`csi.storage.k8s.io/${use}-secret-name`, `rook-csi-${kind}-${owner}`],
      [`csi.storage.k8s.io/${use}-secret-namespace`, rookNamespace],
    ]),
  );

const storageClass = (name: string, kind: 'rbd' | 'cephfs', parameters: object, standard: boolean): KubeObject => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: {
    name,
    annotations: { 'storageclass.kubernetes.io/is-default-class': String(standard) },
  },
  provisioner: `${rookNamespace}.${kind}.csi.ceph.com`,
  parameters: { clusterID: rookNamespace, ...parameters, ...secrets(kind) },
  allowVolumeExpansion: true,
  reclaimPolicy: 'Delete',
});

export const rookCluster = (nodes: readonly RookNode[]): readonly KubeObject[] => [
  {
    apiVersion: api,
    kind: 'CephCluster',
    metadata: at('rook-ceph'),
    spec: {
      cephVersion: { image: `quay.io/ceph/ceph:${versions.ceph}` },
      // Kernels before 7.0 mount with no other.
      security: { cephx: { csi: { keyType: 'aes' } } },
      dataDirHostPath: '/var/lib/rook',
      mon: { count: 3, allowMultiplePerNode: false },
      mgr: { count: 2, allowMultiplePerNode: false },
      dashboard: { enabled: true, ssl: true },
      priorityClassNames: { mon: 'system-node-critical', osd: 'system-node-critical', mgr: 'system-cluster-critical' },
      placement: { all: placement },
      storage: {
        useAllNodes: false,
        useAllDevices: false,
        nodes: nodes.map(({ name, devices }) => ({ name, devices: devices.map((device) => ({ name: device })) })),
      },
    },
  },
  { apiVersion: api, kind: 'CephBlockPool', metadata: at('replicated'), spec: in3 },
  {
    apiVersion: api,
    kind: 'CephFilesystem',
    metadata: at('shared'),
    spec: {
      metadataPool: in3,
      dataPools: [{ name: 'replicated', ...in3 }],
      metadataServer: { activeCount: 1, activeStandby: true, placement },
    },
  },
  storageClass(
    'rook-block',
    'rbd',
    { pool: 'replicated', imageFormat: '2', imageFeatures: 'layering', 'csi.storage.k8s.io/fstype': 'ext4' },
    true,
  ),
  storageClass('rook-shared', 'cephfs', { fsName: 'shared', pool: 'shared-replicated' }, false),
];
