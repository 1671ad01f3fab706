/** What the running gateway says of its cache, its Redis and its breakers, where they are on. */
import { type Admin, getMetrics, getState, stateOf } from '../gateway/admin.js';
import type { RedisNode } from '../gateway/cache.js';
import { secretsHere, settingsHere } from '../gateway/change.js';
import type { World } from '../world.js';
import type { Deployment } from './deployment.js';

export interface GatewayTruth {
  readonly cache?: { readonly hits: number; readonly misses: number };
  readonly redis?: { readonly nodes: readonly string[]; readonly answers: boolean; readonly why?: string };
  /** Versions that are left alone now, as model/version. */
  readonly breaker?: { readonly open: readonly string[] };
}

/** Since the gateway's start, over all models. @param exposition in Prometheus' text format */
export function cacheCounts(exposition: string): { hits: number; misses: number } {
  const counts = { hits: 0, misses: 0 };
  for (const [, result, value] of exposition.matchAll(/^gateway_cache_total\{[^}]*result="(\w+)"\} (\d+)$/gm)) {
    if (result === 'miss' || result === 'refresh') counts.misses += Number(value);
    else if (result !== 'bypass') counts.hits += Number(value);
  }
  return counts;
}

const nodeText = ({ host, port }: RedisNode): string => (port === 0 ? host : `${host}:${port}`);

async function stateHere(admin: Admin, world: World) {
  const state = await world.http.request(getState(admin)).then(stateOf);
  const exposition = await world.http.request(getMetrics(admin)).then((response) => response.text());
  return { state, exposition };
}

/** Undefined while the gateway does not answer. */
export async function gatewayTruth({ gateway }: Deployment, world: World): Promise<GatewayTruth | undefined> {
  const [settings, secrets] = await Promise.all([settingsHere(world), secretsHere(world)]);
  if (!settings || !secrets) return undefined;
  const admin = { host: '127.0.0.1', port: gateway.adminPort, key: secrets.adminKey };
  const told = await stateHere(admin, world).catch(() => undefined);
  if (!told) return undefined;
  const { redis, models } = told.state;
  const open = models.flatMap(({ id, versions }) =>
    versions.filter(({ breaker }) => breaker && breaker.state !== 'closed').map(({ name }) => `${id}/${name}`),
  );
  return {
    ...(settings.cache ? { cache: cacheCounts(told.exposition) } : {}),
    ...(settings.redis && redis ? { redis: { nodes: settings.redis.nodes.map(nodeText), ...redis } } : {}),
    ...(settings.breaker ? { breaker: { open } } : {}),
  };
}
