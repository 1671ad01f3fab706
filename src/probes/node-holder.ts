/** Which machine answers at an address of the host's own network: by ARP, which no firewall of the other one stops. */
import { type Probe, script } from './probe.js';

export interface Holder {
  /** Of who answers; absent where nobody does. */
  readonly mac?: string;
}

/**
 * Whatever is sent makes the kernel ask who has the address, and say that it is out of reach 3 s later. What it remembers
 * from before (STALE, DELAY, PROBE) it asks about within 8 s.
 */
const holderScript = `command -v bash >/dev/null && command -v timeout >/dev/null || exit 127
PATH="$PATH:/usr/sbin:/sbin"
link=$(ip -o -4 route get "$1" | awk '/^local| via / {exit} {for (i = 1; i < NF; i++) if ($i == "dev") {print $(i + 1); exit}}')
[ -n "$link" ] || exit 0
timeout 4 bash -c ": </dev/tcp/$1/6443" 2>/dev/null
i=0
while [ $i -lt 18 ]; do
  is=$(ip -4 neigh show to "$1" dev "$link")
  case $is in
    *lladdr*REACHABLE*) echo "answers $is"; exit 0 ;;
    *FAILED*) echo silent; exit 0 ;;
    '') exit 0 ;;
  esac
  i=$((i+1)); sleep 0.5
done`;

export const holder = (address: string): Probe<Holder | undefined> => ({
  id: 'node.holder',
  command: { ...script(holderScript, address), timeoutMs: 20_000 },
  read({ stdout }) {
    const mac = /^answers .*\blladdr ([0-9a-f:]{17})\b/m.exec(stdout)?.[1];
    if (mac !== undefined) return { mac };
    return /^silent$/m.test(stdout) ? {} : undefined;
  },
});
