import { bracketed, reachable } from '../address.js';
import { caFile } from '../gateway/tls.js';
import type { Step } from '../plan/step.js';
import { say } from '../say.js';
import { type Deployment, deploymentFile, readDeployment } from '../targets/deployment.js';
import { isUsingCache, useCache } from '../targets/purge.js';
import type { World } from '../world.js';
import type { Setup } from './setup.js';

export const endpointOf = ({ gateway: { host, port }, config }: Pick<Setup, 'gateway' | 'config'>): string =>
  `${config.gateway.tls.mode === 'off' ? 'http' : 'https'}://${bracketed(reachable(host))}:${port}/v1`;

/** A certificate that was brought along is held against the CAs that this system trusts. */
const trustOf = (setup: Setup): { readonly ca?: string } =>
  setup.config.gateway.tls.mode === 'own-ca' ? { ca: caFile(setup.places.home) } : {};

const recordOf = (setup: Setup, createdAt: string): Deployment => ({
  version: 1,
  name: setup.name,
  target: 'local',
  model: setup.model.id,
  endpoint: endpointOf(setup),
  ...trustOf(setup),
  gateway: setup.gateway,
  engine: setup.engine,
  wish: setup.wish,
  createdAt,
});

const text = (deployment: Deployment): string => `${JSON.stringify(deployment, null, 2)}\n`;

async function isRecorded(setup: Setup, world: World): Promise<boolean> {
  const before = await readDeployment(world);
  return (
    before !== undefined && text(before) === text(recordOf(setup, before.createdAt)) && (await isUsingCache(world))
  );
}

/** First, so that a run that is cut short is known to `status`, to the next `init` and to `down`. */
export const record: Step<Setup> = {
  id: 'deployment.record',
  title: say('Note what shall be here', '登记部署'),
  done: isRecorded,
  async apply(setup, world) {
    const createdAt = (await readDeployment(world))?.createdAt ?? new Date(world.clock.now()).toISOString();
    const { home } = setup.places;
    return [
      { kind: 'dir', path: home, mode: 0o700 },
      ...useCache(world),
      { kind: 'write', path: deploymentFile(home), mode: 0o600, content: text(recordOf(setup, createdAt)) },
    ];
  },
};
