/** What is true now of what was brought up here. */
import { say, type Text } from '../say.js';
import { readSupervision, type Supervision } from '../supervisor/status.js';
import type { World } from '../world.js';
import { type Deployment, trust } from './deployment.js';

export interface LocalState {
  readonly state: Supervision['state'];
  readonly reason: Text;
  readonly supervision: Supervision;
}

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
  if (answered === 200) return { state: 'ready', reason: supervision.reason, supervision };
  const reason = say(
    `The gateway does not answer at ${endpoint} (${answered}).`,
    `网关在 ${endpoint} 没有响应（${answered}）。`,
  );
  return { state: 'degraded', reason, supervision };
}
