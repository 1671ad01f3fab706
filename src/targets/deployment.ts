import type { Override } from '../config/load.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';

/** What `init` brought up in this home: the facts that later commands start from. No secrets in here. */
export interface Deployment {
  readonly version: 1;
  readonly name: string;
  readonly target: 'local';
  readonly model: string;
  /** The base URL an OpenAI client takes, ending in /v1. */
  readonly endpoint: string;
  /** Absolute path of the CA that the endpoint's certificate is from; absent: one that the system knows, or HTTP. */
  readonly ca?: string;
  readonly gateway: { readonly host: string; readonly port: number; readonly adminPort: number };
  readonly engine: EngineAddress;
  /** What was asked for: the next `init` starts from it. */
  readonly wish: RememberedWish;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

export interface EngineAddress {
  readonly host: string;
  /** HTTP: also health and metrics. */
  readonly port: number;
  /** There when the gateway asks over gRPC. */
  readonly grpcPort?: number;
}

export interface RememberedWish {
  /** Absolute path of the configuration file; it is read again, so that a change in it counts. */
  readonly file?: string;
  readonly overrides: readonly Override[];
}

export const clusterFile = (home: string): string => `${home}/cluster.json`;

export const deploymentFile = (home: string): string => `${home}/deployment.json`;

export async function readDeployment(world: World): Promise<Deployment | undefined> {
  const text = await world.files.readIfAny(deploymentFile(world.places.home));
  return text === undefined ? undefined : (JSON.parse(text) as Deployment);
}

/** @throws UserError `deployment.none` when nothing is deployed in this home, `deployment.cluster` for a cluster. */
export async function needDeployment(world: World): Promise<Deployment> {
  const deployment = await readDeployment(world);
  if (deployment) return deployment;
  if (await world.files.stat(clusterFile(world.places.home)))
    throw new UserError(
      'deployment.cluster',
      say('A cluster was made from here; no model is served on it.', '此处只建立了集群，尚未在其上部署模型。'),
      { hint: say('See it: deepseek-deploy status', '查看集群：deepseek-deploy status'), exit: 'unready' },
    );
  throw new UserError(
    'deployment.none',
    say(`Nothing is deployed in ${world.places.home}.`, `${world.places.home} 中没有任何部署。`),
    { hint: say('Bring one up: deepseek-deploy init', '先部署一个：deepseek-deploy init'), exit: 'unready' },
  );
}

/** What a request to the deployment's endpoint has to trust. */
export async function trust({ ca }: Deployment, world: World): Promise<{ readonly ca?: string }> {
  const text = ca === undefined ? undefined : await world.files.readIfAny(ca);
  return text === undefined ? {} : { ca: text };
}
