/** Programs that kubeadm, kubelet, the network and the storage call, and the packages they come in. */
import type { Distribution } from './distribution.js';

interface Program {
  readonly name: string;
  readonly apt: string;
  readonly dnf: string;
}

const of = (name: string, apt: string, dnf = apt): Program => ({ name, apt, dnf });

export const programs: readonly Program[] = [
  of('curl', 'curl', '/usr/bin/curl'),
  of('gpg', 'gnupg', 'gnupg2'),
  of('openssl', 'openssl'),
  of('conntrack', 'conntrack', 'conntrack-tools'),
  of('socat', 'socat'),
  of('ethtool', 'ethtool'),
  of('ipset', 'ipset'),
  of('iptables', 'iptables', 'iptables-nft'),
  of('ebtables', 'ebtables', 'iptables-nft'),
  of('ip', 'iproute2', 'iproute'),
  of('tc', 'iproute2', 'iproute-tc'),
  of('modprobe', 'kmod'),
  of('mount.nfs', 'nfs-common', 'nfs-utils'),
  of('lvm', 'lvm2'),
  of('diff', 'diffutils'),
  of('tar', 'tar'),
];

/** Prints those of its arguments that are no program here. */
export const absentScript = `PATH=$PATH:/usr/sbin:/sbin
for name; do command -v "$name" >/dev/null 2>&1 || echo "$name"; done`;

/** The packages of the programs that a host lacks. */
export function packagesFor(absent: readonly string[], { family }: Distribution): readonly string[] {
  const wanted = programs.filter(({ name }) => absent.includes(name)).map((program) => program[family]);
  return [...new Set(wanted)];
}
