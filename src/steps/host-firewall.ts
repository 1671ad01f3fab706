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

/** Prints those of its arguments that are not let through. firewall-cmd takes a second to start: it is asked twice, not by range. */
export const blockedScript = `${which}
now= kept=
case $firewall in
  firewalld) now=" $(firewall-cmd --zone=trusted --list-sources) "; kept=" $(firewall-cmd --permanent --zone=trusted --list-sources) " ;;
  ufw) now=$(ufw status) ;;
  *) exit 0 ;;
esac
for range; do
  case $firewall in
    firewalld) case $now in *" $range "*) case $kept in *" $range "*) continue ;; esac ;; esac ;;
    ufw) ! printf '%s\\n' "$now" | grep -qE "^Anywhere +ALLOW( IN)? +$range *\\$" || continue ;;
  esac
  echo "$range"
done`;

const record = `${ours}/firewall`;

// $1: the record; then the ranges.
export const openScript = `set -eu
${which}
mkdir -p -m 700 "\${1%/*}"; record=$1; shift
printf '%s\\n' "$@" >>"$record"
words=; for range; do words="$words --add-source=$range"; done
case $firewall in
  firewalld) firewall-cmd -q --permanent --zone=trusted $words; firewall-cmd -q --zone=trusted $words ;;
  ufw) for range; do ufw allow from "$range"; ufw route allow from "$range"; ufw route allow to "$range"; done >/dev/null ;;
esac`;

export const closeScript = `set -u
${which}
ranges=$(sort -u "$1")
words=; for range in $ranges; do words="$words --remove-source=$range"; done
case $firewall in
  firewalld) firewall-cmd -q --permanent --zone=trusted $words; firewall-cmd -q --zone=trusted $words ;;
  ufw) for range in $ranges; do ufw delete allow from "$range"; ufw route delete allow from "$range"; ufw route delete allow to "$range"; done ;;
esac </dev/null >/dev/null
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
