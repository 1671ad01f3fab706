/** What shall be so on this machine: decided once, before the plan, from configuration, facts and what stood before. */
import type { Bundle } from '../bundle/open.js';
import type { Config } from '../config/config.js';
import { ownFiles, type TlsFiles } from '../gateway/tls.js';
import type { EngineAddress, RememberedWish } from '../targets/deployment.js';
import type { Places } from '../world.js';

/** The processes of the local target that write a log; the supervisor watches the other two. */
export const processNames: readonly string[] = ['engine', 'gateway', 'supervisor'];

export const logFile = (home: string, name: string): string => `${home}/logs/${name}.log`;

/** The bearer token the gateway shows the engine; mode 0600. */
export const engineKeyFile = (home: string): string => `${home}/engine/key`;

/** Holds the first API key until `init` has shown it, then it is removed. */
export const firstKeyFile = (home: string): string => `${home}/gateway/first-key`;

export type ModelSource =
  | { readonly kind: 'demo' }
  | { readonly kind: 'file' }
  | { readonly kind: 'download'; readonly url: string; readonly sha256: string; readonly bytes: number };

export interface Setup {
  readonly name: string;
  readonly places: Places;
  readonly config: Config;
  readonly wish: RememberedWish;
  readonly model: { readonly id: string; readonly file: string; readonly source: ModelSource };
  readonly engine: EngineAddress;
  /** In place of the network. */
  readonly bundle?: Bundle;
  readonly gateway: { readonly host: string; readonly port: number; readonly adminPort: number };
}

/** The gateway's certificate and key, where it speaks HTTPS. */
export function tlsFilesOf({ config, places }: Pick<Setup, 'config' | 'places'>): TlsFiles {
  const { certificate, key } = config.gateway.tls;
  return certificate !== undefined && key !== undefined ? { certificate, key } : ownFiles(places.home);
}
