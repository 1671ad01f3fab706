/** Addresses, routes, the resolver, and what stands before the ports. */
import { linesOf, type Question } from './node-sections.js';
import { type Port, ports } from './ports.js';
import { known } from './values.js';

export interface Address {
  readonly link: string;
  readonly address: string;
  /** Bits of the network. */
  readonly prefix: number;
}

export interface Route {
  /** 'default' or a range. */
  readonly to: string;
  readonly link: string;
}

export interface Link {
  readonly name: string;
  readonly mtu: number;
}

export interface Vxlan extends Link {
  /** The link and the address it sends from. */
  readonly over?: string;
  readonly local?: string;
}

export const addresses: Question<Address[]> = {
  shell: 'ip -o addr show',
  read: ({ text, code }) =>
    code === 0
      ? [...text.matchAll(/^\d+:\s+(\S+)\s+inet6?\s+([0-9a-f.:]+)\/(\d+)\s/gm)].map(([, link, address, prefix]) => ({
          link: link!.replace(/@.*$/, ''),
          address: address!,
          prefix: Number(prefix),
        }))
      : undefined,
};

export const routes: Question<Route[]> = {
  shell: 'ip -4 route show',
  read: ({ text, code }) =>
    code === 0
      ? linesOf(text).flatMap((line) => {
          const [, to, link] = /^(?:unicast )?(default|[\d.]+(?:\/\d+)?)\s.*?\bdev (\S+)/.exec(line) ?? [];
          return to === undefined ? [] : [{ to, link: link! }];
        })
      : undefined,
};

export const links: Question<(Link & Partial<Vxlan>)[]> = {
  shell: 'ip -o -d link show',
  read: ({ text, code }) =>
    code === 0
      ? linesOf(text).flatMap((line) => {
          const [, name, mtu] = /^\d+:\s+([^:@\s]+)[:@].*?\bmtu (\d+)/.exec(line) ?? [];
          if (name === undefined) return [];
          const vxlan = /\bvxlan id \d+/.test(line)
            ? known({ over: /\bdev (\S+)/.exec(line)?.[1], local: /\blocal (\S+)/.exec(line)?.[1] })
            : undefined;
          return [{ name, mtu: Number(mtu), ...vxlan }];
        })
      : undefined,
};

/** As root: with the programs behind them. */
export const listening: Question<Port[]> = {
  shell: 'ss -Hltnp',
  read: ({ text, code }) => (code === 0 ? ports.read({ code, stdout: text, stderr: '' }) : undefined),
};

export interface Resolver {
  readonly servers: readonly string[];
  /** Whether systemd-resolved runs: its real servers are then in /run/systemd/resolve/resolv.conf. */
  readonly resolved: boolean;
}

export const resolver: Question<Resolver> = {
  shell: `cat /etc/resolv.conf; echo "resolved: $(systemctl is-active systemd-resolved)"`,
  read({ text }) {
    const resolved = /^resolved: ?(\S*)$/m.exec(text)?.[1];
    if (resolved === undefined) return undefined;
    return {
      servers: [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, server]) => server!),
      resolved: resolved === 'active',
    };
  },
};

export interface Firewall {
  /** Of those that run. */
  readonly by: readonly ('firewalld' | 'ufw' | 'iptables')[];
  /** What they let in, as they say it. */
  readonly allows: string;
}

const firewallShell = `for u in firewalld ufw; do echo "$u: $(systemctl is-active "$u")"; done
command -v ufw >/dev/null && ufw status | sed 's/^/ufw /'
command -v firewall-cmd >/dev/null && firewall-cmd --list-all --zone=trusted | sed 's/^/trusted /' && firewall-cmd --list-all | sed 's/^/zone /'
command -v iptables >/dev/null && iptables -w 2 -S INPUT | head -n 40
exit 0`;

export const firewall: Question<Firewall> = {
  shell: firewallShell,
  read({ text }) {
    if (!/^firewalld: /m.test(text)) return undefined;
    const on = [
      ...(/^firewalld: active$/m.test(text) ? ['firewalld' as const] : []),
      ...(/^ufw Status: active$/m.test(text) ? ['ufw' as const] : []),
    ];
    const drops = /^-P INPUT (DROP|REJECT)$/m.test(text);
    return { by: on.length === 0 && drops ? ['iptables'] : on, allows: text };
  },
};

export interface Proxies {
  /** The proxy of the shell and of the container runtime, as they are set; without passwords. */
  readonly http?: string;
  readonly no?: string;
  readonly runtime?: string;
  readonly runtimeNo?: string;
}

const bare = (url: string | undefined): string | undefined => url?.replace(/\/\/[^@/]*@/, '//') || undefined;

export const proxies: Question<Proxies> = {
  shell: `env | grep -iE '^(https?|no)_proxy=' | sed 's/^/shell /'
grep -hiE '^(export )?(https?|no)_proxy=' /etc/environment /etc/profile.d/*.sh | sed 's/^export //; s/^/shell /'
systemctl show containerd -p Environment --value | tr ' ' '\\n' | grep -iE '^"?(https?|no)_proxy=' | sed 's/^/runtime /'
echo asked`,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const of = (who: string, name: string): string | undefined =>
      new RegExp(`^${who} "?${name}="?([^"\\n]*)`, 'im').exec(text)?.[1];
    return (
      known<Proxies>({
        http: bare(of('shell', 'https?_proxy')),
        no: of('shell', 'no_proxy'),
        runtime: bare(of('runtime', 'https?_proxy')),
        runtimeNo: of('runtime', 'no_proxy'),
      }) ?? {}
    );
  },
};
