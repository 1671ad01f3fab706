import type { Server } from 'node:net';

/** Where requests come in. */
export interface Door {
  /** Not yet listening. */
  readonly server: Server;
  /** No new requests; resolves when the running ones have been answered. */
  close(): Promise<void>;
  /** Now, whoever is still being answered. */
  cut(): void;
}
