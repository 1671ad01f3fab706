/** How peers that are named rather than numbered are looked up, whole: the Lua has no defaults of its own, but for `staleS`. */

export interface DnsOptions {
  /** IP addresses (IPv6 in brackets), asked in turn; none: those of /etc/resolv.conf. Its search domains are not used. */
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  /** An answer is asked for again when its TTL is over, but not before and not after so many seconds. */
  readonly leastS: number;
  readonly longestS: number;
  /**
   * The last good addresses are used no longer than this, in s, when there is no new answer, or one without any. Settings
   * that were written before there was this limit lack it: they mean the same default.
   */
  readonly staleS: number;
  /** What one server may take, in ms, before the next is asked. */
  readonly timeoutMs: number;
}

export const dnsOptions = (given: Partial<DnsOptions> = {}): DnsOptions => ({
  servers: [],
  leastS: 1,
  longestS: 30,
  staleS: 3600,
  timeoutMs: 1000,
  ...given,
});
