/** A firewall on the host lets its peers and the pods through; without one there is nothing to do. */
import { ours } from '../install/packages.js';
import { say } from '../say.js';
import { ask, asRoot, run } from './at-node.js';
import type { Machine, NodeStep } from './machine.js';

/** Ranges that are trusted: kubelet, etcd, VXLAN, Ceph, and what NCCL and Gloo agree on among themselves. */
const trusted = ({ cluster: { machines, settings } }: Machine): readonly string[] => [
  ...machines.map(({ address }) => address),
  settings.podSubnet,
  settings.serviceSubnet,
];

// The words that both scripts begin with; prints nothing where no firewall runs.
const which = `firewall=
if [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then firewall=firewalld
elif ufw status 2>/dev/null | grep -q '^Status: active'; then firewall=ufw; fi`;

/** Prints those of its arguments that are not let through. */
export const blockedScript = `${which}
for range; do
  case $firewall in
    firewalld) firewall-cmd -q --permanent --zone=trusted --query-source="$range" && firewall-cmd -q --zone=trusted --query-source="$range" || echo "$range" ;;
    ufw) ufw status | grep -qE "^Anywhere +ALLOW( IN)? +$range *\\$" || echo "$range" ;;
  esac
done`;

const record = `${ours}/firewall`;

// $1: the record; then the ranges.
export const openScript = `set -eu
${which}
mkdir -p -m 700 "\${1%/*}"; record=$1; shift
for range; do
  echo "$range" >>"$record"
  case $firewall in
    firewalld)
      firewall-cmd -q --permanent --zone=trusted --add-source="$range"; firewall-cmd -q --zone=trusted --add-source="$range" ;;
    ufw) ufw allow from "$range" >/dev/null; ufw route allow from "$range" >/dev/null; ufw route allow to "$range" >/dev/null ;;
  esac
done`;

export const closeScript = `set -u
${which}
sort -u "$1" | while read -r range; do
  case $firewall in
    firewalld)
      firewall-cmd -q --permanent --zone=trusted --remove-source="$range"; firewall-cmd -q --zone=trusted --remove-source="$range" ;;
    ufw) ufw delete allow from "$range"; ufw route delete allow from "$range"; ufw route delete allow to "$range" ;;
  esac </dev/null >/dev/null
done
rm -f "$1"`;

const blocked = async (machine: Machine, world: Parameters<typeof ask>[0]): Promise<readonly string[]> =>
  (await ask(world, blockedScript, ...trusted(machine))).stdout.split('\n').filter(Boolean);

export const hostFirewall: NodeStep = {
  id: 'host.firewall',
  title: say('Firewall: peers and pods', '防火墙：放行集群主机与 Pod'),
  on: 'every',
  done: async (machine, world) => (await blocked(machine, world)).length === 0,
  apply: async (machine, world) => [run(asRoot(openScript, [record, ...(await blocked(machine, world))], 120_000))],
  undo: async (_, world) => ((await world.files.stat(record)) ? [run(asRoot(closeScript, [record], 120_000))] : []),
};
