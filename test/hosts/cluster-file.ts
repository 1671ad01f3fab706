/** deepseek.yaml of test hosts that become a cluster from a mirror. */
import type { Machine } from './machines.js';
import type { Mirror } from './mirror.js';

export interface ClusterWish {
  /** Of the section kubernetes, as in YAML. */
  readonly settings?: string;
  /** By its place; the first is the control plane, the others are workers. */
  readonly role?: (at: number) => string;
}

export function clusterFile(
  hosts: readonly Machine[],
  { address, fingerprint }: Mirror,
  {
    settings = 'docker: false, storage: none',
    role = (at) => (at === 0 ? 'control-plane' : 'worker'),
  }: ClusterWish = {},
): string {
  const lines = hosts.map((machine, at) => {
    const { address: reached, identityFile } = machine.target();
    return `    ${machine.name}: {address: ${reached}, user: root, roles: [${role(at)}], identityFile: ${identityFile}}`;
  });
  return `version: 1
target: kubernetes
kubernetes: {allowCgroupV1: true${settings && `, ${settings}`}}
mirrors:
  docker: ${address}/docker
  kubernetes: ${address}/kubernetes
  keys: {docker: ${fingerprint}, kubernetes: ${fingerprint}}
  registries: {registry.k8s.io: ["${address}"], ghcr.io: ["${address}"], docker.io: ["${address}"]}
hosts:
  machines:
${lines.join('\n')}
`;
}
