/** Settings of the gateway's Redis and of its answer cache, whole: the Lua has no defaults of its own. */

export interface RedisNode {
  /** An IP address, a name (needs `dns`; the last good address is kept), or 'unix:/path' with port 0. */
  readonly host: string;
  readonly port: number;
}

/** The password is a secret and not among these. */
export interface RedisOptions {
  /** One server, or some nodes of a cluster to learn the others from. */
  readonly nodes: readonly RedisNode[];
  readonly cluster: boolean;
  /** A user of Redis' ACL; absent: the default user. */
  readonly username?: string;
  /** Always 0 in a cluster. */
  readonly database: number;
  /** `verify` needs the CA file in nginx.conf; `serverName` where certificates are not for `host`. */
  readonly tls?: { readonly verify: boolean; readonly serverName?: string };
  /** What a request may wait for Redis, connecting included, in ms. */
  readonly budgetMs: number;
  /** What a write in the background may take, in ms. */
  readonly writeMs: number;
  /** Most connections of a worker to a node, and most requests that wait for one of them; more go without Redis. */
  readonly connections: number;
  readonly waiting: number;
  /** One late answer, or so many broken connections within the window, keep everybody away for the cool-down. */
  readonly breaker: { readonly failures: number; readonly windowS: number; readonly coolDownS: number };
}

export interface CacheOptions {
  /** Seconds a stored answer is served. */
  readonly ttlS: number;
  /** Seconds it is kept beyond that, for the time when no engine answers. */
  readonly staleS: number;
  /** Largest answer that is stored, in bytes of its JSON. */
  readonly maxBytes: number;
  /** Largest answer that is also kept in the gateway's own memory, in bytes of its JSON; 0: none is. */
  readonly localBytes: number;
  /** Seconds an answer stays there: the longest that one gateway goes on after the answer is deleted from Redis. */
  readonly localS: number;
  /** Whether embeddings, which have no temperature, are cached without being asked for. */
  readonly embeddings: boolean;
  /** Whether nothing else is cached without being asked for either, not even at temperature 0. */
  readonly onlyOnRequest: boolean;
  /**
   * How long a request waits for an equal one that is under way, in ms, before it goes to the engine itself. Who wants
   * a stream waits less: its first token is what counts.
   */
  readonly flight: { readonly waitMs: number; readonly streamWaitMs: number };
  /** A replayed stream: bytes of a piece, ms between pieces, and the longest that a whole replay takes. */
  readonly replay: { readonly pieceBytes: number; readonly everyMs: number; readonly longestMs: number };
  /** Answers waiting to be written to Redis, for each worker; more are not stored. */
  readonly queue: { readonly entries: number; readonly bytes: number };
}

type Given<T> = { readonly [K in keyof T]?: T[K] extends object ? Given<T[K]> : T[K] };

/** @param given at least the nodes */
export const redisOptions = (
  given: Omit<Given<RedisOptions>, 'nodes' | 'tls'> & Pick<RedisOptions, 'nodes' | 'tls'>,
): RedisOptions => ({
  cluster: false,
  database: 0,
  budgetMs: 25,
  writeMs: 250,
  connections: 16,
  waiting: 64,
  ...given,
  breaker: { failures: 3, windowS: 1, coolDownS: 1, ...given.breaker },
});

export const cacheOptions = (given: Given<CacheOptions> = {}): CacheOptions => ({
  ttlS: 3600,
  staleS: 86_400,
  maxBytes: 1024 * 1024,
  localBytes: 64 * 1024,
  localS: 60,
  embeddings: true,
  onlyOnRequest: false,
  ...given,
  flight: { waitMs: 30_000, streamWaitMs: 500, ...given.flight },
  replay: { pieceBytes: 48, everyMs: 4, longestMs: 1000, ...given.replay },
  queue: { entries: 256, bytes: 32 * 1024 * 1024, ...given.queue },
});
