/** Who a host is: what must differ between the hosts of one cluster, and what it is called. */
import { linesOf, type Question } from './node-sections.js';
import { pairs } from './probe.js';
import { known } from './values.js';

export interface Identity {
  readonly hostname?: string;
  readonly machineId?: string;
  /** Of the board or the virtual machine; only root may read it. */
  readonly productUuid?: string;
  /** By link, without loopback and those that containers make. */
  readonly macs?: Readonly<Record<string, string>>;
  /** What the host's own name resolves to; '' when to nothing. */
  readonly resolves?: string;
}

export const isMade = (link: string): boolean =>
  /^(lo$|cni|flannel|docker|br-|veth|cali|tunl|vxlan|kube-|nodelocaldns|virbr|podman|lxc|dummy|ifb|wg|tun|tap)/.test(
    link,
  );

const shell = `echo "host: $(uname -n)"
echo "machine: $(cat /etc/machine-id)"
echo "product: $(cat /sys/class/dmi/id/product_uuid)"
command -v getent >/dev/null && echo "resolves: $(getent ahosts "$(uname -n)" | head -n 1 | cut -d ' ' -f 1)"
for d in /sys/class/net/*; do echo "mac \${d##*/} $(cat "$d/address")"; done`;

/** '' and what firmware writes when nobody gave it a number are no identity. */
const real = (text: string | undefined): string | undefined =>
  text && !/^(uninitialized|[0f-]+)$/i.test(text) ? text.toLowerCase() : undefined;

export const identity: Question<Identity> = {
  shell,
  read({ text }) {
    const said = pairs(
      linesOf(text)
        .filter((line) => !line.startsWith('mac '))
        .join('\n'),
    );
    const macs = [...text.matchAll(/^mac (\S+) ([0-9a-f:]{17})$/gm)].filter(
      ([, link, mac]) => !isMade(link!) && mac !== '00:00:00:00:00:00',
    );
    return known<Identity>({
      hostname: said.host || undefined,
      machineId: real(said.machine),
      productUuid: real(said.product),
      macs: macs.length > 0 ? Object.fromEntries(macs.map(([, link, mac]) => [link!, mac!])) : undefined,
      resolves: said.resolves,
    });
  },
};

export interface TimeSync {
  /** Whether the kernel's clock is held to another's. */
  readonly synchronized?: boolean;
  /** The programs that do it and run. */
  readonly by: readonly string[];
}

export const timeSync: Question<TimeSync> = {
  shell: `timedatectl show -p NTPSynchronized
for u in chronyd chrony systemd-timesyncd ntpd ntp ntpsec; do systemctl is-active -q "$u" && echo "by $u"; done
[ -d /run/systemd/system ] && echo asked`,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const said = /^NTPSynchronized=(yes|no)$/m.exec(text)?.[1];
    const by = [...text.matchAll(/^by (\S+)$/gm)].map(([, unit]) => unit!);
    return { by, ...(said === undefined ? {} : { synchronized: said === 'yes' }) };
  },
};
