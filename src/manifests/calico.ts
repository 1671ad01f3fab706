/** What calico's own manifest leaves to be said beside it. */
import type { KubeObject } from './object.js';

/**
 * calico-node takes this into its environment, when there is one. Of several networks of a host it would take the first;
 * nodes reach one another by the address that kubelet was given.
 */
export const calicoSettings = (): readonly KubeObject[] => [
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kubernetes-services-endpoint', namespace: 'kube-system' },
    data: { IP_AUTODETECTION_METHOD: 'kubernetes-internal-ip' },
  },
];
