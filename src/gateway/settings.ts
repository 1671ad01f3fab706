/** What changes while the gateway runs: one JSON document with a growing revision, in settings.json beside nginx.conf. */

import type { AuditOptions } from './audit.js';
import type { BreakerOptions, DegradeOptions } from './breaker.js';
import type { CacheOptions, RedisOptions } from './cache.js';
import type { CloudOptions } from './cloud.js';
import type { CorsOptions } from './cors.js';
import type { Credential } from './credential.js';
import type { DnsOptions } from './dns.js';
import type { LimitOptions, OwnLimits, ValidationOptions } from './limits.js';
import type { Client, OAuthOptions, TokenKeys } from './oauth.js';

export type Key = Credential;

export interface Peer {
  /** An IP address, or a name whose addresses are all peers: looked up in the background, as `dns` says. */
  readonly host: string;
  readonly port: number;
  /** No new requests; those in hand are finished. */
  readonly drain?: boolean;
}

export interface Version {
  /** 'blue' or 'green'; a local deployment has one, 'blue'. */
  readonly name: string;
  /** What its answers depend on: weights, engine, arguments. Cached answers of another one are not served. */
  readonly revision?: string;
  /** How its engines are asked: OpenAI's API over HTTP (default), or SGLang's native service, which carries the same JSON. */
  readonly protocol?: 'http' | 'grpc';
  /** Share of the model's requests; versions with 0 get none. */
  readonly weight: number;
  readonly peers: readonly Peer[];
}

export interface ServedModel {
  /** As callers name it, and as the engine does. */
  readonly id: string;
  readonly aliases?: readonly string[];
  readonly created?: number;
  readonly ownedBy?: string;
  readonly versions: readonly Version[];
}

export interface Settings {
  readonly revision: number;
  readonly keys: readonly Key[];
  readonly models: readonly ServedModel[];
  /** Needed where a peer is a name. */
  readonly dns?: DnsOptions;
  readonly redis?: RedisOptions;
  /** Absent: no answer is cached. */
  readonly cache?: CacheOptions;
  /** Absent: engines are asked however often they fail. */
  readonly breaker?: BreakerOptions;
  /** Needs `breaker`. Absent: a version that is open is answered for with 503. */
  readonly degrade?: DegradeOptions;
  /** Asked where `degrade` says so; needs nginx.conf's `cloudCa` and the secret `cloudKey`. */
  readonly cloud?: CloudOptions;
  /** Absent: nothing is limited. */
  readonly limits?: LimitOptions;
  /** Absent: OpenAI's full ranges, without warnings. */
  readonly validation?: ValidationOptions;
  /**
   * A stream that is silent for so long gets a comment of SSE, once its engine has opened it; at least 1, in seconds.
   * Absent: none.
   */
  readonly keepAliveS?: number;
  /** Absent: no page of another origin may read an answer. */
  readonly cors?: CorsOptions;
  /** Absent: as `auditOptions()` has it. The log itself is always kept. */
  readonly audit?: AuditOptions;
  readonly clients?: readonly Client[];
  /** There when clients are. */
  readonly oauth?: OAuthOptions;
}

/** Read by nginx's master alone, mode 0600. */
export interface Secrets {
  readonly pepper: string;
  readonly adminKey: string;
  /** Sent to the engines as a bearer token. */
  readonly engineKey?: string;
  readonly redisPassword?: string;
  /** Sent to the cloud's API as a bearer token. */
  readonly cloudKey?: string;
  /** What cached answers are named and sealed with; another one makes all of them misses. */
  readonly cacheSecret?: string;
  /** What the audit log is chained and sealed with: whoever has it can read and forge the log. Never changed. */
  readonly auditSecret: string;
  /** Made with the first client. */
  readonly tokenKeys?: TokenKeys;
}

export const noSettings: Settings = { revision: 0, keys: [], models: [] };

export const next = (settings: Settings, change: Partial<Omit<Settings, 'revision'>>): Settings => ({
  ...settings,
  ...change,
  revision: settings.revision + 1,
});

export const withKey = (settings: Settings, key: Key): Settings => next(settings, { keys: [...settings.keys, key] });

/** In the place of the one with its id. */
export const withKeyChanged = (settings: Settings, key: Key): Settings =>
  next(settings, { keys: settings.keys.map((one) => (one.id === key.id ? key : one)) });

/** The revoked key stays in the list, for the lists and the audit log; the gateway refuses it. */
export const withoutKey = (settings: Settings, id: string, now: number): Settings =>
  next(settings, { keys: settings.keys.map((key) => (key.id === id ? { ...key, revokedAt: now } : key)) });

/** Absent: those of every key. */
export const withLimits = <T extends { readonly limits?: OwnLimits }>({ limits: _, ...one }: T, own?: OwnLimits): T =>
  (own === undefined ? one : { ...one, limits: own }) as T;

export const withModels = (settings: Settings, models: readonly ServedModel[]): Settings => next(settings, { models });

const inModel = (settings: Settings, id: string, change: (version: Version) => Version): Settings =>
  next(settings, {
    models: settings.models.map((model) =>
      model.id === id ? { ...model, versions: model.versions.map(change) } : model,
    ),
  });

/** Versions that are not named keep their weight. */
export const withWeights = (settings: Settings, model: string, weights: Readonly<Record<string, number>>): Settings =>
  inModel(settings, model, (version) => ({ ...version, weight: weights[version.name] ?? version.weight }));

export const withPeers = (settings: Settings, model: string, version: string, peers: readonly Peer[]): Settings =>
  inModel(settings, model, (one) => (one.name === version ? { ...one, peers } : one));

export const settingsText = (settings: Settings): string => `${JSON.stringify(settings, null, 1)}\n`;

export const readSettings = (text: string): Settings => JSON.parse(text) as Settings;
