/** Requests to the gateway's admin port as values, and the readers of its answers. */
import type { HttpRequest, HttpResponse } from '../world.js';
import type { TokenKeys } from './oauth.js';
import { readSettings, type Settings, settingsText } from './settings.js';

export interface Admin {
  readonly host: string;
  readonly port: number;
  readonly key: string;
}

/** Only where the settings have breakers. */
export interface BreakerState {
  readonly state: 'closed' | 'open' | 'half-open';
  /** Seconds until a probe is let through; 0 when it is not open. */
  readonly retryAfterS: number;
}

export interface GatewayState {
  readonly revision: number;
  /** What stood in the file `made` when nginx's master read its files. */
  readonly made?: string;
  /** Where the settings name one: whether it answers this gateway now, else why not. */
  readonly redis?: { readonly answers: boolean; readonly why?: string };
  readonly models: readonly {
    readonly id: string;
    readonly versions: readonly {
      readonly name: string;
      readonly weight: number;
      readonly breaker?: BreakerState;
      readonly peers: readonly {
        readonly address: string;
        readonly load: number;
        readonly drain: boolean;
        /** The name it is an address of. */
        readonly name?: string;
        readonly breaker?: BreakerState;
      }[];
    }[];
  }[];
  /** Peers' names: what they stand for, how old the last good answer is in seconds, and what failed since, if anything. */
  readonly names: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly ageS?: number;
    readonly error?: string;
  }[];
}

const request = (admin: Admin, path: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  url: `http://${admin.host}:${admin.port}${path}`,
  headers: { authorization: `Bearer ${admin.key}` },
  timeoutMs: 2000,
  ...more,
});

export const getSettings = (admin: Admin): HttpRequest => request(admin, '/settings');

/** Answered 200 once every worker goes by it; 409 when a revision as high is in force. */
export const putSettings = (admin: Admin, settings: Settings): HttpRequest =>
  request(admin, '/settings', { method: 'PUT', body: settingsText(settings) });

/** Answered with version and kids; 409 when a version as high is in force. */
export const putTokenKeys = (admin: Admin, keys: TokenKeys): HttpRequest =>
  request(admin, '/token-keys', { method: 'PUT', body: JSON.stringify(keys) });

export const getTokenKeys = (admin: Admin): HttpRequest => request(admin, '/token-keys');

export const getState = (admin: Admin): HttpRequest => request(admin, '/state');

export const getMetrics = (admin: Omit<Admin, 'key'>): HttpRequest => ({
  url: `http://${admin.host}:${admin.port}/metrics`,
  timeoutMs: 2000,
});

/** @throws Error with the gateway's own words for any status but 200. */
async function read<T>(response: HttpResponse, parse: (text: string) => T): Promise<T> {
  const text = await response.text();
  if (response.status === 200) return parse(text);
  throw new Error(`The gateway's admin port answered ${response.status}: ${text.slice(0, 500)}`);
}

export const settingsOf = (response: HttpResponse): Promise<Settings> => read(response, readSettings);

export const revisionOf = (response: HttpResponse): Promise<number> =>
  read(response, (text) => (JSON.parse(text) as { revision: number }).revision);

export const stateOf = (response: HttpResponse): Promise<GatewayState> =>
  read(response, (text) => JSON.parse(text) as GatewayState);

/** The signing keys in force, by their kids, the current one first. */
export const tokenKeysOf = (response: HttpResponse): Promise<{ version: number; kids: readonly string[] }> =>
  read(response, (text) => JSON.parse(text) as { version: number; kids: string[] });
