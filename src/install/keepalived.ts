/** keepalived, which keeps one address on a control plane whose API server answers. */
export const keepalivedFile = '/etc/keepalived/keepalived.conf';
export const keepalivedMark = '# Written by deepseek-deploy.';

export interface VirtualAddress {
  readonly address: string;
  /** Of the link that the host's own address is on. */
  readonly link: string;
  /** The host's own address, and those of the other control planes. */
  readonly own: string;
  readonly others: readonly string[];
  /** From 0: who stands first has it while all are equally well. */
  readonly place: number;
}

/**
 * Who hears nothing of the one that had the address waits (256 - priority) / 256 s longer than the rest (RFC 5798, skew
 * time): apart by so much that the first of them is heard before the next takes it too. The last of those that answer
 * stays above the first of those that do not (200 - 100).
 */
const priority = (place: number, count: number): number =>
  200 - place * Math.min(40, Math.floor(90 / Math.max(1, count - 1)));

/**
 * The peers speak to each other alone (many networks drop VRRP's multicast), so the router's id has to differ only where
 * an address does. One whose API server does not answer falls behind all that do; where none does, before the cluster is
 * made, the first has it.
 */
export const keepalivedText = ({ address, link, own, others, place }: VirtualAddress): string => `${keepalivedMark}
global_defs {
  enable_script_security
  script_user root
}
vrrp_script api {
  script "/usr/bin/curl -fsk --max-time 3 -o /dev/null https://127.0.0.1:6443/readyz"
  interval 2
  timeout 4
  fall 3
  rise 2
  weight -100
}
vrrp_instance api {
  state BACKUP
  interface ${link}
  virtual_router_id ${Number(address.split('.').at(-1)) || 1}
  priority ${priority(place, others.length + 1)}
  advert_int 1
  unicast_src_ip ${own}
  unicast_peer {
${others.map((one) => `    ${one}\n`).join('')}  }
  virtual_ipaddress {
    ${address}/32
  }
  track_script {
    api
  }
}
`;
