/** Whether a host reaches the others: a TCP connection to the kubelet's port, which nothing has to be installed for. */
import { type Probe, script } from './probe.js';

export interface Way {
  readonly to: string;
  readonly address: string;
  readonly by: 'host' | 'pods';
}

export interface Reached extends Way {
  /** Refused counts as open: the packet came through. */
  readonly open: boolean;
}

const kubeletPort = 10_250;

/** All at once; bash alone has /dev/tcp. */
const peersScript = `command -v bash >/dev/null && command -v timeout >/dev/null || exit 127
try() {
  said=$(timeout 4 bash -c ": </dev/tcp/$1/${kubeletPort}" 2>&1); code=$?
  case "$code $said" in
    0*|*refused*) echo "$1 open" ;;
    124*|*"timed out"*|*"o route to host"*|*unreachable*|*prohibited*) echo "$1 shut" ;;
  esac
}
for a in "$@"; do try "$a" & done
wait`;

export const peers = (ways: readonly Way[]): Probe<Reached[]> => ({
  id: 'node.peers',
  command: { ...script(peersScript, ...new Set(ways.map(({ address }) => address))), timeoutMs: 20_000 },
  read({ stdout }) {
    const said = new Map(
      [...stdout.matchAll(/^(\S+) (open|shut)$/gm)].map(([, address, is]) => [address!, is === 'open']),
    );
    return ways.flatMap((way) => {
      const open = said.get(way.address);
      return open === undefined ? [] : [{ ...way, open }];
    });
  },
});
