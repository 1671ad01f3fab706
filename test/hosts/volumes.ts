/** A volume: a pod that writes into it and serves it, one that reads it, and one of another host that asks the first. */
import { localPathFolder } from '../../src/manifests/local-path.js';

const image = 'docker.io/library/busybox:1.37';

/** Of the default class. */
export const claim = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
});

/** Not as root. @param claims each is mounted at its name */
export const pod = (name: string, command: string, claims: readonly string[], host?: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    ...(host === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': host } }),
    securityContext: { runAsUser: 1000, runAsGroup: 1000 },
    containers: [
      {
        ...{ name: 'c', image, command: ['sh', '-c', command] },
        volumeMounts: claims.map((one) => ({ name: one, mountPath: `/${one}` })),
      },
    ],
    volumes: claims.map((one) => ({ name: one, persistentVolumeClaim: { claimName: one } })),
  },
});

/** The volumes that lie on a host, by the names of their claims. */
export const volumesScript = `ls ${localPathFolder} 2>/dev/null | sed 's/^.*_//' | sort; exit 0`;
