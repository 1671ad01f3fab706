/** Volumes in a folder of the node that uses them: rancher's local-path provisioner. */
import { versions } from '../install/pins.js';
import { account, deployment, field, type KubeObject, namespace } from './object.js';

export const localPathNamespace = 'local-path-storage';
export const localPathName = 'local-path-provisioner';
export const localPathFolder = '/opt/local-path-provisioner';

const healthPort = 8080;
const everything = ['get', 'list', 'watch', 'create', 'patch', 'update', 'delete'];

const config = {
  nodePathMap: [{ node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: [localPathFolder] }],
};

/** Runs on the node where the volume lies or shall lie; VOL_DIR is its folder. */
const helperPod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'helper-pod' },
  spec: {
    priorityClassName: 'system-node-critical',
    tolerations: [{ operator: 'Exists' }],
    containers: [{ name: 'helper-pod', image: 'docker.io/library/busybox:1.37', imagePullPolicy: 'IfNotPresent' }],
  },
};

export const localPath = (): readonly KubeObject[] => [
  namespace(localPathNamespace, 'privileged'),
  ...account(
    localPathName,
    localPathNamespace,
    [
      {
        apiGroups: [''],
        resources: ['nodes', 'persistentvolumeclaims', 'configmaps', 'pods', 'pods/log'],
        verbs: ['get', 'list', 'watch'],
      },
      { apiGroups: [''], resources: ['persistentvolumes'], verbs: everything },
      { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
      { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: ['get', 'list', 'watch'] },
    ],
    [{ apiGroups: [''], resources: ['pods'], verbs: everything }],
  ),
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'local-path-config', namespace: localPathNamespace },
    data: {
      'config.json': JSON.stringify(config),
      setup: '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
      teardown: '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
      'helperPod.yaml': JSON.stringify(helperPod),
    },
  },
  deployment(localPathName, localPathNamespace, {
    serviceAccountName: localPathName,
    containers: [
      {
        name: 'provisioner',
        image: `docker.io/rancher/local-path-provisioner:${versions.localPath}`,
        command: ['local-path-provisioner', 'start', '--config', '/etc/config/config.json'],
        env: [
          field('POD_NAMESPACE', 'metadata.namespace'),
          { name: 'CONFIG_MOUNT_PATH', value: '/etc/config/' },
          // Whom the pods that make and remove folders run as.
          { name: 'SERVICE_ACCOUNT_NAME', value: localPathName },
          { name: 'HEALTH_PORT', value: String(healthPort) },
        ],
        readinessProbe: { httpGet: { path: '/ready', port: healthPort }, periodSeconds: 5 },
        livenessProbe: { httpGet: { path: '/health', port: healthPort }, initialDelaySeconds: 10 },
        volumeMounts: [{ name: 'config', mountPath: '/etc/config/' }],
      },
    ],
    volumes: [{ name: 'config', configMap: { name: 'local-path-config' } }],
  }),
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'local-path', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'rancher.io/local-path',
    // The node of the pod decides where it lies.
    volumeBindingMode: 'WaitForFirstConsumer',
    reclaimPolicy: 'Delete',
  },
];
