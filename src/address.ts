/** Hosts as URLs and programs write them. */

/** An IPv6 address stands in brackets where a port may follow. */
export const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** An address that stands for all of a machine's is reached over loopback from that machine. */
export const reachable = (host: string): string => ({ '0.0.0.0': '127.0.0.1', '::': '::1' })[host] ?? host;
