/** A whole command line, in-process, with the real network and a fake everything else. */
import { run } from '../../src/cli.js';
import { cliKeyFile } from '../../src/gateway/cli-key.js';
import { systemClock } from '../../src/hosts/clock.js';
import { http } from '../../src/hosts/http.js';
import { type Deployment, deploymentFile } from '../../src/targets/deployment.js';
import type { World } from '../../src/world.js';
import type { FakeWorld } from '../world/fake.js';

export interface Typed {
  readonly code: number;
  /** Lines for people. */
  readonly shown: readonly string[];
  readonly out: string;
  readonly errors: string;
}

export async function type(line: string, world: FakeWorld): Promise<Typed> {
  const [shown, out, errors] = [world.shown.length, world.out.length, world.errors.length];
  const real: World = { ...world, http: http({}), clock: systemClock };
  const code = await run(line.split(' ').filter(Boolean), world.env, () => real, '0.0.0');
  return {
    code,
    shown: world.shown.slice(shown),
    out: world.out.slice(out).join(''),
    errors: world.errors.slice(errors).join('\n'),
  };
}

/** As `init` leaves it, as far as these commands look: the record, and the CLI's own key. */
export async function deployed(world: FakeWorld, endpoint: string, key: string, enginePort = 1): Promise<void> {
  const { home } = world.places;
  await world.files.makeDir(`${home}/gateway`);
  const { hostname, port } = new URL(endpoint);
  const deployment: Deployment = {
    ...{ version: 1, name: 'default', target: 'local', model: 'm', endpoint, createdAt: '2026-11-24T00:00:00.000Z' },
    gateway: { host: hostname, port: Number(port), adminPort: 2 },
    engine: { host: '127.0.0.1', port: enginePort },
    wish: { overrides: [] },
  };
  await world.files.write(deploymentFile(home), JSON.stringify(deployment));
  await world.files.write(cliKeyFile(home), `${key}\n`);
}
