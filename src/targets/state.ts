/** What is true now of what was brought up here. */
import { say, type Text } from '../say.js';
import { readSupervision, type Supervision } from '../supervisor/status.js';
import type { World } from '../world.js';
import { type Deployment, trust } from './deployment.js';
import { type GatewayTruth, gatewayTruth } from './gateway.js';

export interface LocalState {
  readonly state: Supervision['state'];
  readonly reason: Text;
  readonly supervision: Supervision;
  /** Absent while the gateway does not answer. */
  readonly gateway?: GatewayTruth;
}

const redisAway = ({ nodes, why }: NonNullable<GatewayTruth['redis']>): Text =>
  say(
    `Redis (${nodes.join(', ')}) does not answer the gateway: ${why}. Requests go on without it: limits and cache are this gateway's own.`,
    `Redis（${nodes.join('、')}）没有应答网关：${why}。请求照常处理，但限流与缓存仅在本网关内有效。`,
  );

/** The supervisor's word, held against an answer of the gateway itself. */
export async function localState(deployment: Deployment, world: World): Promise<LocalState> {
  const supervision = await readSupervision(world);
  if (supervision.state !== 'ready') return { state: supervision.state, reason: supervision.reason, supervision };
  const { endpoint } = deployment;
  const answered = await world.http
    .request({ url: `${endpoint.replace(/\/v1$/, '')}/health`, timeoutMs: 2000, ...(await trust(deployment, world)) })
    .then(async (response) => {
      await response.text();
      return response.status;
    })
    .catch((error: Error) => error.message);
  if (answered === 200) {
    const gateway = await gatewayTruth(deployment, world);
    const known = { supervision, ...(gateway ? { gateway } : {}) };
    return gateway?.redis?.answers === false
      ? { state: 'degraded', reason: redisAway(gateway.redis), ...known }
      : { state: 'ready', reason: supervision.reason, ...known };
  }
  const reason = say(
    `The gateway does not answer at ${endpoint} (${answered}).`,
    `网关在 ${endpoint} 没有响应（${answered}）。`,
  );
  return { state: 'degraded', reason, supervision };
}
