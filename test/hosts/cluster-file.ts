/** deepseek.yaml of test hosts that become a cluster from a mirror: the first is its control plane. */
import type { Machines } from './machines.js';
import type { Mirror } from './mirror.js';

export function clusterFile({ hosts }: Machines, { address, fingerprint }: Mirror): string {
  const lines = hosts.map((machine, at) => {
    const { address: reached, identityFile } = machine.target();
    const roles = at === 0 ? 'control-plane' : 'worker';
    return `    ${machine.name}: {address: ${reached}, user: root, roles: [${roles}], identityFile: ${identityFile}}`;
  });
  return `version: 1
target: kubernetes
kubernetes: {allowCgroupV1: true, docker: false, storage: none}
mirrors:
  docker: ${address}/docker
  kubernetes: ${address}/kubernetes
  keys: {docker: ${fingerprint}, kubernetes: ${fingerprint}}
  registries: {registry.k8s.io: ["${address}"], ghcr.io: ["${address}"]}
hosts:
  machines:
${lines.join('\n')}
`;
}
